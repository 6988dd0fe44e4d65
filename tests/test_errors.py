"""Messages stand on their own, and survive the trip between processes."""

import pickle
from pathlib import Path

import pytest

from napari_grd.errors import Cancelled, ConfigError, GrdError


def test_problem_and_remedy() -> None:
    error = ConfigError("steps is 0.", "Use at least 1.")
    assert str(error) == "steps is 0. Use at least 1."
    assert isinstance(error, GrdError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("error", [GrdError("a", "b"), ConfigError("a.", ""), Cancelled(Path("x/c")), Cancelled()])
def test_errors_survive_pickling(error: GrdError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__


def test_cancelled_says_how_to_resume() -> None:
    assert "out_dir='run'" in str(Cancelled(Path("run/checkpoint.safetensors")))
    assert "Resume" not in str(Cancelled())
