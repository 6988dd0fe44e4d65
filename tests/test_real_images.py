"""The built-in student and the whole path on real images (set GRD_DATA)."""

from pathlib import Path

import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.inference.rescale import grid_shape, nearest, rescale_image
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.io.listing import read_pairs

pytestmark = pytest.mark.real


# Well under what docs/benchmarks.md reports: this guards the path, not the third decimal.
@pytest.mark.parametrize(("name", "min_size", "ap50"), [("bbbc039_nuclei", 60, 0.75), ("dsb2018_fluo", 30, 0.55)])
def test_the_builtin_student_on_validation_images(real_data: Path, name: str, min_size: int, ap50: float) -> None:
    pairs = read_pairs(real_data / name, strict=True)[::10]
    model = grd.load_model("nuclei")
    found = [grd.segment(model, read_image(pair.image).pixels) for pair in pairs]
    references = [read_label_image(pair.labels) for pair in pairs if pair.labels is not None]
    assert grd.evaluate(reference=references, labels=found, min_size=min_size).ap50 > ap50


@pytest.mark.parametrize("factor", [0.5, 2])
def test_the_builtin_student_at_other_magnifications(real_data: Path, factor: float) -> None:
    model = grd.load_model("nuclei")
    found, references = [], []
    for pair in read_pairs(real_data / "bbbc039_nuclei", strict=True)[::25]:
        assert pair.labels is not None
        image, labels = read_image(pair.image).pixels, read_label_image(pair.labels)
        shape = grid_shape(labels.shape, factor)
        found.append(grd.segment(model, rescale_image(image[None].astype(np.float32), shape)[0]))
        references.append(nearest(labels, shape))
    assert grd.evaluate(reference=references, labels=found, min_size=round(60 * factor**2)).ap50 > 0.75


def test_bf16_finds_what_f32_finds(real_data: Path) -> None:
    model = grd.load_model("nuclei")
    scores = {}
    pairs = read_pairs(real_data / "dsb2018_fluo", strict=True)[::30]
    references = [read_label_image(pair.labels) for pair in pairs if pair.labels is not None]
    for precision in ("f32", "bf16"):
        config = grd.SegmentConfig(precision=precision)
        found = [grd.segment(model, read_image(pair.image).pixels, config) for pair in pairs]
        scores[precision] = grd.evaluate(reference=references, labels=found, min_size=30).ap50
    assert abs(scores["bf16"] - scores["f32"]) <= 0.02  # few images; docs/benchmarks.md has them all


def test_distilling_on_real_images(real_data: Path, tmp_path: Path) -> None:
    pairs = read_pairs(real_data / "dsb2018_fluo", strict=True)[:6]
    config = grd.DistillConfig(steps=5, batch=2, patch=128, device="cpu")
    student = grd.distill("nuclei", [read_image(pair.image).pixels for pair in pairs], config=config, out_dir=tmp_path)
    labels = grd.segment(student, read_image(pairs[0].image).pixels)
    assert labels.shape == read_image(pairs[0].image).pixels.shape
    assert np.issubdtype(labels.dtype, np.unsignedinteger)
