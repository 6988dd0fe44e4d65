"""What the figure shows of a network is what it shows of the image."""

import numpy as np
import pytest

from napari_grd.config import SegmentConfig
from napari_grd.demo.figure import make_examples
from napari_grd.models.model import Model, ModelConfig


@pytest.mark.parametrize(("diameter", "scale"), [(10.0, 2.0), (40.0, 0.5)])
def test_embedding_and_affinities_show_the_part_that_the_image_shows(diameter: float, scale: float) -> None:
    model = Model.create(ModelConfig(object_diameter=20.0))
    image = np.zeros((290, 270), np.float32)
    labels = {"student": [np.zeros(image.shape, np.uint32)]}
    config = SegmentConfig(object_diameter=diameter, runtime="torch")
    (row,) = make_examples({"student": model}, [image], labels, inside=["student"], config=config)
    assert row["image"].picture.shape[:2] == (256, 256)
    (affinity,) = (panel for title, panel in row.items() if "affinity" in title)
    assert affinity.picture.shape == (256 * scale, 256 * scale)
