"""3D students are exported, calibrated and checked as those of planes are."""

import io
import zipfile

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from napari_grd.config import NetworkConfig, SegmentConfig
from napari_grd.errors import ConfigError
from napari_grd.export.bioimageio.cover import sample_image
from napari_grd.export.bioimageio.description import halo, smallest_sides
from napari_grd.export.bioimageio.package import write_package
from napari_grd.export.network import ExportNetwork
from napari_grd.export.onnx import onnx_bytes
from napari_grd.export.openvino import openvino_bytes
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.inference import quantize
from napari_grd.inference.int8_calibration import calibrate_int8
from napari_grd.inference.padding import pad_to_legal
from napari_grd.inference.runtime import runtime_for
from napari_grd.io.bioimageio_package import read_package
from napari_grd.models import registry
from napari_grd.models.model import Model, ModelConfig

WIDTHS = {
    "subpixel_unet3d": (4, 6, 8),
    "subpixel_unet3d_anisotropic": (4, 6, 8),
    "rsunet": (2, 2, 3, 3, 4),
    "resunet3d": (2, 2, 3, 3, 4),
    "mala": (2, 2, 3, 3),
}


def student(name: str) -> Model:
    torch.manual_seed(0)
    network = NetworkConfig(name=name, widths=WIDTHS[name], embedding=4)
    model = Model.create(ModelConfig(network=network, ndim=3, offsets=OFFSETS_3D))
    for module in model.network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.bias, std=0.5)
    return model


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 17, 40)])
def test_the_graph_pads_as_runtimes_do(name: str, size: tuple[int, ...]) -> None:
    model = student(name)
    image = np.random.default_rng(0).random((1, *size), np.float32)
    embedding, foreground, affinities = ExportNetwork(model)(torch.from_numpy(image)[None])
    padded, inside = pad_to_legal(image, model.entry)
    model.network.eval()
    with torch.no_grad():
        output = model.network(torch.from_numpy(padded)[None])[(slice(None), slice(None), *inside)]
    expected = nn.functional.normalize(output[:, :4], dim=1)
    torch.testing.assert_close(embedding, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(foreground, torch.sigmoid(output[:, 4:]), rtol=0, atol=1e-5)
    assert affinities.shape == (1, len(OFFSETS_3D), *size)


@pytest.mark.parametrize("name", ["subpixel_unet3d", "subpixel_unet3d_anisotropic", "rsunet"])
def test_onnx_and_openvino_say_what_torch_says(name: str) -> None:
    """Both are compared with torch, at several sizes and batches, before anything is returned."""
    model = student(name)
    assert onnx_bytes(model)
    assert all(openvino_bytes(model))


def test_a_valid_network_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "registered", dict(registry.registered))

    @registry.register("small_valid", ndim=3, stride=(1, 3, 3), margin=(1, 4, 4), smallest=(3, 11, 11))
    def small_valid(in_channels: int, out_channels: int, **_: object) -> nn.Module:
        convolutions = nn.Conv3d(in_channels, 3, 3), nn.MaxPool3d((1, 3, 3)), nn.Conv3d(3, out_channels, (1, 3, 3))
        return nn.Sequential(*convolutions, nn.Upsample(scale_factor=(1, 3, 3)))

    torch.manual_seed(0)
    config = ModelConfig(network=NetworkConfig(name="small_valid", embedding=4), ndim=3, offsets=OFFSETS_3D)
    model = Model.create(config)
    assert ExportNetwork(model)(torch.rand(1, 1, 5, 40, 2))[0].shape == (1, 4, 5, 40, 2)
    assert all(openvino_bytes(model))
    assert onnx_bytes(model)


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated", "ignore:unclosed file")
def test_a_package_of_a_volume_gives_the_student_back(tmp_path) -> None:
    model = student("subpixel_unet3d_anisotropic")
    assert halo(model) == (10, 16, 16)
    assert smallest_sides(model) == (24, 48, 48)
    volume = np.random.default_rng(0).integers(0, 4000, (30, 60, 40), dtype=np.uint16)
    path = write_package(model, tmp_path / "student.zip", image=volume)
    back = read_package(path)
    assert back.config == model.config
    for name, value in model.network.state_dict().items():
        assert torch.equal(back.network.state_dict()[name], value)
    with zipfile.ZipFile(path) as packed:
        described = yaml.safe_load(packed.read("bioimageio.yaml"))
        test = np.load(io.BytesIO(packed.read("test_image.npy")))
    assert test.shape == (1, 1, 24, 48, 48)
    assert [axis.get("size") for axis in described["inputs"][0]["axes"][2:]] == [
        {"min": 24, "step": 2},
        {"min": 48, "step": 8},
        {"min": 48, "step": 8},
    ]


@pytest.mark.parametrize("image", [None, np.zeros((3, 100, 20))])
def test_test_images_are_of_the_smallest_size(image) -> None:
    model = student("subpixel_unet3d")
    assert sample_image(model, image).shape == (1, *smallest_sides(model)) == (1, 48, 48, 48)


def test_int8_is_close_to_f32(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "user_cache_path", lambda _: tmp_path)
    squares = np.random.default_rng(0).random((6, 12, 12)).repeat(4, 0).repeat(8, 1).repeat(8, 2)
    model = calibrate_int8(student("subpixel_unet3d_anisotropic"), squares)
    assert model.calibration.shape == (8, 1, 16, 64, 64)
    image = np.ascontiguousarray(squares[None, :, :33, :41], np.float32)
    config = SegmentConfig(runtime="openvino", device="cpu")
    found, exact = (runtime_for(model, config.replace(precision=each))(image) for each in ("int8", "f32"))
    assert found.shape == exact.shape == (24, 33, 41, 5)
    assert not np.array_equal(found, exact)
    for channel in range(5):
        assert np.corrcoef(found[..., channel].ravel(), exact[..., channel].ravel())[0, 1] > 0.98


def test_int8_of_a_valid_network_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'mala'.*16 x 64 x 64.*int8"):
        calibrate_int8(student("mala"), np.zeros((40, 80, 80)))
