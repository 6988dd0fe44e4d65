"""Fixtures shared by all tests."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.npyio import NpzFile


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; the test is skipped where ``GRD_DATA`` does not name one."""
    folder = os.environ.get("GRD_DATA")
    if not folder:
        pytest.skip("set GRD_DATA to the folder of real images to run this test")
    path = Path(folder)
    assert path.is_dir(), f"GRD_DATA names {folder!r}, which is not a folder"
    return path


@pytest.fixture(scope="session")
def goldens() -> Callable[[str], NpzFile]:
    """Loads a file of reference numbers by name, for example ``goldens("metrics.npz")``."""
    return lambda name: np.load(Path(__file__).parent / "goldens" / name)
