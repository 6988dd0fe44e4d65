"""Training data: image layers with or without ground truth, a folder, a region."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.layers import Image, Shapes
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_grd._napari.best_channel import best_channel, channel_group
from napari_grd._napari.channels import ChannelPickers
from napari_grd._napari.distill.form_fields import narrow
from napari_grd._napari.distill.pieces import MOST, Piece, boxes, labels_fit, pieces_of, plane_sizes
from napari_grd._napari.outputs import made_by
from napari_grd._napari.panel import Panel, button
from napari_grd._napari.pickers import LayerCombo
from napari_grd._napari.source import (
    Channel,
    ImageSource,
    channel_axis,
    channel_choices,
    image_layers,
    label_layers,
)
from napari_grd.errors import DataError, GrdError, ImageError

PREVIEW = "preview"
"""Key in a layer's ``metadata["napari_grd"]`` that marks a preview."""


_ROWS = 5  # images visible without scrolling


@dataclass
class _Row:
    layer: Image
    item: QTreeWidgetItem
    truth: QComboBox

    @property
    def checked(self) -> bool:
        return bool(self.item.checkState(0) == Qt.CheckState.Checked)


class DataPicker(QWidget):
    """Picks images, their ground truth, channels, a folder and a region.

    Attributes
    ----------
    wants_labels : bool
        Labels are the teacher: a matching Labels layer is then picked automatically for every image.
    """

    changed = Signal()

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self._viewer = panel.viewer
        self._rows: list[_Row] = []
        self._touched: set[int] = set()  # images that were ticked or unticked by the user, or by a script
        self.wants_labels = False
        self.table = QTreeWidget()
        self.table.setHeaderLabels(["Image", "Ground truth"])
        self.table.header().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)  # else names of images are cut short
        self.table.setRootIsDecorated(False)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)  # no gaps in a tall dock
        self.table.setToolTip("Tick the training images. Ground truth is optional unless labels are the teacher.")
        self.empty = QLabel("Drop an image on the window, or choose a folder of images.")
        self.number = QSpinBox()
        self.number.setRange(1, 8)
        self.number.setToolTip("Number of input channels of the student")
        self.channels = ChannelPickers(panel)
        self.region = LayerCombo(
            panel, (Shapes,), "Train only inside the bounding boxes of these shapes", none="everywhere"
        )
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("none")
        self.folder.setToolTip("A folder of images, or with the subfolders 'images' and 'labels'")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self._lay_out()
        for event in ("inserted", "removed", "reordered", "renamed"):
            panel.follow(getattr(panel.viewer.layers.events, event), self._refresh)
        self.table.itemChanged.connect(self._on_item)
        for signal in (self.number.valueChanged, self.channels.changed, self.region.changed, self.folder.textChanged):
            signal.connect(self._on_change)
        self._refresh()

    def layers(self) -> list[Image]:
        """The ticked images."""
        return [row.layer for row in self._rows if row.checked]

    def tick(self, layer: Image, ticked: bool = True) -> None:
        """Tick or untick an image."""
        for row in self._rows:
            if row.layer is layer:
                row.item.setCheckState(0, Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)

    def folder_path(self) -> Path | None:
        """The chosen folder."""
        text = self.folder.text().strip()
        return Path(text) if text else None

    def pieces(self, *, patch: int) -> list[Piece]:
        """The training regions of the ticked images.

        Raises
        ------
        GrdError
            If nothing is ticked and no folder chosen, or channels, labels or region do not fit.
        """
        ticked = [row for row in self._rows if row.checked]
        if not ticked and self.folder_path() is None:
            raise DataError(
                "No image is chosen.",
                "Tick one, or choose a folder." if self._rows else "Drop an image on the window, or choose a folder.",
            )
        samples = []
        for row in ticked:
            source = ImageSource(row.layer, self._channels_of(row.layer))
            shapes = self.region.layer()
            regions = [] if shapes is None else boxes(shapes, source)
            samples += pieces_of(source, row.truth.currentData(), regions, patch=patch)
        return samples

    def require_channels(self, count: int | None) -> None:
        """How many channels the teacher takes; None leaves it to the user."""
        self._rows_layout.setRowVisible(self.number, count is None)
        if count is not None:
            self.number.setValue(count)

    def require_labels(self, wanted: bool) -> None:
        """Whether labels are the teacher."""
        self.wants_labels = wanted
        self._pair()

    def _channels_of(self, layer: Image) -> tuple[Channel, ...]:
        first = self.layers()[0]
        picked = self.channels.channels()
        if picked is None:
            count = self.number.value()
            raise ImageError(
                f"The student takes {count} channel{'s' * (count > 1)}, but which of {first.name!r} is ambiguous.",
                "Choose the channels below the images, or choose another teacher.",
            )
        if layer is first:
            return picked
        if any(channel.layer is not first for channel in picked):
            raise ImageError(
                "With several images ticked, a channel that is a layer of its own is ambiguous.",
                "Tick only the first channel of one image, or stack its channels into one layer.",
            )
        choices = {channel.index: channel for channel in channel_choices(self._viewer, layer)}
        missing = [channel.label for channel in picked if channel.index not in choices]
        if missing:
            raise ImageError(f"The image {layer.name!r} has no {missing[0]!r}.", "Tick images of one kind.")
        return tuple(choices[channel.index] for channel in picked)

    def _refresh(self, _event: Any = None) -> None:
        before = {id(row.layer): (row.checked, row.truth.currentData()) for row in self._rows}
        images = image_layers(self._viewer)
        labels = [layer for layer in label_layers(self._viewer) if not is_preview(layer)]
        self.table.blockSignals(True)
        self.table.clear()
        self._touched &= {id(layer) for layer in images}
        self._rows = []
        for layer in images:
            ticked, truth = before.get(id(layer), (True, None))
            item = QTreeWidgetItem([layer.name])
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(0, Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            combo = narrow(QComboBox())
            combo.setToolTip("Ground-truth labels of this image, if available")
            combo.addItem("none", None)
            for candidate in labels:
                combo.addItem(candidate.name, candidate)
            combo.setCurrentIndex(_find(combo, truth))
            combo.currentIndexChanged.connect(self._on_change)
            self.table.addTopLevelItem(item)
            self.table.setItemWidget(item, 1, combo)
            self._rows.append(_Row(layer, item, combo))
        self._tick_images({id(row.layer) for row in self._rows} - set(before))
        self.table.blockSignals(False)
        row = self.table.sizeHintForRow(0)
        self.table.setFixedHeight(self.table.header().sizeHint().height() + 6 + row * min(_ROWS, len(self._rows)))
        self.empty.setVisible(not self._rows)
        self.table.setVisible(bool(self._rows))
        self._on_change()

    def _tick_images(self, new: set[int]) -> None:
        """Tick images as they are dropped: all of one kind, and of an image's channels the one of highest contrast."""
        own = [row for row in self._rows if id(row.layer) not in self._touched]
        first = next((row.layer for row in self._rows if row.checked and id(row.layer) not in new), None)
        for row in own:
            layer = row.layer
            if id(layer) not in new and not row.checked:
                continue
            group = channel_group(self._viewer, layer)
            best = (
                best_channel([Channel(channel, None, channel.name) for channel in group]).layer
                if len(group) > 1
                else layer
            )
            kind = _kind(layer) if first is None else _kind(first)
            ticked = layer is best and _kind(layer) == kind and "view" not in made_by(layer) and not self.folder_path()
            first = layer if ticked and first is None else first
            row.item.setCheckState(0, Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)

    def _on_item(self, item: QTreeWidgetItem, _column: int) -> None:
        self._touched |= {id(row.layer) for row in self._rows if row.item is item}
        self._on_change()

    def _on_change(self, *_: Any) -> None:
        self._offer_channels()
        self._pair()
        self._describe()
        self.changed.emit()

    def _offer_channels(self) -> None:
        layers = self.layers()
        self.channels.set_image(layers[0] if layers else None, self.number.value())

    def _pair(self) -> None:
        """If labels are the teacher, pick a matching layer for ticked images without labels, by name if possible."""
        if not self.wants_labels:
            return
        for row in self._rows:
            if not row.checked or row.truth.currentData() is not None:
                continue
            try:
                source = ImageSource(row.layer, self._channels_of(row.layer))
            except GrdError:
                continue  # reported when training starts
            fitting = [
                layer for layer in label_layers(self._viewer) if not is_preview(layer) and labels_fit(source, layer)
            ]
            fitting.sort(key=lambda layer: row.layer.name not in layer.name)
            if fitting:
                row.truth.blockSignals(True)
                row.truth.setCurrentIndex(_find(row.truth, fitting[0]))
                row.truth.blockSignals(False)

    def _describe(self) -> None:
        parts = []
        for layer in self.layers():
            planes = 1
            for size in plane_sizes(ImageSource(layer, (channel_choices(self._viewer, layer)[0],))):
                planes *= size
            if planes > MOST:
                parts.append(f"Of the {planes} planes of {layer.name!r}, {MOST} are used, evenly spread.")
        self.note.setText(" ".join(parts))
        self.note.setVisible(bool(parts))

    def _lay_out(self) -> None:
        rows = self._rows_layout = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addRow(self.empty)
        rows.addRow(self.table)
        rows.addRow(self.note)
        line = QHBoxLayout()
        line.addWidget(self.folder)
        line.addWidget(button("…", "Choose a folder of images", self._browse))
        rows.addRow("Folder", line)
        rows.addRow("Channels", self.number)
        rows.addRow(self.channels)
        rows.addRow("Learn inside", self.region)

    def _browse(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "A folder of images")
        if path:
            self.folder.setText(path)


def is_preview(layer: Any) -> bool:
    """Whether a layer is a preview of a running distillation."""
    return bool(made_by(layer).get(PREVIEW))


def _kind(layer: Image) -> tuple[bool, bool]:
    """Equal for images that a model can read the same channels of."""
    return layer.rgb, channel_axis(layer) is not None


def _find(combo: QComboBox, wanted: Any) -> int:
    return next((i for i in range(combo.count()) if combo.itemData(i) is wanted), 0)
