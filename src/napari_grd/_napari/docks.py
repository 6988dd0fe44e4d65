"""Opening one widget of the plugin from another, or from a reader."""

from typing import Any, TypeVar

from qtpy.QtWidgets import QDockWidget

from napari_grd._napari.panel import Panel

Kind = TypeVar("Kind", bound=Panel)
_PLUGIN_TITLE = "GRD"


def show_panel(viewer: Any, kind: type[Kind], title: str) -> Kind:
    """Show a docked widget of the viewer; dock a new one if there is none.

    ``viewer.window.add_plugin_dock_widget`` names docks by the plugin, napari's menus by the plugin's title, so it
    would dock a second widget.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    kind : type
        Class of the widget.
    title : str
        Its display name in the manifest.

    Returns
    -------
    Panel
        The widget, new or not.
    """
    for docked in viewer.window.dock_widgets.values():
        if isinstance(docked, kind):
            _dock_of(docked).show()
            return docked
    panel = kind(viewer)
    viewer.window.add_dock_widget(panel, name=f"{title} ({_PLUGIN_TITLE})", area="right")
    return panel


def _dock_of(widget: Any) -> Any:
    while not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget
