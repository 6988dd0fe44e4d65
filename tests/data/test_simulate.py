import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_grd.data.simulate import cells_2d, nuclei_2d, nuclei_3d
from napari_grd.errors import ConfigError

DRAWN = [(nuclei_2d, (128, 160)), (cells_2d, (128, 160)), (nuclei_3d, (16, 64, 72))]


def touching(labels):
    """Pairs of neighboring pixels that belong to different objects."""
    pairs = 0
    for axis in range(labels.ndim):
        here, there = np.moveaxis(labels, axis, 0)[1:], np.moveaxis(labels, axis, 0)[:-1]
        pairs += int(((here != there) & (here > 0) & (there > 0)).sum())
    return pairs


@pytest.mark.parametrize(("draw", "shape"), DRAWN)
def test_labels_are_consecutive_and_everything_is_uint16(draw, shape):
    image, labels = draw(np.random.default_rng(0), shape)
    assert image.dtype == labels.dtype == np.uint16
    assert image.shape == labels.shape == shape
    assert set(np.unique(labels)) | {0} == set(range(labels.max() + 1))


@pytest.mark.parametrize(("draw", "shape"), DRAWN)
def test_an_image_is_a_function_of_the_seed(draw, shape):
    first, same, other = (draw(np.random.default_rng(seed), shape) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("draw", "shape"), DRAWN)
def test_objects_are_single_pieces(draw, shape, seed):
    _, labels = draw(np.random.default_rng(seed), shape)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        assert ndimage.label(labels[box] == number, np.ones((3,) * labels.ndim))[1] == 1


@pytest.mark.parametrize(("draw", "shape"), [DRAWN[0], DRAWN[2]])
def test_nuclei_are_brighter_than_the_background(draw, shape):
    image, labels = draw(np.random.default_rng(0), shape)
    background = image[labels == 0].mean()
    assert (ndimage.mean(image, labels, np.arange(1, labels.max() + 1)) > 1.3 * background).all()


@pytest.mark.parametrize(("draw", "shape"), DRAWN)
def test_some_objects_touch(draw, shape):
    assert sum(touching(draw(np.random.default_rng(seed), shape)[1]) for seed in range(3)) > 0


@pytest.mark.parametrize("count", [0, 1, 7])
def test_as_many_nuclei_as_asked_for(count):
    assert nuclei_2d(np.random.default_rng(0), (160, 160), count)[1].max() == count


def test_a_full_plane_ends_the_search():
    assert 0 < nuclei_2d(np.random.default_rng(0), (48, 48), 100)[1].max() < 100


def test_a_sheet_without_gaps_has_no_background():
    assert cells_2d(np.random.default_rng(0), (96, 96), gaps=0)[1].all()
    assert not cells_2d(np.random.default_rng(0), (96, 96), gaps=1)[1].any()


@pytest.mark.parametrize(("border", "sign"), [("bright", 1), ("dark", -1)])
def test_borders_stand_out(border, sign):
    image, labels = cells_2d(np.random.default_rng(0), (160, 160), border=border, gaps=0)
    at_border = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
    assert sign * (image[at_border].mean() - image[~at_border].mean()) > 80


@settings(deadline=None, max_examples=15)
@given(shape=st.tuples(st.integers(1, 30), st.integers(1, 30)), seed=st.integers(0, 1000))
def test_any_size_can_be_drawn(shape, seed):
    for draw in (nuclei_2d, cells_2d):
        image, labels = draw(np.random.default_rng(seed), shape)
        assert image.shape == labels.shape == shape


@pytest.mark.parametrize(
    ("draw", "arguments"),
    [
        (nuclei_2d, {"shape": (8, 8, 8)}),
        (nuclei_3d, {"shape": (8, 8)}),
        (nuclei_2d, {"shape": (0, 8)}),
        (cells_2d, {"count": -1}),
        (nuclei_2d, {"count": 70_000}),
        (cells_2d, {"gaps": 1.5}),
    ],
)
def test_impossible_wishes_are_refused(draw, arguments):
    with pytest.raises(ConfigError):
        draw(np.random.default_rng(0), **arguments)
