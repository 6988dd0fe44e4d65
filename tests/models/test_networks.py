"""What every network of the registry promises."""

import pytest
import torch
from torch import nn

from napari_grd.models import networks
from napari_grd.models.complexity import count_macs
from napari_grd.models.model import count_parameters
from napari_grd.models.networks import build, names
from napari_grd.models.resunet import TEACHER_WIDTHS, TINY_WIDTHS

SMALL = {
    "resunet": TINY_WIDTHS,
    "mobilenetv2": (8, 8, 8, 8, 8, 8, 8, 8, 32),
    "espnet": (8, 10, 15),
    "enet": (8, 16, 32),
    "unet++": (4, 4, 8, 8, 16),
    "subpixel_unet": (4, 6, 8, 8),
    "refined_unet": (4, 6, 8, 8),
}
# At least the radius of the receptive field in pixels.
REACH = {
    "resunet": 128,
    "mobilenetv2": 160,
    "espnet": 832,
    "enet": 832,
    "unet++": 160,
    "subpixel_unet": 144,
    "refined_unet": 144,
}


def small(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return build(name, in_channels=2, embedding=4, widths=SMALL[name], **options)


def test_all_are_registered() -> None:
    assert set(SMALL) <= set(names())


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("foreground", [True, False])
def test_output_has_the_size_of_the_input(name: str, foreground: bool) -> None:
    stride = networks.entry(name).stride
    network = small(name, foreground=foreground).eval()
    with torch.no_grad():
        output = network(torch.rand(2, 2, 3 * stride, 5 * stride))
    assert output.shape == (2, 4 + foreground, 3 * stride, 5 * stride)
    assert output.dtype == torch.float32


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("in_channels", [1, 20])
def test_any_number_of_input_channels(name: str, in_channels: int) -> None:
    network = build(name, in_channels=in_channels, embedding=1, foreground=False, widths=SMALL[name]).eval()
    with torch.no_grad():
        assert network(torch.rand(1, in_channels, 32, 32)).shape == (1, 1, 32, 32)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_is_trained(name: str) -> None:
    network = small(name).train()
    network(torch.randn(2, 2, 64, 64)).square().mean().backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{label} is not used"
        assert parameter.grad.isfinite().all(), label


@pytest.mark.parametrize("name", SMALL)
def test_a_crop_equals_the_whole_inside_its_halo(name: str) -> None:
    """Moving the border by one stride leaves everything beyond the network's reach as it was."""
    stride, reach = networks.entry(name).stride, REACH[name]
    network = small(name).eval()
    # At their first values deep activations fade away, and the test would pass for any reach.
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, std=0.5)
    image = torch.rand(1, 2, 32, reach + 4 * stride)
    with torch.no_grad():
        whole, crop = network(image), network(image[..., stride:])
    torch.testing.assert_close(crop[..., reach:], whole[..., stride + reach :], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "expected", "tolerance"),
    [
        ("resunet", {}, 295_884, 0),
        ("resunet", {"widths": TEACHER_WIDTHS}, 33_609_092, 0),
        ("mobilenetv2", {}, 2_244_368, 0),  # 2,264,864 with the classifier that nothing uses
        ("unet++", {}, 36_630_608, 0),
        # These two are written from their papers; the reference differs in details by less than 1 %.
        ("enet", {}, 354_657, 0.01),
        ("espnet", {}, 196_325, 0.01),
    ],
)
def test_parameters_match_the_method(name: str, options: dict[str, object], expected: int, tolerance: float) -> None:
    with torch.device("meta"):
        network = build(name, in_channels=3, embedding=16, foreground=False, **options)
    assert count_parameters(network) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(
    ("name", "options", "seg_head", "expected", "tolerance"),
    [
        # The table counts a second head (1x1: f1 to f1, f1 to 2) that no loss trains and ours leave out.
        ("resunet", {}, 8 * 8 + 8 * 2, 4.981, 1e-3),
        ("resunet", {"widths": TEACHER_WIDTHS}, 64 * 64 + 64 * 2, 515.36, 1e-3),
        ("mobilenetv2", {}, 0, 17.09, 1e-3),
        ("unet++", {}, 0, 551.55, 1e-3),
        # Bottleneck 3_5 is 0.071 GMAC of ours, and skipped in the table.
        ("enet", {}, -(2 * 128 * 32 + 32 * 32 * 9) / 64, 1.879, 0.01),
        ("espnet", {}, 0, 1.518, 0.02),
    ],
)
def test_multiply_accumulates_match_the_method(
    name: str, options: dict[str, object], seg_head: float, expected: float, tolerance: float
) -> None:
    with torch.device("meta"):
        network = build(name, in_channels=3, embedding=16, foreground=False, **options)
    giga = (count_macs(network, 3, (512, 512)) + seg_head * 512**2) / 1e9
    assert giga == pytest.approx(expected, rel=tolerance)
