"""A small network that answers to what it sees, without training."""

import pytest
import torch

from napari_grd.models.model import Model, ModelConfig


@pytest.fixture(scope="session")
def model() -> Model:
    """ResUNet-tiny with random weights and fitted batch norms, so that its output varies like a trained one's."""
    torch.manual_seed(0)
    model = Model.create(ModelConfig(object_diameter=20, pixel_size=0.5))
    for layer in model.network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    model.network.train()(torch.rand(2, 1, 128, 128))
    model.network.eval()
    return model
