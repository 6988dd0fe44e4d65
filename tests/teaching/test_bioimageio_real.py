"""A real model of the zoo teaches on real images (set GRD_MODELS and GRD_DATA)."""

from pathlib import Path

import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.config import AssistantConfig, DistillConfig, NetworkConfig
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.io.listing import read_pairs
from napari_grd.teaching.bioimageio.teacher import BioimageioTeacher
from napari_grd.teaching.registry import as_teacher

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def package(real_models: Path) -> Path:
    return real_models / "unet2d_nuclei_broad"


@pytest.fixture(scope="module")
def teacher(package: Path) -> BioimageioTeacher:
    found = as_teacher(package)
    assert isinstance(found, BioimageioTeacher)
    return found


# The library leaves files to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_library_itself_finds_it_sound(package: Path) -> None:
    from bioimageio.core import test_model

    summary = test_model(package / "bioimageio.yaml", weight_format="onnx")
    assert summary.status == "passed", summary.format()


@pytest.mark.parametrize("weights", ["onnx", "torchscript"])
def test_the_foreground_is_its_reference(package: Path, weights: str) -> None:
    teacher = BioimageioTeacher(package, weights=weights, device="cpu")
    found = teacher.predict(np.load(package / "test_input.npy")[0])
    np.testing.assert_allclose(found.foreground, np.load(package / "test_output.npy")[0, 0], atol=1e-4)
    assert teacher.license == "MIT"


def test_it_segments_real_images(teacher: BioimageioTeacher, real_data: Path) -> None:
    pairs = read_pairs(real_data / "dsb2018_fluo", strict=True)[1:10:4]
    found, wanted = [], []
    for pair in pairs:
        assert pair.labels is not None
        found.append(teacher.predict(read_image(pair.image).pixels[None]).labels)
        wanted.append(read_label_image(pair.labels))
    assert grd.evaluate(reference=wanted, labels=found, min_size=30).ap50 > 0.5


def test_a_student_learns_from_it_without_any_label(teacher: BioimageioTeacher, real_data: Path) -> None:
    pairs = read_pairs(real_data / "dsb2018_fluo", strict=True)[1:3]
    network = NetworkConfig(widths=(2, 2, 4, 4, 4), embedding=4)
    config = DistillConfig(
        steps=3, batch=1, patch=64, network=network, assistant=AssistantConfig(network=network, steps=3)
    )
    images = [read_image(pair.image).pixels for pair in pairs]
    student = grd.distill(teacher, images, config=config, validation=0.0)
    assert grd.segment(student, images[0]).shape == images[0].shape
