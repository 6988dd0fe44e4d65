"""What a removed layer leaves in OpenGL is deleted in the context it belongs to.

napari 0.9 deletes it while the last context that was used is current, mostly Qt's own, and drivers of Mesa
then draw the next picture but one without a vertex shader: the process ends with a segmentation fault.
"""

from contextlib import suppress
from typing import Any


def delete_in_own_context(viewer: Any) -> None:
    """Make the context of a viewer's canvas current before napari deletes what a layer left there.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer. Without a window there is nothing to do.
    """
    window = getattr(viewer, "window", None)
    if window is None:
        return
    canvas = window._qt_viewer.canvas._scene_canvas

    def make_current() -> None:
        with suppress(RuntimeError):  # the window was closed, and Qt has deleted the canvas
            canvas.set_current()

    # Before what napari follows, as its own callbacks come first: the removal of one layer, and of several.
    viewer.layers.events.removing.connect(make_current)
    viewer.layers.events.begin_batch.connect(make_current)
