"""A tiny model of the bioimage.io zoo, made on the spot."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from .zoo_model import write_zoo_model

MakeZooModel = Callable[..., Path]


@pytest.fixture
def make_zoo_model(tmp_path: Path) -> MakeZooModel:
    """Writes a package that gives each channel of its input back, and returns its folder."""
    return partial(write_zoo_model, tmp_path / "zoo model")
