"""The schedule, the optimizers and the averaged weights."""

import pytest
import torch
from torch import nn

from napari_grd.config import OptimConfig
from napari_grd.distillation.muon import Muon
from napari_grd.distillation.optim import averaged, learning_rate, make_optimizer
from napari_grd.models.networks import build


def test_warm_up_then_cosine() -> None:
    config = OptimConfig(lr=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(0.01, abs=2e-3)


def test_one_step_is_a_schedule() -> None:
    assert learning_rate(0, 1, OptimConfig(lr=0.5)) == 0.5


def test_the_papers_adam() -> None:
    config = OptimConfig(name="adam_paper", lr=1e-4, weight_decay=1e-6)
    optimizer = make_optimizer(nn.Linear(2, 2), config)
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.defaults["eps"] == 1e-2
    assert optimizer.defaults["amsgrad"]
    assert {learning_rate(step, 100, config) for step in range(100)} == {1e-4}


def test_only_weights_are_decayed() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = make_optimizer(network, OptimConfig(weight_decay=0.1))
    assert isinstance(optimizer, torch.optim.AdamW)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {decay[id(p)] for p in network.parameters() if p.ndim > 1} == {0.1}
    assert {decay[id(p)] for p in network.parameters() if p.ndim <= 1} == {0.0}
    assert len(decay) == len(list(network.parameters()))


def test_the_average_forgets_its_start() -> None:
    network = nn.BatchNorm1d(1)
    ema = averaged(network, 0.99)
    assert isinstance(network.num_batches_tracked, torch.Tensor)
    with torch.no_grad():
        network.weight.fill_(0.0)
        ema.update_parameters(network)
        network.weight.fill_(1.0)
        network.num_batches_tracked.fill_(30)
        for _ in range(30):
            ema.update_parameters(network)
    # With a fixed decay of 0.99 the average would still be at 0.26.
    assert float(ema.module.weight.detach()) > 0.95
    assert int(ema.module.num_batches_tracked) == 30


def test_muon_leaves_the_last_layer_to_adam() -> None:
    network = build("resunet", in_channels=1, widths=(2, 2, 2, 2, 2))
    optimizer = make_optimizer(network, OptimConfig(name="muon", lr=0.01))
    assert isinstance(optimizer, Muon)
    adam = {id(p) for group in optimizer.param_groups if group["adam"] for p in group["params"]}
    assert id(network.head.weight) in adam
    assert id(network.stem.main[0].weight) not in adam
    assert {learning_rate(99, 100, OptimConfig(name="muon", lr=1.0))} != {1.0}
