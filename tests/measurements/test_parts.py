"""Objects of large planes and volumes, measured part by part."""

import weakref
from typing import Any

import numpy as np
import pytest

import napari_grd.measurements.parts as parts
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ImageError
from napari_grd.measurements.objects import measure
from napari_grd.measurements.shape import regions


class Lazy:
    """An array of which the largest region that was read is known."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim
        self.most = 0

    def __getitem__(self, index: Any) -> np.ndarray[Any, Any]:
        found = self._array[index]
        self.most = max(self.most, found.size)
        return found


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_LARGE", 1000)
    monkeypatch.setattr(parts, "_SIDE", {2: 64, 3: 16})


def assert_equal(found: Any, wanted: Any) -> None:
    assert list(found.columns) == list(wanted.columns)
    for name in wanted.columns:
        np.testing.assert_allclose(found.columns[name], wanted.columns[name], rtol=1e-9, atol=1e-9, err_msg=name)
        assert found.columns[name].dtype == wanted.columns[name].dtype
    np.testing.assert_array_equal(found.anchors, wanted.anchors)
    assert found.units == wanted.units


@pytest.mark.usefixtures("small_parts")
def test_the_table_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    image, labels = nuclei_2d(np.random.default_rng(0), (300, 420))
    labels = labels.astype(np.int64)
    labels = np.stack([labels, np.where(labels % 3 == 0, labels * 100_000, 0)])
    images = {"DAPI": np.stack([image, image[::-1]])}
    known = {"axes": "tyx", "scale": (1.0, 0.5, 0.25), "translate": (0.0, 10.0, 20.0), "unit": "µm"}
    lazy = Lazy(labels)
    found = measure(lazy, images, **known)
    monkeypatch.setattr(parts, "_LARGE", 10**9)
    assert_equal(found, measure(labels, images, **known))
    assert len(found) > 50
    assert lazy.most < 130 * 130


@pytest.mark.usefixtures("small_parts")
def test_an_object_larger_than_a_part_and_volumes(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = np.zeros((20, 40, 50), np.uint16)
    volume[2:18, 3:37, 4:45] = 5
    volume[0, 0, :3] = 9
    volume[19, 39, 49] = 2
    found = measure(volume)
    monkeypatch.setattr(parts, "_LARGE", 10**9)
    assert_equal(found, measure(volume))
    assert found.columns["label"].tolist() == [2, 5, 9]


@pytest.mark.usefixtures("small_parts")
def test_without_objects_there_are_all_columns() -> None:
    found = measure(np.zeros((100, 90), int), {"a": np.zeros((100, 90))})
    assert len(found) == 0
    assert {"area", "bbox-3", "intensity_mean-a"} <= set(found.columns)
    assert found.anchors.shape == (0, 2)


@pytest.mark.usefixtures("small_parts")
def test_a_broken_image_is_named() -> None:
    labels = np.zeros((100, 100), int)
    labels[80:, 80:] = 1
    image = np.full((100, 100), np.nan)
    with pytest.raises(ImageError, match="'a' has pixels in objects that are NaN"):
        measure(labels, {"a": image})


def test_what_was_computed_of_an_object_is_not_kept():
    found = regions(np.arange(10)[:, None] * np.ones((1, 3), np.int64))
    first = next(found)
    assert first.area == 3
    first = weakref.ref(first)
    next(found)
    assert first() is None
