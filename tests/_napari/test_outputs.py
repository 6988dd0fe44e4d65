"""Outputs lie where their input lies."""

import json

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_grd._napari.outputs import output_options, provenance, view_settings
from napari_grd.config import SegmentConfig
from napari_grd.models.model import Model, ModelCard, ModelConfig

UM = ("um", "um", "um")


def test_scale_units_names_and_maker_are_passed_on() -> None:
    layer = Image(np.zeros((3, 8, 9)), scale=(2, 0.5, 0.5), translate=(1, 2, 3), units=UM, axis_labels=("z", "y", "x"))
    made = provenance(Model.create(ModelConfig(), ModelCard(name="mine")), SegmentConfig(tile=512))
    found = Labels(np.zeros((3, 8, 9), np.uint32), **output_options(layer, made_by=made))
    assert tuple(found.scale) == (2, 0.5, 0.5)
    assert tuple(found.translate) == (1, 2, 3)
    assert found.units == layer.units
    assert found.axis_labels == ("z", "y", "x")
    assert found.metadata["napari_grd"]["model"]["name"] == "mine"
    assert found.metadata["napari_grd"]["config"]["tile"] == 512
    json.dumps(found.metadata)


def test_kept_and_new_axes() -> None:
    layer = Image(np.zeros((3, 8, 9)), scale=(2, 0.5, 0.25), units=("s", "um", "um"), axis_labels=("t", "y", "x"))
    found = Image(np.zeros((10, 8, 9)), **output_options(layer, axes=(1, 2), new_axes=("offset",)))
    assert tuple(found.scale) == (1, 0.5, 0.25)
    assert found.axis_labels == ("offset", "y", "x")
    assert [str(unit) for unit in found.units] == ["pixel", "micrometer", "micrometer"]


def test_unnamed_axes_stay_unnamed() -> None:
    assert output_options(Image(np.zeros((3, 8, 9))), axes=(1, 2))["axis_labels"] == ("-2", "-1")


@pytest.mark.parametrize("rotate", [0, 30])
def test_a_coarse_level_and_a_region_lie_where_their_pixels_are(rotate: float) -> None:
    layer = Image(
        np.zeros((40, 60)), scale=(0.5, 2), translate=(3, 4), rotate=rotate, affine=[[1, 0, 5], [0, 2, 0], [0, 0, 1]]
    )
    options = output_options(layer, factors=(4, 4), start=(8, 12))
    coarse = Labels(np.zeros((5, 6), np.uint32), **options)
    # Pixel (1, 2) of the coarse layer covers rows 12..15 and columns 20..23 of the fine one.
    assert np.allclose(coarse.data_to_world((1, 2)), layer.data_to_world((13.5, 21.5)))


@pytest.mark.parametrize(
    ("made_by", "expected"),
    [
        ({}, SegmentConfig()),
        ({"config": "nonsense"}, SegmentConfig()),
        ({"config": {}}, SegmentConfig(object_diameter=None)),
        ({"config": {"object_diameter": "auto", "invert": True}}, SegmentConfig(invert=True)),
        ({"config": {"object_diameter": -3, "tile": 512}}, SegmentConfig(object_diameter=None)),
        (
            provenance(config=SegmentConfig(object_diameter=40, intensity_range=((0, 9),), threads=3)),
            SegmentConfig(object_diameter=40, intensity_range=((0, 9),)),
        ),
        (provenance(config=SegmentConfig(pixel_size=0.5)), SegmentConfig(pixel_size=0.5)),
    ],
)
def test_labels_say_how_the_image_was_shown_to_the_model(made_by: dict, expected: SegmentConfig) -> None:
    assert view_settings(json.loads(json.dumps(made_by))) == expected
