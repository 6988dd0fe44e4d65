"""The Evaluate widget in a real viewer: from the button to scores, features and the layer of errors."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QColor

import napari_grd.api as grd
from napari_grd._napari.evaluate.score_descriptions import score_descriptions
from napari_grd._napari.evaluate.widget import TABLE, EvaluateWidget
from napari_grd.metrics.errors import ErrorKind


def squares(*boxes: tuple[int, int, int]) -> np.ndarray:
    """Objects ``(label, x, width)`` in one row."""
    labels = np.zeros((30, 120), np.int32)
    for label, x, width in boxes:
        labels[5:25, x : x + width] = label
    return labels


TRUTH = squares((1, 2, 14), (2, 20, 14), (3, 50, 10), (4, 60, 10), (5, 80, 20))
#                right       missed                merged pair: 3 and 4     split object: 5
FOUND = squares((1, 2, 14), (7, 38, 8), (8, 50, 20), (9, 80, 10), (10, 90, 10))


@pytest.fixture
def widget(viewer: Any, qtbot: Any) -> EvaluateWidget:
    widget = EvaluateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Evaluate")
    return widget


def evaluated(widget: EvaluateWidget, qtbot: Any) -> None:
    widget.go.click()
    qtbot.waitUntil(lambda: not widget.busy, timeout=30_000)


def compare(widget: EvaluateWidget, qtbot: Any, found: np.ndarray, truth: np.ndarray, **options: Any) -> Any:
    viewer = widget.viewer
    layer = viewer.add_labels(found, name="found", **options)
    viewer.add_labels(truth, name="truth", **options)
    widget.labels.set_layer(layer)
    evaluated(widget, qtbot)
    return layer


def shown_scores(widget: EvaluateWidget) -> dict[str, float]:
    return dict(zip(widget._scores["score"].tolist(), widget._scores["value"].tolist(), strict=True))


def test_one_of_each_error_from_button_to_layer(viewer: Any, widget: EvaluateWidget, qtbot: Any) -> None:
    layer = compare(widget, qtbot, FOUND, TRUTH, scale=(0.5, 0.5), units=("um", "um"))
    assert widget.reference.layer() is viewer.layers["truth"], "a layer is not compared with itself"
    assert {kind.name: widget.legend.counts[kind].text() for kind in list(ErrorKind)[1:]} == {
        "MISSED": "1", "SPURIOUS": "1", "MERGED": "1", "SPLIT": "1",
    }  # fmt: skip
    errors = viewer.layers["errors of found"]
    assert set(np.unique(errors.data)) == {0, 1, 2, 3, 4}
    for kind, x in ((ErrorKind.MISSED, 25), (ErrorKind.SPURIOUS, 42), (ErrorKind.MERGED, 60), (ErrorKind.SPLIT, 88)):
        assert errors.data[10, x] == kind
        patch = widget.legend.layout().itemAtPosition(int(kind) - 1, 0).widget()
        drawn = QColor.fromRgbF(*errors.get_color(int(kind)))
        assert drawn.name() in patch.styleSheet(), "its color is that of the legend"
    assert errors.data[10, 8] == 0
    assert not np.any(errors.colormap.map(np.zeros((1, 1), np.uint8)))
    np.testing.assert_array_equal(errors.scale, layer.scale)
    assert errors.metadata["napari_grd"]["reference"] == "truth"
    kinds = dict(zip(layer.features["index"], layer.features["kind"], strict=True))
    assert kinds == {1: "correct", 7: "spurious", 8: "merged", 9: "split", 10: "split"}
    assert layer.features["reference"].tolist()[0] == 1
    assert layer.features["iou"].tolist()[0] == 1
    assert viewer.window.dock_widgets[TABLE].view.model().rowCount() == 5


def test_every_score_is_shown_explained_and_saved(widget: EvaluateWidget, qtbot: Any, tmp_path: Path) -> None:
    compare(widget, qtbot, FOUND, TRUTH)
    scores = grd.evaluate(reference=TRUTH, labels=FOUND).as_dict()
    assert set(score_descriptions()) == set(scores)
    shown = shown_scores(widget)
    assert [shown[name] for name in ("AJI", "PQ", "AP@0.5")] == [scores[key] for key in ("aji", "pq", "ap50")]
    widget.write(tmp_path / "scores.csv")
    qtbot.waitUntil(lambda: "scores.csv" in widget.message.text())
    with (tmp_path / "scores.csv").open(newline="") as file:
        assert {row["score"]: float(row["value"]) for row in csv.DictReader(file)} == shown
    widget.write(tmp_path / "missing" / "scores.csv")
    qtbot.waitUntil(lambda: "there is no folder" in widget.message.text())


def test_again_with_other_settings_brings_the_same_layer_up_to_date(
    viewer: Any, widget: EvaluateWidget, qtbot: Any
) -> None:
    layer = compare(widget, qtbot, FOUND, TRUTH)
    layer.features = layer.features.assign(area=1.5)
    widget.min_size.setValue(10_000)
    evaluated(widget, qtbot)
    assert [one.name for one in viewer.layers] == ["found", "truth", "errors of found"]
    assert not viewer.layers["errors of found"].data.any()
    assert set(layer.features["kind"]) == {"ignored"}
    assert set(layer.features["area"]) == {1.5}, "what others measured stays"


def test_planes_are_pooled_or_compared_as_a_volume(widget: EvaluateWidget, qtbot: Any) -> None:
    found, truth = np.stack([FOUND, FOUND]), np.stack([TRUTH, np.zeros_like(TRUTH)])
    compare(widget, qtbot, found, truth)
    assert not widget.per_plane.isChecked()
    assert shown_scores(widget)["AP@0.5"] == grd.evaluate(reference=truth, labels=found).ap50
    widget.per_plane.setChecked(True)
    evaluated(widget, qtbot)
    assert shown_scores(widget)["AP@0.5"] == grd.evaluate(reference=list(truth), labels=list(found)).ap50


def test_bad_input_is_told_in_the_widget(viewer: Any, widget: EvaluateWidget, qtbot: Any) -> None:
    assert "needs two labels layers" in widget.message.text()
    widget.go.click()
    assert "not two labels layers" in widget.message.text()
    viewer.add_labels(FOUND, name="found")
    widget.go.click()
    assert "not two labels layers" in widget.message.text()
    viewer.add_labels(TRUTH[:, :50], name="crop")
    widget.go.click()
    assert "'found' has shape (30, 120) and 'crop' has shape (30, 50)" in widget.message.text()
    assert not widget.busy


def test_a_layer_that_is_deleted_on_the_way_ends_it(viewer: Any, widget: EvaluateWidget, qtbot: Any) -> None:
    many = np.kron(np.arange(1, 40_001).reshape(200, 200), np.ones((3, 3), int))
    viewer.add_labels(many, name="found")
    truth = viewer.add_labels(many, name="truth")
    widget.go.click()
    viewer.layers.remove(truth)
    qtbot.waitUntil(lambda: not widget.busy, timeout=30_000)
    assert [layer.name for layer in viewer.layers] == ["found"]
    assert widget.go.isEnabled()
    assert widget.message.text()


MODEL = {"napari_grd": {"model": {"name": "nuclei"}}}


def roles(widget: EvaluateWidget) -> tuple[str, str]:
    return widget.labels.layer().name, widget.reference.layer().name


def test_a_models_result_is_judged_by_what_was_made_by_hand(viewer: Any, widget: EvaluateWidget, qtbot: Any) -> None:
    viewer.add_labels(FOUND, name="cells instances", metadata=MODEL)
    viewer.add_labels(TRUTH, name="Labels")  # drawn later, so it is the topmost
    assert roles(widget) == ("cells instances", "Labels")
    assert roles(EvaluateWidget(viewer)) == ("cells instances", "Labels"), "whatever is opened first"
    points = viewer.add_points([[10, 10]], name="notes")
    viewer.layers.selection.active = points
    evaluated(widget, qtbot)
    assert "Errors in 'cells instances', by 'Labels': 4" in widget.message.text()
    assert [one.name for one in viewer.layers][2:] == ["errors of cells instances", "notes"], (
        "it hides nothing over both"
    )
    assert viewer.layers["errors of cells instances"].opacity < 1
    hidden = [viewer.layers[name] for name in ("cells instances", "Labels")]
    assert not any(layer.visible for layer in hidden)
    assert "are hidden now" in widget.message.text()
    hidden[0].visible = True
    evaluated(widget, qtbot)
    assert hidden[0].visible, "shown by the user"
    assert "are hidden now" not in widget.message.text()
    assert viewer.layers.selection.active is points
    assert roles(widget) == ("cells instances", "Labels"), "errors are no segmentation"
    viewer.add_labels(FOUND, name="cells live", metadata={"napari_grd": MODEL["napari_grd"] | {"live": True}})
    assert roles(widget) == ("cells instances", "Labels"), "live labels are only of what was seen"
    corrected = {"napari_grd": MODEL["napari_grd"] | {"corrected": 5}}
    viewer.layers.remove("Labels")
    viewer.add_labels(FOUND, name="corrected", metadata=corrected)
    assert roles(widget) == ("cells instances", "corrected")
    widget.labels.set_layer(viewer.layers["corrected"])  # as the user chooses
    viewer.add_labels(TRUTH, name="truth")
    assert widget.labels.layer().name == "corrected"


def test_names_of_ground_truth_are_known_and_other_layers_keep_theirs(
    viewer: Any, widget: EvaluateWidget, qtbot: Any
) -> None:
    viewer.add_labels(FOUND, name="cellpose masks")
    viewer.add_labels(TRUTH, name="Nuclei, ground truth")
    viewer.add_labels(FOUND[:, :50], name="gt of another image")
    assert roles(widget) == ("cellpose masks", "Nuclei, ground truth")
    mine = viewer.add_labels(FOUND + 1, name="errors of cellpose masks")
    widget.labels.set_layer(viewer.layers["cellpose masks"])
    widget.reference.set_layer(viewer.layers["Nuclei, ground truth"])
    evaluated(widget, qtbot)
    np.testing.assert_array_equal(mine.data, FOUND + 1)
