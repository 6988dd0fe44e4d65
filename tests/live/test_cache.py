import numpy as np

from napari_grd.live.cache import CellCache


def test_what_was_used_last_stays():
    cache = CellCache(30)
    for key in (b"a", b"b", b"c"):
        cache.put(key, np.zeros(10, np.uint8))
    assert cache.get(b"a") is not None
    cache.put(b"d", np.zeros(10, np.uint8))
    assert b"a" in cache
    assert b"b" not in cache
    assert cache.used == 30


def test_a_key_that_is_put_again_counts_once():
    cache = CellCache(100)
    cache.put(b"a", np.zeros(10, np.uint8))
    cache.put(b"a", np.zeros(20, np.uint8))
    assert (cache.used, len(cache)) == (20, 1)
    cache.clear()
    assert (cache.used, cache.get(b"a")) == (0, None)
