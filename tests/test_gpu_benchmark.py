"""The script that trains all models on a GPU, in miniature on the CPU."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_grd.data.simulate import nuclei_2d, nuclei_3d
from napari_grd.hub import load_model

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NAMES = {"yeastvision_phase": ("pos13_t000", "pos13_t100", "pos13_t150"), "dsb2018_histology_rgb": "abcdefg"}


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The script, with small simulated data and processes that run within this one."""
    for data, names in NAMES.items():
        for number, name in enumerate(names):
            image, labels = nuclei_2d(np.random.default_rng(number), (176, 176))
            shown = (255 * (image / image.max())).astype(np.uint8)
            shown = np.stack([255 - shown, 250 - shown, 255 - shown // 2], -1) if data.endswith("rgb") else shown
            for folder, array in (("images", shown), ("labels", labels.astype(np.uint16))):
                (tmp_path / data / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(tmp_path / data / folder / f"{name}.png")
    monkeypatch.setenv("GRD_DATA", str(tmp_path))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    module = importlib.import_module("gpu")

    class Done:
        """A process that has ended."""

        returncode = 0

        def __init__(self, name: str, until: float, args: Any) -> None:
            args.until = until
            module.Workshop(args).do(name)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(module, "_start", Done)
    monkeypatch.setattr(module.Workshop, "minutes", 0.02)
    yield module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


def test_teacher_student_and_few_labels(gpu: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [
        "simulate",
        "teacher/yeast",
        "labels/yeast",
        "student/yeast",
        "teacher/tissue",
        "ask/tissue",
        "few/tissue/all/0",
    ]
    chosen = ["--tasks", *tasks, "--miniature", "--workers", "0", "--out", str(tmp_path / "out")]
    args = gpu.parse(["--minutes", "5", "--least", "1", *chosen])
    done = gpu.run(args)
    assert set(tasks) <= set(done)
    student = load_model(tmp_path / "out" / "student-yeast.grd.safetensors")
    assert student.card.recipe["online"] is True
    assert student.card.trained_on == (gpu.ORIGIN["yeastvision_phase"],)
    assert load_model(tmp_path / "out" / "few-tissue-all-0.grd.safetensors").config.in_channels == 3
    capsys.readouterr()
    again = gpu.run(args)
    assert "started" not in capsys.readouterr().out  # what is finished stays
    assert again == done


def test_a_task_without_what_it_needs_is_refused(gpu: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="teacher/yeast"):
        gpu.run(gpu.parse(["--tasks", "student/yeast", "--out", str(tmp_path / "out")]))


def test_every_need_is_a_task(gpu: Any) -> None:
    names = [task.name for task in gpu.plan()]
    assert len(set(names)) == len(names)
    assert {need for task in gpu.plan() for need in task.needs} <= set(names)


def test_volumes(gpu: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for data, name, planes in (
        ("fib25_em3d", "fib25_ts2_z000-169", 142),
        ("gala_fibsem_em3d", "gala_train", 12),
        ("gala_fibsem_em3d", "gala_example", 12),
    ):
        image, labels = nuclei_3d(rng, (planes, 32, 32), count=planes)
        for folder, array in (("images", image), ("labels", labels)):
            (tmp_path / data / folder).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / data / folder / f"{name}.tif", array.astype(np.uint16))
    tasks = ["volume/neurites/teacher", "volume/neurites/all/0"]
    args = gpu.parse(["--miniature", "--out", str(tmp_path / "runs"), "--minutes", "5", "--tasks", *tasks])
    assert gpu.run(args) == tasks
    volumes = importlib.import_module("volumes")
    scored = volumes.parse(["--print", "--out", str(tmp_path / "runs" / "volumes" / "neurites")])
    volumes.score(scored)
    volumes.report(scored)
    shown = capsys.readouterr().out
    assert "| multicut | gala_fibsem_em3d | all | 1 |" in shown
    assert load_model(tmp_path / "runs/volumes/neurites/all-0.grd.safetensors").card.teacher == "teacher"
