"""napari deletes what a removed layer left in OpenGL in the context of its canvas: elsewhere Mesa's drivers crash."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtGui import QOpenGLContext
from qtpy.QtWidgets import QApplication

from napari_grd._napari.state import state_of


def test_layers_are_removed_in_the_context_of_their_canvas(
    make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = make_napari_viewer(show=True)
    state_of(viewer)
    viewer.add_image(np.eye(8))
    for _ in range(2):
        viewer.add_shapes([np.array([[1, 1], [1, 5], [5, 5], [5, 1]])], shape_type="polygon")
    canvas = viewer.window._qt_viewer.canvas
    own, finish, used = canvas.native.context(), canvas._scene_canvas.context.finish, []

    def watched() -> None:
        used.append(QOpenGLContext.currentContext())
        finish()

    monkeypatch.setattr(canvas._scene_canvas.context, "finish", watched)
    removals: list[Callable[[], object]] = [viewer.layers.pop, viewer.layers.clear]
    for remove in removals:
        for _ in range(5):  # else the window is painted while a layer goes; the second picture after it was the last
            canvas._scene_canvas.update()
            QApplication.processEvents()
        canvas.native.doneCurrent()  # as when Qt has composed the window
        remove()
        assert used
        assert all(context is own for context in used)
        used.clear()


def test_layers_are_removed_from_a_viewer_whose_window_is_closed(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer()
    state_of(viewer)
    viewer.add_image(np.eye(8))
    viewer.close()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    viewer.layers.clear()
