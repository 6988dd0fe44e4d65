"""The window stands anything, in any order: three of the random sessions of ``benchmarks/sessions.py``."""

import importlib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_random_session_ends_as_it_began(
    viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sessions = importlib.import_module("sessions")
    assert not sessions.play(viewer, seed, sessions.untrained(), tmp_path)
