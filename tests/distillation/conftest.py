"""Small synthetic trainings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.data.simulate import nuclei_2d

Images = tuple[list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]


@pytest.fixture(scope="session")
def nuclei() -> Images:
    """Five synthetic images of 96x96 with their labels."""
    pairs = [nuclei_2d(np.random.default_rng(seed), (96, 96)) for seed in range(5)]
    return [image for image, _ in pairs], [labels for _, labels in pairs]


@pytest.fixture
def small() -> Callable[..., DistillConfig]:
    """A recipe that takes a second; changes by keyword."""

    def make(**changes: Any) -> DistillConfig:
        config = DistillConfig(
            network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8),
            steps=6,
            batch=2,
            patch=48,
            validate_every=100,
            device="cpu",
        )
        return config.replace(**changes)

    return make
