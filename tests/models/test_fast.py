"""The students for live use are as small and cheap as they are meant to be, and keep single pixels apart."""

import pytest
import torch

from napari_grd.config import NetworkConfig
from napari_grd.models.complexity import config_macs, config_parameters
from napari_grd.models.networks import build

NAMES = ("subpixel_unet", "refined_unet")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_they_cost_less_than_half_of_the_smallest_resunet(name: str, in_channels: int) -> None:
    network, smallest = NetworkConfig(name=name), NetworkConfig()
    assert config_parameters(network, in_channels) <= 300_000
    assert config_macs(network, in_channels) < config_macs(smallest, in_channels) / 2


@pytest.mark.parametrize("name", NAMES)
def test_adjacent_pixels_may_differ(name: str) -> None:
    """No pair of neighbors is bound to the same value, whether within a square of half resolution or across two."""
    torch.manual_seed(0)
    network = build(name, in_channels=1, embedding=4).eval()
    with torch.no_grad():
        output = network(torch.rand(1, 1, 64, 64))
    for axis in (2, 3):
        steps = output.diff(dim=axis).abs().amax(dim=1)
        assert steps.min() > 0
