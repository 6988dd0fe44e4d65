"""What every 3D network of the registry with padding promises."""

import pytest
import torch
from torch import nn

from napari_grd.config import NetworkConfig
from napari_grd.models.complexity import config_macs, count_macs, step_bytes
from napari_grd.models.mala import TEACHER_WIDTHS as MALA_TEACHER
from napari_grd.models.model import count_parameters
from napari_grd.models.networks import build, entry, names
from napari_grd.models.rsunet import TEACHER_WIDTHS as RSUNET_TEACHER

SMALL = {
    "resunet3d": (2, 3, 4, 4, 4),
    "resunet3d_anisotropic": (2, 3, 4, 4, 4),
    "rsunet": (2, 3, 4, 4, 4),
    "subpixel_unet3d": (4, 6, 8),
    "subpixel_unet3d_anisotropic": (4, 6, 8),
}


def small(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return build(name, in_channels=2, embedding=4, widths=SMALL[name], **options)


def test_all_are_tested() -> None:
    padded = {name for name in names(3) if not any(entry(name).margin)}
    assert padded == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("foreground", [True, False])
def test_output_has_the_size_of_the_input(name: str, foreground: bool) -> None:
    size = [n * stride for n, stride in zip((1, 2, 3), entry(name).strides, strict=True)]
    network = small(name, foreground=foreground).eval()
    with torch.no_grad():
        output = network(torch.rand(2, 2, *size))
        last = network.to(memory_format=torch.channels_last_3d)(torch.rand(1, 2, *size))
    assert output.shape == (2, 4 + foreground, *size)
    assert last.shape[2:] == tuple(size)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_is_trained(name: str) -> None:
    network = small(name).train()
    network(torch.randn(2, 2, 16, 32, 32)).square().mean().backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{label} is not used"
        assert parameter.grad.isfinite().all(), label


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("axis", range(3))
def test_a_crop_equals_the_whole_inside_the_halo(name: str, axis: int) -> None:
    """Moving the border by one stride leaves everything beyond the stated receptive field as it was."""
    stride, reach = entry(name).strides[axis], entry(name).halo[axis]
    reach = -(-reach // stride) * stride
    network = small(name).eval()
    # At their first values deep activations fade away, and the test would pass for any reach.
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.bias, std=0.5)
    size = list(entry(name).strides)
    size[axis] = reach + 4 * stride
    image = torch.rand(1, 2, *size)
    with torch.no_grad():
        whole, crop = network(image), network(image.narrow(2 + axis, stride, size[axis] - stride))
    rest = size[axis] - stride - reach
    torch.testing.assert_close(
        crop.narrow(2 + axis, reach, rest), whole.narrow(2 + axis, stride + reach, rest), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("name", [*SMALL, "mala"])
def test_costs_are_known_per_voxel(name: str) -> None:
    network = NetworkConfig(name=name)
    assert 1e3 < config_macs(network) < 1e6
    assert step_bytes(network, pixels=10**6) > 1e8


@pytest.mark.parametrize(
    ("name", "options", "size", "parameters", "giga"),
    [
        ("mala", {}, (53, 268, 268), 367_648, 12.77),
        ("mala", {}, (84, 268, 268), 367_648, 21.76),
        ("mala", {"widths": MALA_TEACHER}, (84, 268, 268), 84_020_644, 366.39),
        # Ours reduces channels before the up-sampling: 0.59 GMAC less than in the table, 86.95.
        ("rsunet", {"widths": RSUNET_TEACHER}, (18, 160, 160), 1_478_036, 86.36),
    ],
)
def test_costs_are_the_method_s(
    name: str, options: dict[str, object], size: tuple[int, ...], parameters: int, giga: float
) -> None:
    with torch.device("meta"):
        network = build(name, in_channels=1, embedding=16, foreground=False, **options)
    assert count_parameters(network) == parameters
    assert count_macs(network, 1, size) / 1e9 == pytest.approx(giga, abs=0.005)
