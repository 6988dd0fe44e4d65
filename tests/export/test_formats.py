"""What cannot be exported is said before anything is computed."""

import sys

import pytest

import napari_grd.api as grd
from napari_grd.errors import ConfigError, GrdError, OutputError


@pytest.mark.parametrize(
    ("name", "format", "options", "problem"),
    [
        ("a.zip", "torchscript", {}, "'torchscript'.*bioimageio, onnx, openvino"),
        ("a.onnx", "bioimageio", {}, "'a.onnx' does not end.*.zip"),
        ("a.zip", "onnx", {}, "ends in .onnx"),
        ("a.onnx", "openvino", {}, ".xml or .zip"),
        ("a.onnx", "onnx", {"int8": True}, "int8 is not there"),
        ("a.onnx", "onnx", {"authors": ["Ada"]}, "does not take authors"),
    ],
)
def test_mistakes_are_named(model, tmp_path, name, format, options, problem):
    with pytest.raises(ConfigError, match=problem):
        grd.export_model(model, tmp_path / name, format, **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_said_first(model, tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        grd.export_model(model, tmp_path / "missing" / "a.onnx", "onnx")


def test_a_missing_package_comes_with_its_remedy(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(GrdError, match=r'pip install "napari-grd\[onnx\]"'):
        grd.export_model(model, tmp_path / "a", "onnx")
    assert not list(tmp_path.iterdir())


def test_a_name_gets_its_suffix_and_replaces_what_was_there(model, tmp_path):
    (tmp_path / "a.onnx").write_text("old")
    assert grd.export_model(model, tmp_path / "a", "onnx") == tmp_path / "a.onnx"
    assert (tmp_path / "a.onnx").stat().st_size > 1000
