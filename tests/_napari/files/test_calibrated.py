"""Calibrations and layers say the same."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Labels

from napari_grd._napari.files.calibrated import is_turned, layer_calibration, layer_options
from napari_grd.io.calibration import Calibration

PLACE = Calibration.of("tyx", (30, 0.5, 0.25), (0, 1, 2), ("second", "micrometer", None))


def test_a_layer_keeps_a_calibration() -> None:
    layer = Labels(np.zeros((2, 3, 4), int), **layer_options(PLACE))
    assert layer_calibration(layer.as_layer_data_tuple()[1], 3) == PLACE


def test_units_nobody_knows_become_pixels() -> None:
    layer = Labels(np.zeros((3, 4), int), **layer_options(Calibration.of("yx", units=("furlong per", "µm"))))
    assert [str(unit) for unit in layer.units] == ["pixel", "micrometer"]


@pytest.mark.parametrize(
    ("labels", "ndim", "axes"),
    [
        ((), 2, "yx"),
        ((), 3, "zyx"),
        ((), 5, "tczyx"),
        (("-4", "-3", "-2", "-1"), 4, "tzyx"),
        (("T", "-3", "-2", "-1"), 4, "tzyx"),
        (("time", "row", "column"), 3, "tyx"),
        (("angle", "y", "x"), 3, ("angle", "y", "x")),
    ],
)
def test_axes_get_the_names_files_know(labels: tuple[str, ...], ndim: int, axes: Any) -> None:
    assert layer_calibration({"axis_labels": labels}, ndim).axes == tuple(axes)


@pytest.mark.parametrize(
    ("options", "turned"), [({}, False), ({"scale": (2, 3)}, False), ({"rotate": 5}, True), ({"shear": [1]}, True)]
)
def test_turned_layers_are_told_apart(options: dict[str, Any], turned: bool) -> None:
    assert is_turned(Labels(np.zeros((3, 4), int), **options).as_layer_data_tuple()[1]) == turned
