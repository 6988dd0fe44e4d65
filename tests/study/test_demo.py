"""The demonstration runs, without display or network, and can be looked at."""

import csv
from pathlib import Path

from PIL import Image

from napari_grd.jobs import Progress, drain
from napari_grd.study.demo import iter_demo
from napari_grd.study.recipe import demo_config


def test_the_demo_writes_models_table_and_figure(tmp_path: Path) -> None:
    config = demo_config(quick=True).replace(steps=2, patch=32, **{"assistant.steps": 2})
    stages = []

    def note(event: object) -> None:
        if isinstance(event, Progress):
            stages.append(event.stage)

    study = drain(iter_demo(tmp_path / "out", config, quick=True), note)
    assert list(study.models) == ["teacher", "undistilled", "distilled"]
    assert all(path.is_file() for path in study.files)
    assert {"Simulating nuclei", "Teacher: training", "Student: distilling", "Baseline: training"} <= set(stages)
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(0 <= float(row["ap50"]) <= 1 and float(row["ms_per_image"]) > 0 for row in rows)
    with Image.open(tmp_path / "out" / "figure.png") as figure:
        assert figure.width > 3 * figure.height
