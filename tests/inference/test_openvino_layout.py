"""Channels last: the short way and the plain way give the same numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_grd.inference.openvino_graph import convert, core
from napari_grd.inference.openvino_layout import channels_last
from napari_grd.models.fast3d import voxel_shuffle
from napari_grd.models.model import Model, ModelConfig


class Subpixel(nn.Module):
    def __init__(self, kernel=1, bias=(5, 1, 1), factor=2):
        super().__init__()
        self.head = nn.Conv2d(6, 5 * factor**2, kernel, padding=kernel // 2, bias=False)
        self.bias = nn.Parameter(torch.randn(bias))
        self.factor = factor

    def forward(self, x):
        return nn.functional.pixel_shuffle(self.head(x), self.factor) + self.bias


class Unordered(Subpixel):
    """Squares whose pixels are transposed."""

    def forward(self, x):
        batch, channels, height, width = self.head(x).shape
        parts = self.head(x).reshape(batch, channels // 4, 2, 2, height, width).permute(0, 1, 4, 3, 5, 2)
        return parts.reshape(batch, channels // 4, 2 * height, 2 * width) + self.bias


class Voxels(Subpixel):
    def __init__(self, cell, kernel=1, bias=(5, 1, 1, 1)):
        super().__init__()
        self.head = nn.Conv3d(6, 5 * cell[0] * cell[1] * cell[2], kernel, padding=kernel // 2, bias=False)
        self.bias = nn.Parameter(torch.randn(bias))
        self.cell = cell

    def forward(self, x):
        return voxel_shuffle(self.head(x), self.cell) + self.bias


LAST = {
    "pointwise": (nn.Conv2d(6, 5, 1), True),
    "without bias": (nn.Conv2d(6, 5, 1, bias=False), False),
    "wide": (nn.Conv2d(6, 5, 3, padding=1), False),
    "padded": (nn.Conv2d(6, 5, 1, padding=1), False),
    "not a convolution": (nn.ReLU(), False),
    "sub-pixel": (Subpixel(), True),
    "sub-pixel, wide": (Subpixel(kernel=3), False),
    "sub-pixel, one bias": (Subpixel(bias=(1, 1, 1)), False),
    "sub-pixel, by 4": (Subpixel(factor=4), True),
    "sub-pixel, other order": (Unordered(), False),
    "sub-pixel, no bias": (nn.Sequential(nn.Conv2d(6, 20, 1), nn.PixelShuffle(2)), False),
}


LAST_3D = {
    "pointwise": (nn.Conv3d(6, 5, 1), True),
    "wide": (nn.Conv3d(6, 5, 3, padding=1), False),
    "cells of 8": (Voxels((2, 2, 2)), True),
    "cells of a section": (Voxels((1, 2, 2)), True),
    "long cells": (Voxels((3, 1, 2)), True),
    "cells, wide": (Voxels((2, 2, 2), kernel=3), False),
    "cells, one bias": (Voxels((2, 2, 2), bias=(1, 1, 1, 1)), False),
}


@pytest.mark.parametrize(("last", "short"), LAST_3D.values(), ids=LAST_3D)
def test_numbers_are_the_networks_in_3d(last, short):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 6, 3, padding=1), last).eval()
    graph = channels_last(convert(network, Model.create(ModelConfig(ndim=3, network={"name": "subpixel_unet3d"}))))
    assert ("MatMul" in {op.get_type_name() for op in graph.get_ops()}) is short
    compiled = core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for shape in ((1, 1, 8, 24, 16), (1, 1, 1, 5, 7)):
        image = torch.rand(shape)
        with torch.no_grad():
            expected = network(image).movedim(1, -1).numpy()
        np.testing.assert_allclose(compiled(image.numpy())[0], expected, rtol=0, atol=1e-5)


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
