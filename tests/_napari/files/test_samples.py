"""Each sample is an image with a place in the world, and its hidden ground truth."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_grd._napari.files import samples


@pytest.mark.parametrize(
    ("draw", "axes", "units"),
    [
        (samples.nuclei_2d, ("y", "x"), ["micrometer"] * 2),
        (samples.cells_2d, ("y", "x"), ["micrometer"] * 2),
        (samples.nuclei_3d, ("z", "y", "x"), ["micrometer"] * 3),
        (samples.timelapse, ("t", "y", "x"), ["second", "micrometer", "micrometer"]),
    ],
)
def test_a_sample(draw: Callable[[], Any], axes: tuple[str, ...], units: list[str]) -> None:
    (data, options, kind), (truth, truth_options, truth_kind) = draw()
    assert (kind, truth_kind) == ("image", "labels")
    image, labels = Image(data, **options), Labels(truth, **truth_options)
    assert image.axis_labels == labels.axis_labels == axes
    assert [str(unit) for unit in image.units] == units
    assert tuple(image.scale) == tuple(labels.scale)
    assert image.visible
    assert not labels.visible
    assert data.shape == truth.shape
    assert truth.max() > 10
    np.testing.assert_array_equal(data, draw()[0][0])
