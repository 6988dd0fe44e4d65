"""A tiny model with everything a model can carry."""

import pytest
import torch

from napari_grd.config import NetworkConfig
from napari_grd.inference.int8_calibration import calibrate_int8
from napari_grd.models.model import Model, ModelCard, ModelConfig


@pytest.fixture(scope="session")
def model() -> Model:
    torch.manual_seed(0)
    config = ModelConfig(network=NetworkConfig(widths=(2, 4, 8, 8, 8), embedding=4), object_diameter=20)
    card = ModelCard(
        name="tiny µ", summary="Random weights.", scores={"ap50": 0.5}, restrictions="Not for sale.", trained_on=("it",)
    )
    model = Model.create(config, card)
    for layer in model.network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    model.network.train()(torch.rand(2, 1, 128, 128))
    model.network.eval()
    model = Model(model.network, config, model.card, pca=torch.randn(4, 4))
    # Squares, as pure noise would be shown with next to no contrast.
    squares = (torch.rand(3, 15, 16) > 0.5).float().repeat_interleave(10, 1).repeat_interleave(10, 2)
    return calibrate_int8(model, (squares * torch.rand(3, 150, 160)).numpy(), axes="zyx")
