"""The benchmark that looks around for long says what was left behind."""

import importlib
import sys
from pathlib import Path

import pytest


def test_growth_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    left_behind = importlib.import_module("live").left_behind
    for name in ("live", "reporting", "segment_volume"):
        monkeypatch.delitem(sys.modules, name) if name not in before else None
    steady = [["0 min", 581, 4, 1364.0], ["15 min", 581, 4, 2226.0], ["end", 581, 4, 2214.0]]
    assert left_behind(steady) == []
    (widgets,) = left_behind([*steady, ["end", 590, 4, 2226.0]])
    assert widgets == "9 widgets were left behind."
    threads, memory = left_behind([*steady[:2], ["end", 581, 5, 2400.0]])
    assert "1 threads" in threads
    assert "2226 to 2400 MiB" in memory
