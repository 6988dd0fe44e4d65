"""How large the objects of an image are."""

import numpy as np
import pytest

from napari_grd.data.object_size import estimate_diameter
from napari_grd.inference.rescale import grid_shape, rescale_image


def disks(radius, count=25, side=360, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    image = np.zeros((1, side, side), np.float32)
    for _ in range(count):
        place = rng.uniform(0, side, 2)
        image[0] = np.maximum(image[0], np.hypot(y - place[0], x - place[1]) < radius * rng.uniform(0.9, 1.1))
    return image


@pytest.mark.parametrize("radius", [4, 7, 12, 20, 30])
@pytest.mark.parametrize("dark", [False, True])
def test_the_diameter_of_disks_is_found(radius, dark):
    image = disks(radius, count=14, side=18 * radius)
    found = estimate_diameter([1 - image if dark else image], dark=dark)
    assert found == pytest.approx(2 * radius, rel=0.25)


@pytest.mark.parametrize("factor", [0.5, 2, 4])
def test_a_magnified_image_has_objects_as_much_larger(factor):
    image = disks(8)
    magnified = rescale_image(image, grid_shape(image.shape[1:], factor))
    assert estimate_diameter([magnified]) == pytest.approx(factor * estimate_diameter([image]), rel=0.12)


def test_noise_gives_no_answer():
    image = np.random.default_rng(0).normal(0, 0.1, (1, 300, 300)).astype(np.float32)
    assert estimate_diameter([image], noise=0.1) is None


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 300), (3, 40, 40)])
def test_nothing_to_see_gives_no_answer(shape):
    assert estimate_diameter([np.zeros(shape, np.float32)]) is None
    assert estimate_diameter([]) is None
