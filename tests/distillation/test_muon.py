"""The optimizer of short trainings."""

import torch
from torch import nn

from napari_grd.distillation.muon import Muon, orthogonal


def test_updates_have_no_weak_direction() -> None:
    torch.manual_seed(0)
    for shape in ((8, 30), (30, 8)):
        weak = torch.randn(shape) * torch.logspace(0, -1.5, 8).expand(shape) if shape[1] == 8 else torch.randn(shape)
        values = torch.linalg.svdvals(orthogonal(weak))
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_no_gradient_is_no_step() -> None:
    assert (orthogonal(torch.zeros(3, 4)) == 0).all()
    layer = nn.Conv2d(1, 2, 3)
    before = layer.weight.clone()
    Muon(layer, lr=0.1).step()
    assert torch.equal(before, layer.weight)


def test_it_fits_a_small_network() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
    image = torch.randn(4, 1, 16, 16)
    wanted = torch.roll(image, 1, dims=-1).abs()
    optimizer = Muon(network, lr=0.05, last=network[2])
    losses = []
    for _ in range(60):
        loss = (network(image) - wanted).square().mean()
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.4 * losses[0]
