"""ResUNet against the numbers of the method's reference implementation."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_grd.models.resunet import ResUNet
from napari_grd.models.split import SplitNetwork

Goldens = Callable[[str], Mapping[str, np.ndarray]]


@pytest.fixture
def network() -> ResUNet:
    """A small ResUNet with the golden's weights."""
    network = ResUNet(3, 16, (4, 8, 16, 32, 64), align_corners=True)
    for i, (name, parameter) in enumerate(network.named_parameters()):
        parameter.data = golden_parameter(i, name, parameter)
    for j, (name, buffer) in enumerate(network.named_buffers()):
        wave = torch.cos(0.5 * j + 0.31 * torch.arange(buffer.numel(), dtype=torch.float64))
        if name.endswith("running_mean"):
            buffer.copy_(0.1 * wave)
        elif name.endswith("running_var"):
            buffer.copy_(1 + 0.5 * wave.abs())
    return network


def golden_parameter(i: int, name: str, like: Tensor) -> Tensor:
    wave = torch.cos(0.37 * i + 0.73 * torch.arange(like.numel(), dtype=torch.float64)).reshape(like.shape)
    if like.ndim > 1:
        wave = wave * (2 / like[0].numel()) ** 0.5
    else:
        wave = 1 + 0.1 * wave if name.endswith("weight") else 0.05 * wave
    return wave.float()


def test_our_parameters_are_the_reference_s_in_order(goldens: Goldens, network: ResUNet) -> None:
    golden = goldens("net_forward.npz")
    shapes = [tuple(int(n) for n in str(shape).split("x")) for shape in golden["resunet_param_shapes"]]
    ours = [tuple(parameter.shape) for parameter in network.parameters()]
    assert ours == shapes[: len(ours)]
    assert len(shapes) - len(ours) == 6  # the second head, which comes last


# In training mode the statistics of 24 pixels at the bottom amplify rounding: the same network in
# float64 is 2.5e-5 from the reference's float32 there.
@pytest.mark.parametrize(("mode", "tolerance"), [("eval", 2e-6), ("train", 5e-5)])
def test_embedding_is_the_reference_s(goldens: Goldens, network: ResUNet, mode: str, tolerance: float) -> None:
    golden = goldens("net_forward.npz")
    network.train(mode == "train")
    with torch.no_grad():
        embedding = network(torch.from_numpy(golden["resunet_x"]))
    np.testing.assert_allclose(embedding.numpy(), golden[f"resunet_emb_{mode}"], rtol=1e-5, atol=tolerance)


def test_aligned_corners_make_a_crop_disagree() -> None:
    """Why models do not up-sample as the reference does."""
    torch.manual_seed(0)
    aligned, ours = (ResUNet(1, 4, align_corners=flag).eval() for flag in (True, False))
    ours.load_state_dict(aligned.state_dict())
    image = torch.rand(1, 1, 32, 320)
    gap = {}
    with torch.no_grad():
        for network in (aligned, ours):
            inner = network(image)[..., 160:] - network(image[..., 16:])[..., 144:]
            gap[network.align_corners] = float(inner.abs().max())
    assert gap[False] < 1e-6 < 1e-4 < gap[True]


def test_channels_last_is_the_same_function() -> None:
    torch.manual_seed(0)
    network = ResUNet(2, 5).eval()
    image = torch.rand(1, 2, 48, 32)
    with torch.no_grad():
        expected = network(image)
        output = network.to(memory_format=torch.channels_last)(image.to(memory_format=torch.channels_last))
    assert output.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6)


def test_both_halves_are_the_whole() -> None:
    torch.manual_seed(0)
    network = ResUNet(2, 5).eval()
    image = torch.rand(3, 2, 48, 80)
    with torch.no_grad():
        features = network.encode(image)
        assert torch.equal(network.decode(features), network(image))
    assert isinstance(network, SplitNetwork)
    frozen = {weights for module in network.encoder for weights in module.parameters()}
    assert 0 < len(frozen) < len(list(network.parameters()))


def test_the_first_half_does_not_depend_on_the_second() -> None:
    torch.manual_seed(0)
    network = ResUNet(1, 5).eval()
    image = torch.rand(1, 1, 32, 32)
    frozen = {weights for module in network.encoder for weights in module.parameters()}
    with torch.no_grad():
        before = network.encode(image)
        for weights in set(network.parameters()) - frozen:
            weights.zero_()
        assert all(torch.equal(one, two) for one, two in zip(before, network.encode(image), strict=True))
        for weights in frozen:
            weights.zero_()
        assert not any(torch.equal(one, two) for one, two in zip(before, network.encode(image), strict=True))
