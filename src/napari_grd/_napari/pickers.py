"""Pickers of layers and models that follow the viewer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.layers import Image, Layer
from qtpy.QtCore import QSize, Qt, QTimer, Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QComboBox, QFileDialog, QStyledItemDelegate, QStyleOptionViewItem

from napari_grd._napari.best_channel import best_channel, channel_group, preferred_image
from napari_grd._napari.model_pictures import picture_of
from napari_grd._napari.panel import Panel
from napari_grd._napari.remote import may_download
from napari_grd._napari.source import Channel
from napari_grd._napari.worker import run_call
from napari_grd.hub import fetch_model
from napari_grd.io.names import MODEL_SUFFIX

_OPEN = "Open a model file…"
_DOWNLOAD = "download:"
_SMALL, _LARGE = 18, 44  # side of a model's picture in pixels: of the one picked, and in the list
_TOGETHER = 50  # milliseconds in which the channels of a file are added


class LayerCombo(QComboBox):
    """Picks a layer of the viewer; follows additions, removals and new names.

    Parameters
    ----------
    panel : Panel
        The panel whose viewer is used.
    kinds : tuple of Layer types
        Types of layers that can be picked.
    tip : str
        The tooltip.
    none : str, optional
        Text of a first entry that picks nothing. Without it, an empty list shows "no image layer yet" or similar, and
        the topmost layer is picked; of images :func:`~napari_grd._napari.best_channel.preferred_image`.

    Attributes
    ----------
    chosen : bool
        Whether the layer was picked by the user or by :meth:`set_layer`, not because there was none before.
    """

    changed = Signal()

    def __init__(self, panel: Panel, kinds: tuple[type[Layer], ...], tip: str, none: str | None = None) -> None:
        super().__init__()
        self.chosen = False
        self._layers = panel.viewer.layers
        self._kinds = kinds
        self._none = none
        self._viewer = panel.viewer
        self._new: list[Layer] = []  # added just now: those of one file are added one after the other
        self._settle = QTimer(self, singleShot=True, interval=_TOGETHER)
        self._settle.timeout.connect(self._prefer)
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        panel.follow(self._layers.events.inserted, self._added)
        for event in ("removed", "reordered", "renamed"):
            panel.follow(getattr(self._layers.events, event), self._refresh)
        self._refresh()
        self.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.activated.connect(lambda _index: self._choose())

    def layer(self) -> Layer | None:
        """The picked layer."""
        chosen = self.currentData()
        return chosen if chosen in self._layers else None

    def set_layer(self, layer: Layer | None) -> None:
        """Pick a layer; None picks the entry ``none``, if there is one."""
        self._choose()
        self.suggest(layer)

    def suggest(self, layer: Layer | None) -> None:
        """Pick a layer, as the viewer does: of several channels that were just added the best is still preferred."""
        for index in range(self.count()):
            if self.itemData(index) is layer:
                self.setCurrentIndex(index)
                return

    def _choose(self) -> None:
        self.chosen = True
        self._new.clear()

    def _added(self, event: Any) -> None:
        if self._none is None and isinstance(event.value, Image) and isinstance(event.value, self._kinds):
            self._new.append(event.value)
            self._settle.start()
        self._refresh()

    def _prefer(self) -> None:
        """If the picked layer is one of several channels that were added just now, pick the best of them."""
        new, self._new = [layer for layer in self._new if layer in self._layers], []
        if self.layer() in new:
            group = [layer for layer in channel_group(self._viewer, self.layer()) if layer.visible]
            if len(group) > 1:
                self.suggest(best_channel([Channel(layer, None, layer.name) for layer in group]).layer)

    def _refresh(self, _event: Any = None) -> None:
        before = self.currentData()
        offered = [layer for layer in reversed(self._layers) if isinstance(layer, self._kinds)]
        self.chosen &= before in offered
        self.blockSignals(True)
        self.clear()
        if self._none is not None:
            self.addItem(self._none, None)
        for layer in offered:
            self.addItem(layer.name, layer)
        if not self.count():
            self.addItem(f"no {self._kinds[0].__name__.lower()} layer yet", None)
        if before not in offered and self._none is None and Image in self._kinds:
            self.suggest(preferred_image(self._viewer))
        else:
            self.suggest(before)
        self.blockSignals(False)
        if self.currentData() is not before:
            self.changed.emit()


class ModelCombo(QComboBox):
    """Picks one of the viewer's models, opens a file, or downloads a model of the user's list after confirmation.

    Parameters
    ----------
    panel : Panel
        The panel whose models are offered; it also shows errors of model files.
    tip : str
        The tooltip.
    none : str, optional
        Text of a first entry that picks nothing.
    """

    changed = Signal()

    def __init__(self, panel: Panel, tip: str, none: str | None = None) -> None:
        super().__init__()
        self._panel = panel
        self._none = none
        self._last: str | None = None
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setIconSize(QSize(_SMALL, _SMALL))
        self.setItemDelegate(_LargePictures(self))
        panel.follow(panel.state.events.names, self._refresh)
        panel.follow(panel.state.events.descriptions, self._describe)
        self._refresh()
        self._last = self.name()
        self.currentIndexChanged.connect(self._picked)

    def name(self) -> str | None:
        """Name of the picked model, for ``State.get``."""
        chosen: str | None = self.currentData()
        return None if chosen is None or chosen == _OPEN or chosen.startswith(_DOWNLOAD) else chosen

    def set_name(self, name: str | None) -> None:
        """Pick a model by name."""
        index = self.findData(name)
        if index >= 0:
            self.setCurrentIndex(index)

    def _refresh(self, _names: Any = None) -> None:
        before = self.name()
        self.blockSignals(True)
        self.clear()
        if self._none is not None:
            self.addItem(self._none, None)
        for name in self._panel.state.names:
            self.addItem(name, name)
            if (picture := picture_of(name)) is not None:
                self.setItemIcon(self.count() - 1, QIcon(str(picture)))
        for name in (name for name in self._panel.state.remote if name not in self._panel.state.names):
            self.addItem(f"{name} (download…)", _DOWNLOAD + name)
        self.addItem(_OPEN, _OPEN)
        self._describe()
        self.set_name(before)
        self.blockSignals(False)

    def _describe(self) -> None:
        """Give every model in the list its tooltip."""
        for index in range(self.count()):
            text = self._panel.state.descriptions.get(self.itemData(index) or "")
            self.setItemData(index, text, Qt.ItemDataRole.ToolTipRole)

    def _picked(self, _index: int) -> None:
        if self.currentData() == _OPEN:
            self.set_name(self._last)
            self._open()
        elif str(self.currentData()).startswith(_DOWNLOAD):
            chosen = self._panel.state.remote[self.currentData().removeprefix(_DOWNLOAD)]
            self.set_name(self._last)
            if may_download(self, chosen):
                self._panel.say(f"Downloading {chosen.name}…")
                self._take(lambda: fetch_model(chosen.name), f"{chosen.name} is downloaded.")
        elif self.name() != self._last:
            self._last = self.name()
            self.changed.emit()

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a model", "", f"Models (*{MODEL_SUFFIX} *.zip)")
        if path:
            self.open_file(path)

    def open_file(self, path: str) -> None:
        """Load a model file in a worker, add it to the viewer's models and pick it."""
        self._take(lambda: path)

    def _take(self, find: Callable[[], str | Path], done: str = "") -> None:
        """Find a file and load it, both in a worker; then show a message."""

        def load() -> Any:
            from napari_grd.api import load_model  # imports torch

            return load_model(find())

        def loaded(model: Any) -> None:
            if done:
                self._panel.say(done)
            self.set_name(self._panel.state.add(model))

        self._panel.track(run_call(load, on_done=loaded, on_error=self._panel.show_error))


class _LargePictures(QStyledItemDelegate):
    """In the list; the picture of the item that is picked has the size of the combo box."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Any) -> None:
        super().initStyleOption(option, index)
        if index.data(Qt.ItemDataRole.DecorationRole) is not None:
            option.decorationSize = QSize(_LARGE, _LARGE)
