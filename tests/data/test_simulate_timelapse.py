import itertools

import numpy as np
import pytest
from scipy import ndimage

from napari_grd.data.simulate_timelapse import nuclei_timelapse
from napari_grd.errors import ConfigError


@pytest.fixture(scope="module")
def series():
    return nuclei_timelapse(np.random.default_rng(7), (16, 128, 160))


def test_a_series_is_a_function_of_the_seed():
    first, same, other = (nuclei_timelapse(np.random.default_rng(seed), (3, 64, 72)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first[1], other[1])
    assert first[0].dtype == first[1].dtype == np.uint16
    assert first[0].shape == first[1].shape == (3, 64, 72)


def test_nuclei_are_single_pieces_brighter_than_the_background(series):
    for image, labels in zip(*series, strict=True):
        for number in np.unique(labels)[1:]:
            assert ndimage.label(labels == number)[1] == 1
            assert image[labels == number].mean() > 1.3 * image[labels == 0].mean()


def test_a_nucleus_keeps_its_label_while_it_moves_a_little(series):
    _, labels = series
    for before, after in itertools.pairwise(labels):
        for number in np.intersect1d(before, after)[1:]:
            here, there = (np.array(ndimage.center_of_mass(frame == number)) for frame in (before, after))
            assert np.linalg.norm(there - here) < 8
    moved = [ndimage.center_of_mass(labels[at] == labels[0].max()) for at in (0, -1)]
    assert not np.allclose(*moved, atol=0.5)


def test_some_divide_into_two_with_new_labels(series):
    _, labels = series
    first, last = (set(np.unique(labels[at])) for at in (0, -1))
    assert len(last - first) >= 2
    assert first - last, "mothers are gone"


@pytest.mark.parametrize(("shape", "count"), [((8, 8), None), ((0, 8, 8), None), ((2, 8, 8), 1)])
def test_impossible_wishes_are_refused(shape, count):
    with pytest.raises(ConfigError):
        nuclei_timelapse(np.random.default_rng(0), shape, count)
