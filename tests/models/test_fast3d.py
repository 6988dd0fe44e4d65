"""The 3D students for live use are small and cheap, and keep single voxels apart."""

import pytest
import torch

from napari_grd.config import NetworkConfig
from napari_grd.models.complexity import config_macs, config_parameters
from napari_grd.models.fast3d import voxel_shuffle
from napari_grd.models.networks import build

NAMES = ("subpixel_unet3d", "subpixel_unet3d_anisotropic")


@pytest.mark.parametrize("name", NAMES)
def test_they_cost_a_fraction_of_the_smallest_mala(name: str) -> None:
    network, mala = NetworkConfig(name=name), NetworkConfig(name="mala")
    assert config_parameters(network) <= 250_000 < config_parameters(mala)
    assert config_macs(network) < config_macs(mala) / 4


@pytest.mark.parametrize("name", NAMES)
def test_adjacent_voxels_may_differ(name: str) -> None:
    """No pair of neighbors is bound to the same value, whether within a cell or across two."""
    torch.manual_seed(0)
    network = build(name, in_channels=1, embedding=4).eval()
    with torch.no_grad():
        output = network(torch.rand(1, 1, 16, 24, 24))
    for axis in (2, 3, 4):
        assert output.diff(dim=axis).abs().amax(dim=1).min() > 0


def test_voxels_are_shuffled_as_pixels_are() -> None:
    x = torch.rand(2, 12, 1, 4, 5)
    expected = torch.nn.functional.pixel_shuffle(x[:, :, 0], 2)
    assert torch.equal(voxel_shuffle(x, (1, 2, 2))[:, :, 0], expected)
    cells = torch.arange(8.0).reshape(1, 8, 1, 1, 1)
    assert torch.equal(voxel_shuffle(cells, (2, 2, 2)), torch.arange(8.0).reshape(1, 1, 2, 2, 2))
