"""Fixtures of the tests that need a display.

They run under Xvfb (``xvfb-run -a pytest``) or on a real screen. Without one
they fail rather than skip: a GUI that nobody looked at is not tested.
"""

import builtins
import gc
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import QObject

from napari_grd import hub
from napari_grd._napari.worker import stop_all
from napari_grd.hub import load_model

_STATUS = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the status for the end."""
    session.config.stash[_STATUS] = exitstatus


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process when all is said, without taking it apart.

    PySide deletes what is left of a hundred closed viewers in no particular order, and
    now and then an OpenGL context goes before a canvas that asks it something: the
    process crashed after its last line, in one whole run of six. That a process with one
    viewer ends well is tested in test_quitting.py.
    """
    if _STATUS in config.stash:
        config.get_terminal_writer().flush()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])


@pytest.fixture(autouse=True)
def _qt_classes_of_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No worker may define a class of Qt, by importing it for instance: see test_quitting.py."""
    build, made = builtins.__build_class__, []

    def watched(*arguments: Any, **keywords: Any) -> Any:
        new = build(*arguments, **keywords)
        if threading.current_thread() is not threading.main_thread() and issubclass(type(new), type(QObject)):
            made.append(new)
        return new

    monkeypatch.setattr(builtins, "__build_class__", watched)
    yield
    assert not made


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Iterator[Any]:
    """A real viewer. Jobs that a test leaves running are stopped, as when napari closes."""
    # napari collects garbage whenever a layer goes: without walks through what earlier tests imported and kept.
    gc.collect()
    gc.freeze()
    yield make_napari_viewer()
    stop_all(10)


@dataclass
class Slide:
    """A pyramid of dask arrays that no memory holds: a repeated tile. Computed chunks of its finest level are noted."""

    tile: np.ndarray[Any, Any]
    side: int
    computed: set[Any] = field(default_factory=set)

    @property
    def levels(self) -> list[Any]:
        coarse = Slide(self.tile[::8, ::8], self.side // 8)
        return [da.from_array(slide, chunks=256, name=False) for slide in (self, coarse)]

    @property
    def shape(self) -> tuple[int, int]:
        return self.side, self.side

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.tile.dtype

    ndim = 2

    def __getitem__(self, index: Any) -> np.ndarray[Any, Any]:
        rows, columns = (np.arange(*span.indices(self.side)) for span in index)
        self.computed.update((row // 256, column // 256) for row in rows[::256] for column in columns[::256])
        return self.tile[np.ix_(rows % self.tile.shape[0], columns % self.tile.shape[1])]


@pytest.fixture
def slide() -> type[Slide]:
    """Makes pyramids that no memory holds."""
    return Slide


@pytest.fixture(scope="session")
def nuclei() -> Any:
    """The built-in model, loaded once: preparing its network takes seconds."""
    return load_model("nuclei")


@pytest.fixture
def live_widget(viewer: Any, nuclei: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The Live widget in a dock, switched off."""
    from napari_grd._napari.live.widget import LiveWidget

    monkeypatch.setattr(hub, "load_model", lambda _path: nuclei)
    widget = LiveWidget(viewer)
    viewer.window.add_dock_widget(widget)
    yield widget
    widget.release()
