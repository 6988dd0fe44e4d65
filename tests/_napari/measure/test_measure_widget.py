"""The Measure widget in a real viewer: from the button to features and table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from roifile import roiread

import napari_grd.api as grd
from napari_grd._napari.measure.widget import TABLE, MeasureWidget
from napari_grd._napari.object_table.labels_layer import channels_under, geometry_options
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import LabelError

IMAGE, TRUTH = nuclei_2d(np.random.default_rng(1), (128, 128))
TRUTH = TRUTH.astype(np.int32)


def measured(widget: MeasureWidget, qtbot: Any) -> None:
    widget.go.click()
    qtbot.waitUntil(lambda: not widget.busy, timeout=60_000)


@pytest.fixture
def widget(viewer: Any, qtbot: Any) -> MeasureWidget:
    widget = MeasureWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Measure")
    return widget


def test_from_the_button_to_features_and_table(viewer: Any, widget: MeasureWidget, qtbot: Any) -> None:
    assert "needs a labels layer" in widget.message.text()
    viewer.add_image(IMAGE, name="DAPI", scale=(0.5, 0.5), units=("um", "um"))
    labels = viewer.add_labels(TRUTH, name="nuclei", scale=(0.5, 0.5), units=("um", "um"))
    assert widget.channels.ticked() == ["DAPI"]
    measured(widget, qtbot)
    features = labels.features
    ids, sizes = np.unique(TRUTH[TRUTH > 0], return_counts=True)
    np.testing.assert_array_equal(features["index"], ids)
    np.testing.assert_allclose(features["area [µm²]"], sizes * 0.25)
    np.testing.assert_allclose(features["intensity_mean-DAPI"].iloc[0], IMAGE[ids[0] == TRUTH].mean())
    table = viewer.window.dock_widgets[TABLE]
    assert table.view.model().rowCount() == len(ids)
    assert f"{len(ids)} rows" in widget.message.text()
    where = np.argwhere(ids[2] == TRUTH)[0] * 0.5
    assert any("area [µm²]" in line for line in labels._get_properties(where, world=True)), "napari shows it on hover"
    widget.channels.set_ticked([])
    measured(widget, qtbot)
    assert "intensity_mean-DAPI" not in table._table.columns


def test_a_model_adds_embedding_and_certainty(viewer: Any, widget: MeasureWidget, qtbot: Any) -> None:
    viewer.add_image(IMAGE, name="DAPI")
    labels = viewer.add_labels(TRUTH)
    widget.model.set_name("nuclei")
    qtbot.waitUntil(lambda: widget.model_channels.channels() is not None, timeout=30_000)
    measured(widget, qtbot)
    expected = grd.measure(TRUTH, prediction=grd.predict(grd.load_model("nuclei"), IMAGE)).columns
    np.testing.assert_allclose(labels.features["certainty"], expected["certainty"], atol=0.02)
    np.testing.assert_allclose(labels.features["embedding-3"], expected["embedding-3"], atol=0.1)
    made_by = viewer.window.dock_widgets[TABLE]._made_by
    assert made_by["model"]["name"] == "nuclei"


def test_a_model_that_takes_more_channels_asks_for_them(viewer: Any, widget: MeasureWidget, qtbot: Any) -> None:
    viewer.add_image(IMAGE, name="DAPI")
    viewer.add_labels(TRUTH)
    name = widget.state.add(grd.Model.create(_config(3)), "color")
    widget.model.set_name(name)
    qtbot.waitUntil(lambda: widget._count == 3, timeout=30_000)
    measured(widget, qtbot)
    assert "takes 3 channels" in widget.message.text()


def test_a_series_has_rows_for_each_time_point_and_a_stack_has_volumes(
    viewer: Any, widget: MeasureWidget, qtbot: Any
) -> None:
    data = np.stack([TRUTH, TRUTH])
    series = viewer.add_labels(data, axis_labels=("t", "y", "x"), name="series")
    assert widget.per_plane.isChecked()
    measured(widget, qtbot)
    assert sorted(set(series.features["t"])) == [0, 1]
    viewer.layers.remove(series)
    stack = viewer.add_labels(data, scale=(2, 0.5, 500), units=("um", "um", "nm"), axis_labels=("z", "y", "x"))
    assert not widget.per_plane.isChecked()
    measured(widget, qtbot)
    first = int(stack.features["index"][0])
    assert stack.features["area [nm³]"][0] == pytest.approx((data == first).sum() * 2000 * 500 * 500)


def test_a_layer_that_is_deleted_on_the_way_ends_it(viewer: Any, widget: MeasureWidget, qtbot: Any) -> None:
    labels = viewer.add_labels(np.arange(1, 6401, dtype=np.int32).reshape(80, 80))
    widget.go.click()
    viewer.layers.remove(labels)
    qtbot.waitUntil(lambda: not widget.busy, timeout=30_000)
    assert TABLE not in viewer.window.dock_widgets
    assert widget.go.isEnabled()
    assert widget.message.text()


def test_stop_leaves_the_layer_as_it_was(viewer: Any, widget: MeasureWidget, qtbot: Any) -> None:
    labels = viewer.add_labels(np.arange(1, 6401, dtype=np.int32).reshape(80, 80))
    widget.go.click()
    widget.bar.stop.click()
    qtbot.waitUntil(lambda: not widget.busy, timeout=30_000)
    assert "Stopped" in widget.message.text()
    assert labels.features.empty


def test_bad_input_is_told_in_the_widget(viewer: Any, widget: MeasureWidget, qtbot: Any) -> None:
    widget.go.click()
    assert "no objects to measure" in widget.message.text()
    broken = IMAGE.astype(np.float32)
    broken[tuple(np.argwhere(TRUTH)[0])] = np.nan
    viewer.add_image(broken, name="broken", contrast_limits=(0, 1))
    viewer.add_labels(TRUTH)
    measured(widget, qtbot)
    assert "'broken'" in widget.message.text()
    assert "NaN" in widget.message.text()


def test_channels_of_every_kind_of_image_are_found(viewer: Any) -> None:
    labels = viewer.add_labels(np.ones((16, 20), int))
    viewer.add_image(np.zeros((16, 20)), name="plain")
    viewer.add_image(np.zeros((16, 20, 3), np.uint8), name="photo", rgb=True)
    viewer.add_image(np.arange(2.0)[:, None, None] * np.ones((2, 16, 20)), name="both", axis_labels=("c", "y", "x"))
    viewer.add_image([np.ones((16, 20)), np.ones((8, 10))], name="pyramid", multiscale=True)
    viewer.add_image(np.zeros((9, 9)), name="other size")
    found = channels_under(viewer, labels)
    assert list(found) == [
        "plain", "photo gray", "photo red", "photo green", "photo blue", "both channel 0", "both channel 1", "pyramid",
    ]  # fmt: skip
    assert found["both channel 1"][()].max() == 1
    assert all(pixels[()].shape == (16, 20) for pixels in found.values())


def test_a_volume_with_one_axis_in_pixels_is_refused_but_its_planes_are_not(viewer: Any) -> None:
    labels = viewer.add_labels(np.ones((2, 8, 8), int), units=("pixel", "um", "um"), axis_labels=("z", "y", "x"))
    with pytest.raises(LabelError, match=r"'z'.*pixel"):
        geometry_options(labels, per_plane=False)
    assert geometry_options(labels, per_plane=True)["unit"] == "µm"


def test_cut_off_small_and_large_objects_are_left_out(
    viewer: Any, widget: MeasureWidget, qtbot: Any, tmp_path: Path
) -> None:
    labels = viewer.add_labels(TRUTH, name="nuclei")
    sizes = np.bincount(TRUTH.ravel())[1:]
    widget.exclude_border.setChecked(True)
    widget.min_size.setValue(int(np.median(sizes)))
    widget.max_size.setValue(int(sizes.max()) - 1)
    measured(widget, qtbot)
    expected = grd.filter_objects(
        TRUTH, exclude_border=True, min_size=int(np.median(sizes)), max_size=int(sizes.max()) - 1
    )
    kept = np.unique(expected[expected > 0])
    assert 0 < len(kept) < len(sizes) - 1
    np.testing.assert_array_equal(labels.features["index"], kept)
    assert f"{len(sizes) - len(kept)} excluded" in widget.message.text()
    np.testing.assert_array_equal(labels.data, TRUTH)
    table = viewer.window.dock_widgets[TABLE]
    for name in ("a.zip", "a.parquet"):
        table.write(tmp_path / name)
        qtbot.waitUntil(lambda name=name: f"Saved {name}" in table.message.text(), timeout=30_000)
    assert [roi.name for roi in roiread(tmp_path / "a.zip")] == [f"{label:04}" for label in kept]
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "a.parquet")["label"], kept)
    made_by = json.loads((tmp_path / "a.provenance.json").read_text())
    assert made_by["objects"] == {
        "border": "yx",
        "min_size": int(np.median(sizes)),
        "max_size": int(sizes.max()) - 1,
    }


def test_sizes_that_leave_nothing_are_told(viewer: Any, widget: MeasureWidget, qtbot: Any) -> None:
    viewer.add_labels(TRUTH)
    widget.min_size.setValue(50)
    widget.max_size.setValue(10)
    widget.go.click()
    assert "10 pixels and the smallest 50" in widget.message.text()
    widget.max_size.setValue(0)
    widget.min_size.setValue(1_000_000)
    measured(widget, qtbot)
    assert "No objects" in widget.message.text()
    assert "excluded" in widget.message.text()


def _config(channels: int) -> Any:
    from napari_grd.models.model import ModelConfig

    return ModelConfig(in_channels=channels)
