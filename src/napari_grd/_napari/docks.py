"""Opening one widget of the plugin from another, or from a reader."""

from typing import Any, TypeVar, cast

from npe2 import PluginManager

from napari_grd._napari.panel import Panel, dock_of
from napari_grd._napari.settings import PLUGIN

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
            dock = dock_of(docked)
            if dock is not None:
                dock.show()
            return docked
    panel = kind(viewer)
    viewer.window.add_dock_widget(panel, name=f"{title} ({_PLUGIN_TITLE})", area="right")
    return panel


def show_widget(viewer: Any, title: str) -> Panel:
    """Show a widget by its display name in the manifest, without importing the module of another widget.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    title : str
        Its display name, as "Live".
    """
    manifest = PluginManager.instance().get_manifest(PLUGIN)
    (command,) = [widget.command for widget in manifest.contributions.widgets or () if widget.display_name == title]
    kind = PluginManager.instance().commands.get(command)
    return show_panel(viewer, cast("type[Panel]", kind), title)
