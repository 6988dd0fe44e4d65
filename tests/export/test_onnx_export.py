"""An ONNX file says what torch says, whatever the size of the image, or is not written."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from napari_grd.config import NetworkConfig, SegmentConfig
from napari_grd.errors import OutputError
from napari_grd.export import onnx as exporter
from napari_grd.export.network import ExportNetwork
from napari_grd.export.onnx import OPSET, onnx_bytes, write_onnx
from napari_grd.inference.segment import predict
from napari_grd.models.model import Model, ModelConfig
from napari_grd.models.networks import names


def session(content):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (3, 1, 17, 90), (1, 1, 5, 7), (1, 1, 130, 33)])
def test_outputs_are_torchs_at_any_size(model, shape):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    found = session(onnx_bytes(model)).run(None, {"image": image.numpy()})
    for value, expected in zip(found, ExportNetwork(model)(image), strict=True):
        np.testing.assert_allclose(value, expected.numpy(), rtol=0, atol=1e-4)


def test_outputs_are_those_of_predict(model):
    image = np.random.default_rng(0).random((70, 100), np.float32)
    unscaled = np.array([[0, 1]], np.float32)
    known = predict(model, image, SegmentConfig(runtime="torch", precision="f32"), intensity_range=unscaled)
    embedding, foreground, affinities = session(onnx_bytes(model)).run(None, {"image": image[None, None]})
    unit = known.embedding / np.linalg.norm(known.embedding, axis=0)
    np.testing.assert_allclose(embedding[0], unit, rtol=0, atol=1e-4)
    np.testing.assert_allclose(foreground[0, 0], known.foreground, rtol=0, atol=1e-4)
    np.testing.assert_allclose(affinities[0], known.affinities(), rtol=0, atol=1e-4)
    assert not affinities[0, 0, 0].any()  # no partner above the first row


def test_the_file_describes_itself(model, tmp_path):
    path = write_onnx(model, tmp_path / "a.onnx")
    graph = onnx.load(path)
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", OPSET)]
    facts = {entry.key: entry.value for entry in graph.metadata_props}
    assert ModelConfig(**json.loads(facts["config"])) == model.config
    assert json.loads(facts["card"])["name"] == "tiny µ"
    assert json.loads(facts["usage"])["offsets"] == [list(offset) for offset in model.config.offsets]
    dims = [dim.dim_param or dim.dim_value for dim in graph.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", 1, "y", "x"]


@pytest.mark.parametrize("name", [name for name in names(2) if name != "unet++"])
def test_networks_without_foreground_and_with_colors(name):
    model = Model.create(ModelConfig(network=NetworkConfig(name=name), in_channels=3, foreground=False))
    outputs = session(onnx_bytes(model)).get_outputs()
    assert [output.name for output in outputs] == ["embedding", "affinities"]


def test_offsets_may_go_any_way():
    offsets = ((0, -1), (2, 0), (-3, 4))
    model = Model.create(ModelConfig(network=NetworkConfig(widths=(2, 2, 3, 3, 4), embedding=4), offsets=offsets))
    image = np.random.default_rng(0).random((40, 40), np.float32)
    found = session(onnx_bytes(model)).run(["affinities"], {"image": image[None, None]})[0][0]
    unscaled = np.array([[0, 1]], np.float32)
    known = predict(model, image, SegmentConfig(runtime="torch", precision="f32"), intensity_range=unscaled)
    np.testing.assert_allclose(found, known.affinities(), rtol=0, atol=1e-4)


def test_what_disagrees_is_not_written(model, tmp_path, monkeypatch):
    class Wrong(ExportNetwork):
        def forward(self, image):
            embedding, *others = super().forward(image)
            return embedding + 1e-3, *others

    monkeypatch.setattr(exporter, "ExportNetwork", Wrong)
    with pytest.raises(OutputError, match="embedding for an image of shape"):
        write_onnx(model, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_exported_is_named(model, tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.eigvals(x).real.repeat(1, 5, 1, 1)

    with pytest.raises(OutputError, match="'resunet' cannot be exported to ONNX"):
        write_onnx(Model(Odd(), model.config), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
