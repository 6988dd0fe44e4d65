"""A model to other programs, from a shell."""

from pathlib import Path

import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.cli import exporting


def test_the_name_tells_the_format(call, model_file: Path, tmp_path: Path) -> None:
    done = call("export", model_file, tmp_path / "a.onnx")
    assert done.code == 0, done.err
    assert (tmp_path / "a.onnx").stat().st_size > 100_000
    refused = call("export", model_file, tmp_path / "a.onnx")
    assert refused.code == 2
    assert "--force" in refused.err
    assert call("export", model_file, tmp_path / "a.onnx", "--force").code == 0


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("a", (), "is unknown"),
        ("a.pt", ("--format", "torchscript"), "'torchscript'"),
        ("a.onnx", ("--author", "Ada"), "does not take authors"),
        ("missing/a.onnx", (), "no folder"),
    ],
)
def test_mistakes_are_one_line(call, model_file: Path, tmp_path: Path, name: str, options, problem: str) -> None:
    done = call("export", model_file, tmp_path / name, *options)
    assert done.code == 2
    assert problem in done.err


def test_options_reach_the_export(call, model_file: Path, dataset: Path, tmp_path: Path, monkeypatch) -> None:
    seen = {}

    def export_model(model, path, format, **options):
        seen.update(options, model=model, format=format)
        return path

    monkeypatch.setattr(grd, "export_model", export_model)
    image = dataset / "images" / "0.tif"
    done = call(
        "export", model_file, tmp_path / "a.zip", "--author", "Ada", "--author", "Bob", "--image", image, "--axes", "yx"
    )
    assert done.code == 0, done.err
    assert (seen["format"], seen["authors"], seen["axes"], seen["int8"]) == ("bioimageio", ["Ada", "Bob"], "yx", False)
    assert seen["image"].shape == (64, 64)
    assert call("export", model_file, tmp_path / "b.xml", "--int8", dataset).code == 0
    assert seen["int8"]
    assert seen["model"].calibration is not None


def test_a_calibrated_model_is_saved(call, model_file: Path, dataset: Path, tmp_path: Path) -> None:
    done = call("calibrate-int8", model_file, dataset, "--out", tmp_path / "b.grd.safetensors")
    assert done.code == 0, done.err
    assert grd.load_model(tmp_path / "b.grd.safetensors").calibration.shape == (16, 1, 128, 128)


def test_segmenting_in_int8_asks_for_calibration(call, model_file: Path, dataset: Path, tmp_path: Path) -> None:
    done = call("segment", dataset, "--model", model_file, "--out", tmp_path / "out", "--precision", "int8")
    assert done.code == 2
    assert "napari-grd calibrate-int8" in done.err


def test_of_many_images_some_are_read(tmp_path: Path) -> None:
    from napari_grd.jobs import Progress, drain
    from napari_grd.models.model import Model, ModelConfig

    for number in range(40):
        np.save(tmp_path / f"{number:02}.npy", np.random.default_rng(number).random((32, 32), np.float32))
    events: list[Progress] = []
    drain(exporting._iter_calibrate(Model.create(ModelConfig()), tmp_path, None), events.append)
    assert events[-1].total == 16
