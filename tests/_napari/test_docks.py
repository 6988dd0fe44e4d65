"""A widget is there once, however it is opened."""

from typing import Any

from qtpy.QtWidgets import QDockWidget

from napari_grd._napari.docks import show_panel, show_widget
from napari_grd._napari.live.widget import LiveWidget
from napari_grd._napari.panel import Panel


def test_a_panel_is_docked_once_and_shown_again(viewer: Any) -> None:
    panel = show_panel(viewer, Panel, "Live")
    (dock,) = [dock for dock in viewer.window._qt_window.findChildren(QDockWidget) if dock.isAncestorOf(panel)]
    assert not dock.isHidden()
    dock.hide()
    assert show_panel(viewer, Panel, "Live") is panel
    assert not dock.isHidden()
    assert list(viewer.window.dock_widgets) == ["Live (GRD)"]


def test_a_widget_is_shown_by_its_name_in_the_manifest(viewer: Any) -> None:
    panel = show_widget(viewer, "Live")
    assert isinstance(panel, LiveWidget)
    assert show_widget(viewer, "Live") is panel
    assert list(viewer.window.dock_widgets) == ["Live (GRD)"]
