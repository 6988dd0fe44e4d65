"""What objects measure: against hand-made objects, and against pixels counted one by one."""

import math

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from skimage.measure import regionprops_table

from napari_grd.errors import Cancelled, ConfigError, ImageError, LabelError
from napari_grd.measurements.filtering import filter_objects
from napari_grd.measurements.objects import measure
from napari_grd.measurements.shape import outline

LABELS = npst.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3))


def block(shape: tuple[int, ...], box: tuple[slice, ...], label: int = 1) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    labels[box] = label
    return labels


def test_a_plane_object_in_micrometers() -> None:
    labels = block((10, 12), np.s_[2:6, 3:9], 7)
    columns = measure(labels, scale=0.5, translate=(10, 20), unit="µm").columns
    found = {name: values.item() for name, values in columns.items()}
    assert found["label"] == 7
    assert found["area"] == 24 * 0.25
    assert found["equivalent_diameter_area"] == pytest.approx(2 * math.sqrt(6 / math.pi))
    assert (found["centroid-0"], found["centroid-1"]) == (10 + 3.5 / 2, 20 + 5.5 / 2)
    assert [found[f"bbox-{side}"] for side in range(4)] == [2, 3, 6, 9]
    assert found["solidity"] == 1
    assert found["perimeter"] == pytest.approx((2 * 4 + 2 * 6) * 0.5, rel=0.15)
    assert 0 < found["eccentricity"] < 1
    assert found["axis_major_length"] > found["axis_minor_length"]


def test_a_volume_with_thick_slices() -> None:
    columns = measure(block((4, 10, 10), np.s_[1:3, 2:6, 2:6]), scale=(2, 0.5, 0.5), unit="µm").columns
    assert columns["area"].item() == 32 * 0.5
    assert columns["centroid-0"].item() == 3
    assert columns["bbox-3"].item() - columns["bbox-0"].item() == 2
    assert not any("perimeter" in name for name in columns)


def test_a_scale_without_a_name_is_not_called_pixels() -> None:
    labels = block((5, 5), np.s_[1:3, 1:3])
    assert measure(labels).units["area"] == "px²"
    assert measure(labels, scale=0.3).units["area"] == "unit²"


@pytest.mark.parametrize("scale", [(1.0, 1.0), (1.0, 0.4), (0.5, 1.5)])
def test_the_outline_of_a_disc_is_right_whatever_the_pixels(scale: tuple[float, float]) -> None:
    y, x = np.indices((90, 90)) - 45
    disc = (y * scale[0]) ** 2 + (x * scale[1]) ** 2 < 15**2
    assert outline(disc, scale) == pytest.approx(2 * math.pi * 15, rel=0.03)


def test_a_disc_on_oblong_pixels_is_round() -> None:
    y, x = np.indices((100, 100)) - 50
    columns = measure(((y * 0.4) ** 2 + x**2 < 18**2).astype(int), scale=(0.4, 1), unit="µm").columns
    assert columns["eccentricity"].item() < 0.2
    assert columns["axis_major_length"].item() == pytest.approx(36, rel=0.02)


def test_a_time_series_has_a_row_for_each_time_point() -> None:
    labels = np.stack([block((6, 6), np.s_[0:2, 0:2], 3), np.zeros((6, 6), int), block((6, 6), np.s_[1:4, 0:2], 3)])
    table = measure(labels, {"gfp": labels}, axes="tyx")
    assert table.columns["label"].tolist() == [3, 3]
    assert table.columns["t"].tolist() == [0, 2]
    assert table.columns["area"].tolist() == [4, 6]
    assert table.row_of(3, (2,)) == 1
    assert table.row_of(3, (1,)) is None
    assert table.anchors[:, 0].tolist() == [0, 2]


def test_a_stack_is_a_volume_unless_its_planes_are_asked_for() -> None:
    labels = block((3, 6, 6), np.s_[:, 1:3, 1:3])
    assert len(measure(labels)) == 1
    assert measure(labels, ndim=2).columns["z"].tolist() == [0, 1, 2]


def test_intensity_of_every_channel() -> None:
    labels, image = block((4, 4), np.s_[0, :]), np.arange(16, dtype=np.uint16).reshape(4, 4)
    columns = measure(labels, {"DAPI": image, "GFP": da.from_array(image / 2)}).columns
    assert [columns[f"intensity_{what}-DAPI"].item() for what in ("mean", "min", "max")] == [1.5, 0, 3]
    assert columns["intensity_std-GFP"].item() == pytest.approx(np.std([0, 0.5, 1, 1.5]))
    assert [columns[f"integrated_intensity-{name}"].item() for name in ("DAPI", "GFP")] == [6, 3]


def test_objects_that_touch_the_border_are_those_that_a_filter_removes() -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.permutation(35).reshape(5, 7), np.ones((3, 4), int))
    volume = np.stack([labels, np.roll(labels, 6, axis=1)])
    for image, options in ((labels, {}), (volume, {"axes": "tyx"}), (volume, {"axes": "zyx"})):
        columns = measure(image, **options).columns
        kept = filter_objects(image, exclude_border=True, **options)
        for number in np.unique(image[image > 0]).tolist():
            rows = np.flatnonzero(columns["label"] == number)
            planes = [(columns["t"][row],) for row in rows] if "t" in columns else [()] * len(rows)
            touching = [bool((image[plane] == number).any() and not (kept[plane] == number).any()) for plane in planes]
            assert columns["touches_border"][rows].tolist() == touching


def test_an_image_without_objects_has_all_columns_and_no_row() -> None:
    full = measure(np.ones((4, 4), int), {"a": np.ones((4, 4))})
    empty = measure(np.zeros((4, 4), int), {"a": np.ones((4, 4))})
    assert list(empty.columns) == list(full.columns)
    assert len(empty) == 0


@given(LABELS, st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)))
def test_every_object_is_measured_whatever_its_shape(labels: np.ndarray, scale: tuple[float, float]) -> None:
    table = measure(labels, {"a": labels}, scale=scale, unit="µm")
    ids, sizes = np.unique(labels[labels > 0], return_counts=True)
    np.testing.assert_array_equal(table.columns["label"], ids)
    np.testing.assert_allclose(table.columns["area"], sizes * scale[0] * scale[1])
    np.testing.assert_array_equal(table.columns["intensity_mean-a"], ids)
    assert all(np.isfinite(values).all() for values in table.columns.values())
    for label, place in zip(ids, table.anchors, strict=True):
        assert labels[tuple(place)] == label


def test_huge_ids_cost_no_memory() -> None:
    assert measure(block((4, 4), np.s_[1:3, 1:3]).astype(np.int64) * 10**15).columns["label"].tolist() == [10**15]


def test_what_does_not_fit_is_named() -> None:
    labels = np.ones((4, 5), int)
    with pytest.raises(ImageError, match=r"'GFP' has shape \(5, 4\)"):
        measure(labels, {"GFP": np.ones((5, 4))})
    with pytest.raises(ImageError, match=r"'GFP'.*NaN"):
        measure(labels, {"GFP": np.full((4, 5), np.nan)})
    with pytest.raises(LabelError, match="float"):
        measure(np.ones((4, 5)))
    with pytest.raises(LabelError, match="shape"):
        measure(np.ones(4, int))
    for wrong in ({"axes": "zyx"}, {"scale": (1, 2, 3)}, {"translate": (1,)}, {"ndim": 4}, {"scale": -1}):
        with pytest.raises(ConfigError):
            measure(labels, **wrong)


def test_it_can_be_stopped() -> None:
    with pytest.raises(Cancelled):
        measure(np.arange(1, 401).reshape(20, 20), cancelled=lambda: True)


def test_keys_and_values_are_those_of_scikit_image() -> None:
    """Somebody who knows regionprops_table finds every key, with the value it has there."""
    labels = block((20, 24), np.s_[2:9, 3:14], 4)
    labels[12:18, 5:9] = 9
    image = np.random.default_rng(0).random(labels.shape)
    table = measure(labels, {"DAPI": image}, scale=0.5)
    keys = [key.split("-")[0] for key in table.columns]
    ours = ("perimeter", "touches_border", "integrated_intensity")  # the first follows pixels that are not square
    asked = dict.fromkeys(key for key in keys if key not in ours)
    theirs = regionprops_table(labels, image, properties=tuple(asked), spacing=(0.5, 0.5))
    for key, values in theirs.items():
        name = f"{key}-DAPI" if key.startswith("intensity") else key
        np.testing.assert_allclose(table.columns[name], values, err_msg=key)


def test_a_data_frame_has_the_keys_and_knows_the_units() -> None:
    frame = measure(block((6, 6), np.s_[1:3, 1:4], 5), scale=2, unit="nm").to_dataframe()
    assert frame["area"].tolist() == [24]
    assert frame.attrs["units"]["area"] == "nm²"
    assert frame.attrs["units"]["bbox-0"] == "px"
