"""The demonstration runs, without display or network, and can be looked at."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from napari_grd.demo.demo import QUICK, DemoSize, iter_demo, iter_simulate
from napari_grd.demo.recipe import demo_config
from napari_grd.jobs import Progress, drain


def test_the_demo_writes_models_table_and_figure(tmp_path: Path) -> None:
    config = demo_config(quick=True).replace(steps=2, patch=32)
    stages = []

    def note(event: object) -> None:
        if isinstance(event, Progress):
            stages.append(event.stage)

    experiment = drain(iter_demo(tmp_path / "out", config, quick=True), note)
    assert list(experiment.models) == ["teacher", "undistilled", "distilled"]
    assert experiment.models["teacher"].card.name == "nuclei-teacher"
    assert all(path.is_file() for path in experiment.files)
    assert {"Simulating nuclei", "Student: distilling", "Baseline: training", "Comparing"} <= set(stages)
    assert "Teacher: training" not in stages
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(0 <= float(row["ap50"]) <= 1 and float(row["ms_per_image"]) > 0 for row in rows)
    for row, model in zip(rows, experiment.comparison.rows, strict=True):
        (empty,) = experiment.comparison.labels[model.name][experiment.comparison.images :]
        assert int(row["objects_in_empty"]) == len(np.unique(empty[empty > 0]))
    assert experiment.conclusion.startswith("With 2 labeled images and 3 unlabeled images the distilled student")
    assert experiment.conclusion in (tmp_path / "out" / "table.md").read_text()
    with Image.open(tmp_path / "out" / "figure.png") as figure:
        assert figure.width > 1.5 * figure.height


def test_no_image_is_trained_on_and_compared_on() -> None:
    data = drain(iter_simulate(0, QUICK))
    trained = {image.tobytes() for image in data.images}
    compared = [image.tobytes() for image in (*data.test_images, *data.empty_images)]
    assert len(trained) == len(data.images)
    assert len(set(compared)) == len(compared)
    assert not trained & set(compared)
    assert [labels is not None for labels in data.labels] == [True] * QUICK.labeled + [False] * QUICK.unlabeled


def test_images_are_those_of_the_seed() -> None:
    first, longer = (drain(iter_simulate(3, DemoSize(64, 64, 1, n, 1))) for n in (1, 2))
    other = drain(iter_simulate(4, DemoSize(64, 64, 1, 1, 1)))
    for ours, theirs in zip(first.test_images, longer.test_images, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(first.test_images[0], other.test_images[0])
