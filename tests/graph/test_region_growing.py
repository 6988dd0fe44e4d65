import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.errors import ImageError
from napari_grd.graph.region_growing import instance_at


def scene(noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((50, 60))
    labels = (columns // 20 + 1) * ((rows > 5) & (rows < 45))
    embedding = rng.normal(size=(4, 8))[labels] + noise * rng.normal(size=(50, 60, 8))
    return labels, embedding.astype(np.float32), (0.9 * (labels > 0)).astype(np.float32)


def test_the_object_under_the_pointer():
    labels, embedding, foreground = scene()
    picked = instance_at(embedding, foreground, (25, 30))
    assert (picked & (labels == 2)).sum() / (picked | (labels == 2)).sum() > 0.98
    assert not instance_at(embedding, foreground, (2, 30)).any()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 99),
    st.floats(0, 1),
    st.tuples(st.integers(0, 49), st.integers(0, 59)),
    st.lists(st.floats(-20, 20), min_size=2, max_size=4).map(sorted),
)
def test_growth_never_loses_a_pixel(seed, noise, pixel, growths):
    _, embedding, foreground = scene(noise, seed)
    smaller = np.zeros(foreground.shape, bool)
    for growth in growths:
        larger = instance_at(embedding, foreground, pixel, growth=growth)
        assert not (smaller & ~larger).any()
        smaller = larger


def test_it_reaches_no_farther_than_the_limit():
    picked = instance_at(np.ones((50, 60, 4), np.float32), None, (10, 20), limit=5)
    rows, columns = np.nonzero(picked)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 15, 15, 25)


def test_bad_input():
    _, embedding, foreground = scene()
    with pytest.raises(ImageError, match="outside"):
        instance_at(embedding, foreground, (50, 0))
    with pytest.raises(ImageError, match="shape"):
        instance_at(embedding, foreground[:-1], (5, 0))
