"""Channels last: the short way and the plain way give the same numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_grd.inference.openvino_graph import convert, core
from napari_grd.inference.openvino_layout import channels_last
from napari_grd.models import Model, ModelConfig

LAST = {
    "pointwise": (nn.Conv2d(6, 5, 1), True),
    "without bias": (nn.Conv2d(6, 5, 1, bias=False), False),
    "wide": (nn.Conv2d(6, 5, 3, padding=1), False),
    "padded": (nn.Conv2d(6, 5, 1, padding=1), False),
    "not a convolution": (nn.ReLU(), False),
}


@pytest.mark.parametrize(("last", "short"), LAST.values(), ids=LAST)
def test_numbers_are_the_networks(last, short):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), last).eval()
    graph = channels_last(convert(network, Model.create(ModelConfig())))
    assert ("MatMul" in {op.get_type_name() for op in graph.get_ops()}) is short
    compiled = core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for shape in ((1, 1, 64, 32), (1, 1, 16, 48)):
        image = torch.rand(shape)
        with torch.no_grad():
            expected = network(image).movedim(1, -1).numpy()
        np.testing.assert_allclose(compiled(image.numpy())[0], expected, rtol=0, atol=1e-5)
