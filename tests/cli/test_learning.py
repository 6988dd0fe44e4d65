"""Learning corrections, from a shell."""

from pathlib import Path

import pytest

import napari_grd.api as grd
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Draw, Erase
from napari_grd.corrections.region import Region
from napari_grd.finetuning import choice, learning
from napari_grd.io.images import read_image


def corrected(dataset: Path, name: str = "0", numbers: tuple[int, ...] = (1, 2, 3)) -> Path:
    image = read_image(dataset / "images" / f"{name}.tif").pixels
    labels = read_image(dataset / "labels" / f"{name}.tif").pixels
    made = Corrections(ImageRef.of(image), [Draw(Region.from_mask(labels == number)) for number in numbers])
    return save_corrections(made, dataset / f"{name}.grd-corrections.geojson")


QUICK = ("--steps", 8, "--set", "patch=32", "--set", "batch=2")


def test_a_tuned_model_is_written(call, model_file: Path, dataset: Path, tmp_path: Path) -> None:
    image, out = dataset / "images" / "0.tif", tmp_path / "tuned.grd.safetensors"
    arguments = ("fine-tune", model_file, image, "--corrections", corrected(dataset), "-o", out)
    done = call(*arguments, *QUICK, "--labels", dataset / "labels" / "0.tif")
    assert done.code == 0, done.err
    assert "On 3 corrected objects" in done.out
    assert "AP50" in done.out
    assert grd.load_model(out).config.in_channels == 1
    refused = call(*arguments, *QUICK)
    assert refused.code == 2
    assert "--force" in refused.err


def test_the_start_can_be_chosen_by_the_corrections(call, dataset: Path, tmp_path: Path) -> None:
    image, out = dataset / "images" / "0.tif", tmp_path / "tuned.grd.safetensors"
    labels = dataset / "labels" / "0.tif"
    made = corrected(dataset)
    done = call("fine-tune", "auto", image, "--corrections", made, "-o", out, *QUICK, "--labels", labels)
    assert done.code == 0, done.err
    assert "Learning starts from" in done.out + done.err
    assert grd.load_model(out).card.kind == "student"


def test_labels_that_contradict_the_corrections_are_refused(
    call, model_file: Path, dataset: Path, tmp_path: Path
) -> None:
    image, labels = dataset / "images" / "0.tif", dataset / "labels" / "0.tif"
    mask = read_image(labels).pixels == 1
    made = Corrections(ImageRef.of(read_image(image).pixels), [Erase(Region.from_mask(mask))])
    path = save_corrections(made, tmp_path / "erased.geojson")
    out = tmp_path / "tuned.grd.safetensors"
    done = call("fine-tune", model_file, image, "--corrections", path, "--labels", labels, "-o", out)
    assert done.code == 2
    assert "contradict" in done.err
    assert not out.exists()


def test_mistakes_are_one_line(call, model_file: Path, dataset: Path, tmp_path: Path) -> None:
    images = [dataset / "images" / f"{name}.tif" for name in (0, 1)]
    made, out = corrected(dataset), tmp_path / "tuned.grd.safetensors"
    done = call("fine-tune", model_file, *images, "--corrections", made, "-o", out)
    assert done.code == 2
    assert "2 images" in done.err
    done = call("fine-tune", model_file, images[1], "--corrections", made, "-o", out)
    assert done.code == 2
    assert "corrections are of" in done.err
    assert not out.exists()


@pytest.mark.filterwarnings("ignore::napari_grd.errors.GrdWarning")
def test_a_teacher_is_taught_and_a_student_distilled(
    call, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (choice, learning):
        monkeypatch.setattr(module, "is_gain", lambda before, after: True)
    image, out = dataset / "images" / "0.tif", tmp_path / "taught"
    arguments = ("teach", "nuclei", image, "--corrections", corrected(dataset), "-o", out, "--patch", 64)
    quick = ("--widths", "2,4,4,4,4", "--others", dataset / "images")
    steps = (
        "--set",
        "fine_tune.steps=8",
        "--set",
        "fine_tune.patch=32",
        "--set",
        "distill.steps=2",
        "--set",
        "distill.minutes=null",
    )
    done = call(*arguments, *quick, *steps, "--labels", dataset / "labels" / "0.tif")
    assert done.code == 0, done.err
    assert "On 3 corrected objects" in done.out
    assert grd.load_model(out / "student.grd.safetensors").card.teacher == "nuclei-tuned"
    assert (out / "teacher.grd.safetensors").is_file()
    refused = call(*arguments)
    assert refused.code == 2
    assert "--force" in refused.err
