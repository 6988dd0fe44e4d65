from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from napari_grd.config import PartitionConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.hub import builtin_paths, load_model


@dataclass
class ArraySource:
    """A pyramid of (C, *planes, H, W) arrays as a PlaneSource."""

    pyramid: list[Any]
    key: Any = "array"
    reads: list[Any] = field(default_factory=list)

    @property
    def levels(self):
        return len(self.pyramid)

    @property
    def plane_shape(self):
        return self.pyramid[0].shape[1:-2]

    def shape(self, level):
        return self.pyramid[level].shape[-2:]

    def downsample(self, level):
        return self.pyramid[0].shape[-1] / self.pyramid[level].shape[-1]

    def read(self, level, plane, region):
        self.reads.append((level, plane, region))
        return np.asarray(self.pyramid[level][(slice(None), *plane, *region)])


class CountingRuntime:
    """Answers with an embedding that tells intensities apart, and counts calls and pixels."""

    name, precision = "counting", "f32"

    def __init__(self):
        self.calls = []
        self.channels = 16

    def prepared(self, model, *_):
        self.channels = model.embedding_channels
        return self

    def __call__(self, image, take):
        self.calls.append(image.shape[1:])
        output = np.zeros((*image.shape[1:], self.channels + 1), np.float32)
        output[..., 0], output[..., 1] = np.cos(image[0]), np.sin(image[0])
        output[..., -1] = 20 * (image[0] - 0.3)
        return take(output)


@pytest.fixture(scope="session")
def nuclei():
    return load_model(builtin_paths()["nuclei"])


@pytest.fixture(scope="session")
def picture():
    return nuclei_2d(np.random.default_rng(0), (400, 600))[0]


@pytest.fixture
def counting(monkeypatch):
    runtime = CountingRuntime()
    monkeypatch.setattr("napari_grd.live.segmenter.runtime_for", runtime.prepared)
    return runtime


@pytest.fixture(scope="session")
def split():
    return PartitionConfig(bias=-0.2)
