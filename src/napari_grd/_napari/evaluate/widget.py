"""The Evaluate widget: a segmentation against a reference."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QSpinBox, QTableView

from napari_grd._napari.evaluate.error_layer import ErrorLegend, show_errors
from napari_grd._napari.evaluate.score_descriptions import score_descriptions
from napari_grd._napari.job_panel import JobPanel
from napari_grd._napari.object_table.labels_layer import axis_names, finest, is_plane_by_plane, set_features
from napari_grd._napari.object_table.model import TableModel
from napari_grd._napari.object_table.saving import TABLES, ask_for_file, save_table
from napari_grd._napari.object_table.widget import result_table
from napari_grd._napari.outputs import provenance
from napari_grd._napari.panel import button, check_box, heading
from napari_grd._napari.pickers import LayerCombo
from napari_grd._napari.roles import judged_and_reference
from napari_grd._napari.source import label_layers
from napari_grd.errors import LabelError
from napari_grd.jobs import Job

if TYPE_CHECKING:
    import napari

    from napari_grd.measurements.evaluation import Evaluation

TABLE = "GRD matches"
_COLUMN_TIPS = {
    "label": "Label of the object in the evaluated layer.",
    "kind": "correct, spurious, merged, split (a part of a split object), or ignored because it is too small.",
    "reference": "Label of the matching object in the reference; 0: none.",
    "iou": "Intersection over union with that object.",
}


class EvaluateWidget(JobPanel):
    """Scores a Labels layer against a reference, and shows its errors.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer, "Evaluate", "Compare the two layers, and show the errors.", "Stop; nothing is added.")
        self._scores: dict[str, Any] = {}
        self._made_by: dict[str, Any] = {}
        self._build()
        self.labels.changed.connect(self._labels_changed)
        for event in ("inserted", "removed", "renamed"):
            self.follow(getattr(self.viewer.layers.events, event), self._assign)
        self._labels_changed()
        self._assign()

    def _build(self) -> None:
        self.labels = LayerCombo(self, (Labels,), "The segmentation to judge.")
        self.reference = LayerCombo(self, (Labels,), "The ground truth, for instance manual annotations.")
        self.per_plane = check_box(
            "Plane by plane",
            "Ticked: every plane is compared separately; objects are counted over all planes, other scores averaged.\n"
            "Not ticked: objects extend through z and are compared as volumes.",
        )
        self.min_size = QSpinBox()
        self.min_size.setRange(0, 1_000_000)
        self.min_size.setSuffix(" pixels")
        self.min_size.setToolTip("Smaller objects are ignored, in both layers.")
        self.iou = QDoubleSpinBox()
        self.iou.setRange(0.05, 1.0)
        self.iou.setSingleStep(0.05)
        self.iou.setValue(0.5)
        self.iou.setToolTip("Two objects match if their intersection over union (IoU) is at least this large.")
        form = QFormLayout()
        form.addRow("Segmentation", self.labels)
        form.addRow("Reference", self.reference)
        form.addRow("", self.per_plane)
        form.addRow("Smallest object", self.min_size)
        form.addRow("Match from IoU", self.iou)
        self.legend = ErrorLegend()
        self.view = QTableView()
        self.model = TableModel(self.view, {"score": "Hover over a row for its meaning."})
        self.view.setModel(self.model)
        self.view.setToolTip("All scores of this comparison.")
        self.view.verticalHeader().hide()
        self.view.horizontalHeader().setStretchLastSection(True)
        self.save = button("Save scores…", "Write all scores to a CSV or Parquet file.", self._ask_where)
        self.save.setEnabled(False)
        self.body.addLayout(form)
        for part in (self.go, self.bar, heading("Errors"), self.legend, heading("Scores")):
            self.body.addWidget(part)
        self.body.addWidget(self.view, 1)
        self.body.addWidget(self.save)

    def _assign(self, _event: Any = None) -> None:
        """Judge a model's result by labels that were made by hand, until the user chooses otherwise."""
        picked, chosen = self.labels.layer(), self.labels.chosen or self.reference.chosen
        layers = sorted(label_layers(self.viewer), key=lambda layer: layer is not picked)
        pair = None if chosen else judged_and_reference(layers)
        if pair is not None:
            self.labels.suggest(pair[0])
            self.reference.suggest(pair[1])
        self._part()

    def _labels_changed(self) -> None:
        layer = self.labels.layer()
        self.per_plane.setVisible(layer is not None and layer.ndim > 2)
        self.per_plane.setChecked(layer is not None and is_plane_by_plane(layer))
        self.say("" if layer else "Evaluate needs two labels layers: a segmentation and the ground truth.")
        self._part()

    def _part(self, _event: Any = None) -> None:
        """Do not offer to compare a layer with itself."""
        layer = self.labels.layer()
        others = [candidate for candidate in label_layers(self.viewer) if candidate is not layer]
        if layer is not None and self.reference.layer() is layer and others:
            pair = judged_and_reference([layer, *others])
            self.reference.suggest(next((paired for paired in reversed(pair or ()) if paired is not layer), others[0]))

    def begin(self) -> None:
        """Start the comparison."""
        layer, reference = self.labels.layer(), self.reference.layer()
        if layer is None or reference is None or layer is reference:
            raise LabelError("There are not two labels layers to compare.", "Add the reference as a labels layer.")
        labels, truth = finest(layer), finest(reference)
        shape, true_shape = tuple(labels.shape), tuple(truth.shape)
        if shape != true_shape:
            raise LabelError(
                f"{layer.name!r} has shape {shape} and {reference.name!r} has shape {true_shape}.",
                "Choose two layers of the same image.",
            )
        planes = self.per_plane.isChecked() or layer.ndim == 2
        limits = {"iou": self.iou.value(), "min_size": self.min_size.value()}
        options = {"axes": axis_names(layer), "ndim": 2 if planes else 3, **limits}
        made_by = provenance(judged=layer.name, reference=reference.name, plane_by_plane=planes, **limits)

        def make() -> "Job[Evaluation]":
            from napari_grd.measurements.evaluation import iter_evaluate  # imports skimage

            return iter_evaluate(reference=truth, labels=labels, **options)

        self.run(make, lambda evaluation: self._show(evaluation, layer, reference, made_by), [layer, reference])

    def _show(self, evaluation: "Evaluation", layer: Labels, reference: Labels, made_by: dict[str, Any]) -> str:
        words, scores = score_descriptions(), evaluation.scores.as_dict()
        self._made_by = made_by
        self._scores = {
            "score": np.array([name for name, _ in words.values()]),
            "value": np.array([scores[key] for key in words]),
        }
        self.model.fill(self._scores, [tip for _, tip in words.values()])
        self.save.setEnabled(True)
        self.legend.show_counts(evaluation.counts)
        set_features(layer, evaluation.objects)
        result_table(self.viewer, TABLE, _COLUMN_TIPS).set_table(layer, evaluation.objects, made_by)
        seen = layer.visible or reference.visible
        show_errors(self.viewer, layer, reference, evaluation.picture, made_by)
        hidden = " The two layers are hidden now; click their eyes to show them." if seen and not layer.visible else ""
        return f"Errors in {layer.name!r}, by {reference.name!r}: {sum(evaluation.counts.values()):,}.{hidden}"

    def write(self, path: str | Path) -> None:
        """Write the scores to a file, in a worker."""
        save_table(self, path, self._scores, self._made_by)

    def _ask_where(self) -> None:
        path = ask_for_file(self, "GRD scores", TABLES)
        if path is not None:
            self.write(path)
