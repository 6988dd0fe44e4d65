"""Learning corrections, from a shell."""

from pathlib import Path

import numpy as np

import napari_grd.api as grd
from napari_grd.corrections import Accept, Corrections, ImageRef, Region, save_corrections
from napari_grd.io.images import read_image


def corrected(dataset: Path, name: str = "0") -> Path:
    image = read_image(dataset / "images" / f"{name}.tif").pixels
    mask = read_image(dataset / "labels" / f"{name}.tif").pixels == 1
    pixel = tuple(int(at) for at in np.argwhere(mask)[0])
    made = Corrections(ImageRef.of(image), [Accept(pixel, Region.from_mask(mask))])
    return save_corrections(made, dataset / f"{name}.grd-corrections.geojson")


def test_a_tuned_model_is_written(call, model_file: Path, dataset: Path, tmp_path: Path) -> None:
    image, out = dataset / "images" / "0.tif", tmp_path / "tuned.grd.safetensors"
    arguments = ("fine-tune", model_file, image, "--corrections", corrected(dataset), "-o", out)
    quick = ("--steps", 2, "--set", "patch=32", "--set", "batch=2", "--rehearsal-share", 0)
    done = call(*arguments, *quick, "--labels", dataset / "labels" / "0.tif")
    assert done.code == 0, done.err
    assert "1 training objects" in done.out
    assert "AP50" in done.out
    assert grd.load_model(out).card.recipe["fine_tune"]["steps_taken"] == 2
    refused = call(*arguments, *quick)
    assert refused.code == 2
    assert "--force" in refused.err


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
