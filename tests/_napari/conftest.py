"""Fixtures of the tests that need a display.

They run under Xvfb (``xvfb-run -a pytest``) or on a real screen. Without one
they fail rather than skip: a GUI that nobody looked at is not tested.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from napari_grd._napari.worker import stop_all


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Iterator[Any]:
    """A real viewer. Jobs that a test leaves running are stopped, as when napari closes."""
    yield make_napari_viewer()
    stop_all(10)
