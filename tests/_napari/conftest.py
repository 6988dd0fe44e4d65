"""Fixtures of the tests that need a display.

They run under Xvfb (``xvfb-run -a pytest``) or on a real screen. Without one
they fail rather than skip: a GUI that nobody looked at is not tested.
"""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from napari_grd._napari.worker import stop_all
from napari_grd.io import builtin, model_file


def pytest_sessionfinish() -> None:
    """Remove what closed viewers left.

    Their canvases are in reference cycles, and hold an OpenGL context: one that
    outlives the application takes the process down at its very end.
    """
    gc.collect()


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Iterator[Any]:
    """A real viewer. Jobs that a test leaves running are stopped, as when napari closes."""
    yield make_napari_viewer()
    stop_all(10)


@pytest.fixture(scope="session")
def nuclei() -> Any:
    """The built-in model, loaded once: preparing its network takes seconds."""
    return model_file.load_model(builtin.builtin_paths()["nuclei"])


@pytest.fixture
def live_widget(viewer: Any, nuclei: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The Live widget in a dock, switched off."""
    from napari_grd._napari.live.widget import LiveWidget

    monkeypatch.setattr(model_file, "load_model", lambda _path: nuclei)
    widget = LiveWidget(viewer)
    viewer.window.add_dock_widget(widget)
    yield widget
    widget.release()
