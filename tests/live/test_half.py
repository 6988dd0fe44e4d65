"""float16 as numpy has it."""

import numpy as np

from napari_grd.live.half import from_half, to_half


def test_every_float16_becomes_the_same_float32():
    half = np.arange(2**16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(from_half(half.reshape(256, 256)), half.astype(np.float32).reshape(256, 256))


def test_floats_are_rounded_to_the_nearest():
    rng = np.random.default_rng(0)
    half = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (half[:-1] + half[1:]) / 2
    values = np.concatenate([half, between, np.nextafter(between, 0), np.nextafter(between, np.float32(np.inf))])
    special = np.array([np.inf, -np.inf, np.nan, 65520, 65519.99, 1e-30], np.float32)
    anything = rng.integers(0, 2**32, 2**18, dtype=np.uint32).view(np.float32)
    values = np.concatenate([values, -values, special, anything])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        expected = values.astype(np.float16)
    found = to_half(values[::-1])[::-1]  # not contiguous
    np.testing.assert_array_equal(found, expected)
    assert (np.signbit(found) == np.signbit(expected))[~np.isnan(expected)].all()
