"""OpenVINO files load back, agree with torch, and are there together or not at all."""

import json
import zipfile

import numpy as np
import pytest
import torch

from napari_grd.errors import GrdError, ModelFileError, OutputError
from napari_grd.export import openvino as exporter
from napari_grd.export.network import ExportNetwork
from napari_grd.export.openvino import openvino_bytes, read_openvino, write_openvino
from napari_grd.inference.openvino_graph import core, from_bytes
from napari_grd.models.model import Model


def run(graph, image):
    return list(core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([image]).values())


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (2, 1, 21, 90)])
def test_outputs_are_torchs(model, tmp_path, shape):
    path = write_openvino(model, tmp_path / "a.xml")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.bin", "a.xml"]
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    for value, expected in zip(run(core().read_model(path), image.numpy()), ExportNetwork(model)(image), strict=True):
        np.testing.assert_allclose(value, expected.numpy(), rtol=0, atol=1e-4)


def test_the_files_describe_themselves(model):
    graph = from_bytes(*openvino_bytes(model))
    assert [output.get_any_name() for output in graph.outputs] == ["embedding", "foreground", "affinities"]
    assert graph.get_rt_info(["napari_grd", "precision"]).astype(str) == "f32"
    config = json.loads(graph.get_rt_info(["napari_grd", "config"]).astype(str))
    assert config["offsets"] == [list(offset) for offset in model.config.offsets]


def test_folder_and_zip(model, tmp_path):
    write_openvino(model, tmp_path / "a")
    write_openvino(model, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        for name in ("model.xml", "model.bin"):
            assert len(packed.read(name)) == len((tmp_path / "a" / name).read_bytes())


def test_int8_is_near_and_only_the_network_is_changed(model):
    plain, small = openvino_bytes(model), openvino_bytes(model, int8=True)
    graph = from_bytes(*small)
    assert graph.get_rt_info(["napari_grd", "precision"]).astype(str) == "int8"
    rounded = [op.get_friendly_name() for op in graph.get_ops() if op.get_type_name() == "FakeQuantize"]
    assert len(rounded) > 10
    assert not [name for name in rounded if name.startswith("aten::")]  # nothing outside of the network
    image = np.random.default_rng(0).random((1, 1, 64, 64), np.float32)
    for value, expected in zip(run(graph, image), run(from_bytes(*plain), image), strict=True):
        assert np.abs(value - expected).mean() < 0.1
        assert np.corrcoef(value.ravel(), expected.ravel())[0, 1] > 0.95


def test_int8_needs_calibration(model, tmp_path):
    with pytest.raises(GrdError, match=r"not calibrated.*Calibrate it"):
        write_openvino(Model(model.network, model.config), tmp_path / "a.xml", int8=True)
    assert not list(tmp_path.iterdir())


def test_what_disagrees_is_not_written(model, tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "to_bytes", lambda graph: openvino_bytes_of_another(model))
    with pytest.raises(OutputError, match="does not compute"):
        write_openvino(model, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def openvino_bytes_of_another(model):
    from napari_grd.inference.openvino_graph import convert, to_bytes

    torch.manual_seed(1)
    return to_bytes(convert(ExportNetwork(Model.create(model.config)), model, any_batch=True))


def test_halves_of_two_models_do_not_open(model, tmp_path):
    torch.manual_seed(1)
    other = Model.create(model.config)
    write_openvino(model, tmp_path / "a.xml")
    write_openvino(other, tmp_path / "b.xml")
    assert run(read_openvino(tmp_path / "a.xml"), np.zeros((1, 1, 64, 64), np.float32))
    (tmp_path / "b.bin").replace(tmp_path / "a.bin")
    with pytest.raises(ModelFileError, match=r"a\.xml' and 'a\.bin' are of two models"):
        read_openvino(tmp_path / "a.xml")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_openvino(tmp_path / "b.xml")
    (tmp_path / "a.xml").write_text("<net>")
    with pytest.raises(ModelFileError, match="no model of this package"):
        read_openvino(tmp_path / "a.xml")
