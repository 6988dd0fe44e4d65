"""A program to call, a model and folders of images."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile
import torch

from napari_grd.cli.app import main
from napari_grd.io.label_tiff import write_labels
from napari_grd.io.model_file import save_model
from napari_grd.models.model import Model, ModelCard, ModelConfig


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs the program in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights."""
    torch.manual_seed(0)
    model = Model.create(ModelConfig(), ModelCard(name="a-model", summary="Random weights."))
    return save_model(model, tmp_path_factory.mktemp("model") / "a")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Five images of discs, with labels."""
    folder = tmp_path / "discs"
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    for number in range(5):
        labels = np.zeros((64, 64), np.uint16)
        for place, center in enumerate(rng.uniform(10, 54, (4, 2)), start=1):
            labels[(y - center[0]) ** 2 + (x - center[1]) ** 2 < 49] = place
        image = 100 + 200 * (labels > 0) + rng.normal(0, 10, labels.shape)
        tifffile.imwrite(folder / "images" / f"{number}.tif", image.astype(np.uint16))
        write_labels(folder / "labels" / f"{number}.tif", labels)
    return folder
