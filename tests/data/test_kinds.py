"""Kinds of simulated nuclei differ in what they say they differ in."""

import numpy as np
import pytest
from scipy import ndimage

from napari_grd.data.kinds import NUCLEI, NucleiKind
from napari_grd.data.simulate import nuclei_2d

SHAPE = (192, 192)


def drawn(kind: NucleiKind, seed: int = 0, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    return nuclei_2d(np.random.default_rng(seed), SHAPE, count, kind=kind)


def diameters(kind: NucleiKind) -> float:
    return float(np.median(np.sqrt(np.bincount(drawn(kind)[1].ravel())[1:] * 4 / np.pi)))


@pytest.mark.parametrize("name", NUCLEI)
def test_every_kind_has_nuclei_in_one_piece_that_stand_out(name: str) -> None:
    image, labels = drawn(NUCLEI[name])
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    assert labels.max() >= 0.8 * image.size / NUCLEI[name].pixels_each
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        assert ndimage.label(labels[box] == number, np.ones((3, 3)))[1] == 1
    inside = ndimage.median(image, labels, np.arange(1, labels.max() + 1))
    noise = np.median(np.abs(np.diff(image[:8].astype(float), axis=1)))
    assert np.mean(inside > np.median(image[labels == 0]) + 2 * noise) > 0.9


@pytest.mark.parametrize("name", NUCLEI)
def test_every_kind_can_be_empty(name: str) -> None:
    image, labels = drawn(NUCLEI[name], count=0)
    assert not labels.any()
    assert image.std() > 0


def test_sizes_density_and_sharpness_are_as_named() -> None:
    assert diameters(NUCLEI["small"]) < 0.75 * diameters(NUCLEI["culture"])
    assert diameters(NUCLEI["large"]) > 1.3 * diameters(NUCLEI["culture"])
    assert drawn(NUCLEI["crowded"])[1].max() > 2 * drawn(NUCLEI["culture"])[1].max()

    def sharpest(name: str) -> float:
        image = drawn(NUCLEI[name])[0].astype(float)
        return float(np.abs(ndimage.sobel(ndimage.gaussian_filter(image, 0.5))).max() / np.ptp(image))

    assert sharpest("blurred") < 0.8 * sharpest("culture")
