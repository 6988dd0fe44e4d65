"""Synthetic sample images, with their ground truth as a hidden layer.

They are drawn from fixed seeds, so they are always the same.
"""

from typing import Any

import numpy as np

from napari_grd._napari.files.calibrated import LayerData, layer_options
from napari_grd.data import simulate
from napari_grd.data.simulate_timelapse import nuclei_timelapse
from napari_grd.io.calibration import Calibration

_PIXEL = 0.325  # micrometers: a 20x objective with a common camera
_SECONDS = 300.0
_LENGTH = "micrometer"


def nuclei_2d() -> list[LayerData]:
    """Fluorescent nuclei, some of them touching."""
    drawn = simulate.nuclei_2d(np.random.default_rng(7), (512, 512))
    return _layers("Nuclei", drawn, Calibration.of("yx", (_PIXEL,) * 2, units=(_LENGTH,) * 2))


def cells_2d() -> list[LayerData]:
    """A dense sheet of cells with a membrane stain."""
    drawn = simulate.cells_2d(np.random.default_rng(7), (512, 512), border="bright")
    return _layers("Dense cells", drawn, Calibration.of("yx", (_PIXEL,) * 2, units=(_LENGTH,) * 2))


def nuclei_3d() -> list[LayerData]:
    """Fluorescent nuclei in a volume; the z spacing is twice the pixel size."""
    drawn = simulate.nuclei_3d(np.random.default_rng(7), (32, 160, 160))
    calibration = Calibration.of("zyx", (2 * _PIXEL, _PIXEL, _PIXEL), units=(_LENGTH,) * 3)
    return _layers("Nuclei 3D", drawn, calibration)


def timelapse() -> list[LayerData]:
    """Moving and dividing nuclei, one frame every five minutes."""
    drawn = nuclei_timelapse(np.random.default_rng(7), (20, 256, 256))
    calibration = Calibration.of("tyx", (_SECONDS, _PIXEL, _PIXEL), units=("second", _LENGTH, _LENGTH))
    return _layers("Dividing nuclei", drawn, calibration)


def _layers(name: str, drawn: tuple[Any, Any], calibration: Calibration) -> list[LayerData]:
    image, labels = drawn
    options = layer_options(calibration)
    return [
        (image, options | {"name": name}, "image"),
        (labels, options | {"name": f"{name}, ground truth", "visible": False}, "labels"),
    ]
