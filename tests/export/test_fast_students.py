"""The students for live use are exported, quantized and run as every student."""

import numpy as np
import pytest
import torch

from napari_grd.config import NetworkConfig, SegmentConfig
from napari_grd.export.bioimageio.package import write_package
from napari_grd.inference import quantize
from napari_grd.inference.int8_calibration import calibrate_int8
from napari_grd.inference.runtime import runtime_for
from napari_grd.io.bioimageio_package import read_package
from napari_grd.models.model import Model, ModelConfig


def squares(side=128):
    """Squares of 8 pixels with gaps of one pixel, and a noisy image of them."""
    mask = torch.zeros(1, 1, side, side)
    for top in range(1, side, 9):
        for left in range(1, side, 9):
            mask[..., top : top + 8, left : left + 8] = 1
    return mask, mask + 0.1 * torch.randn_like(mask)


@pytest.fixture(scope="module", params=["subpixel_unet", "refined_unet"])
def student(request):
    """Trained to find the gaps, as random weights leave deep layers with next to nothing to round."""
    torch.manual_seed(0)
    config = ModelConfig(network=NetworkConfig(name=request.param, embedding=4), object_diameter=20)
    model = Model.create(config)
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=1e-2)
    model.network.train()
    for _ in range(60):
        mask, image = squares()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model.network(image)[:, -1:], mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.network.eval()
    return calibrate_int8(model, squares()[1][0].numpy(), axes="zyx")


@pytest.mark.parametrize("size", [(64, 96), (37, 90), (5, 7)])
def test_openvino_computes_what_torch_does(student, size):
    image = np.random.default_rng(1).random((1, *size), np.float32)
    found, expected = (
        runtime_for(student, SegmentConfig(runtime=name, precision="f32", device="cpu"))(image)
        for name in ("openvino", "torch")
    )
    assert found.shape == (*size, 5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_int8_finds_the_gaps(student, tmp_path, monkeypatch):
    monkeypatch.setattr(quantize, "user_cache_path", lambda _: tmp_path)
    mask, image = squares()
    config = SegmentConfig(runtime="openvino", device="cpu")
    found, exact = (runtime_for(student, config.replace(precision=each))(image[0].numpy()) for each in ("int8", "f32"))
    inside = mask[0, 0].numpy() > 0
    assert ((found[..., -1] > 0) == inside).mean() > 0.99
    assert not np.array_equal(found, exact)
    for channel in range(5):
        assert np.corrcoef(found[..., channel].ravel(), exact[..., channel].ravel())[0, 1] > 0.95


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated", "ignore:unclosed file")
@pytest.mark.parametrize("student", ["subpixel_unet"], indirect=True)  # it takes seconds
def test_a_package_gives_the_student_back(student, tmp_path):
    """bioimageio.core runs the TorchScript and the ONNX weights of a package before it is put in its place."""
    image = np.random.default_rng(0).integers(0, 4000, (96, 80), dtype=np.uint16)
    back = read_package(write_package(student, tmp_path / "student.zip", image=image, authors=["Ada"]))
    assert back.config == student.config
    for name, value in student.network.state_dict().items():
        torch.testing.assert_close(back.network.state_dict()[name], value, rtol=0, atol=0)
