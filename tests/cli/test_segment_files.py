"""Files as people have them: what is segmented, where it goes, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_grd.data.simulate import nuclei_2d
from napari_grd.hub import builtin_paths, load_model
from napari_grd.io import images
from napari_grd.io.images import read_image
from napari_grd.io.model_file import save_model
from napari_grd.io.ome_zarr import read_ome_zarr

FAST = ("--runtime", "torch", "--precision", "f32", "--threads", "1")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(nuclei_2d(np.random.default_rng(3), (96, 120))[0], np.uint16)


@pytest.fixture
def segment(call, tmp_path: Path):
    """Runs the verb with the output in ``out``."""

    def run(*arguments: object, model: object = "nuclei"):
        return call("segment", *arguments, "--model", model, "--out", tmp_path / "out", *FAST)

    return run


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def objects(path: Path) -> int:
    return len(np.unique(read_image(path).pixels)) - 1


def test_bad_files_are_named_and_the_others_done(segment, picture, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "cut"):
        tifffile.imwrite(folder / f"{name}.tif", picture)
    (folder / "cut.tif").write_bytes((folder / "a.tif").read_bytes()[:7000])
    (folder / "empty.tif").write_bytes(b"")
    (folder / "Thumbs.db").write_bytes(bytes(64))
    (folder / "notes.txt").write_text("x")
    np.save(folder / "a_seg.npy", {"masks": picture}, allow_pickle=True)
    Image.fromarray(picture).save(folder / "a_cp_masks.png")
    done = segment(folder)
    assert done.code == 1
    assert "cut.tif" in done.err
    assert "empty.tif" in done.err
    assert "2 segmented, 2 failed, 0 skipped" in done.err
    assert "Traceback" not in done.err
    assert written(tmp_path / "out") == ["a.tif", "b.tif"]
    swept_up = segment(*sorted(folder.iterdir()), "--skip-existing")
    assert swept_up.code == 1
    assert "notes.txt" in swept_up.err
    assert "0 segmented, 4 failed, 2 skipped" in swept_up.err
    assert written(tmp_path / "out") == ["a.tif", "b.tif"]


def test_results_in_the_input_folder_are_no_images(call, picture, tmp_path: Path) -> None:
    for name in ("w0", "w1"):
        tifffile.imwrite(tmp_path / f"{name}.tif", picture)
    for out, flags in (("labels", ()), ("results", ("--recursive",))):
        given = ("segment", tmp_path, "--out", tmp_path / out, *flags, *FAST)
        assert call(*given).code == 0
        assert call(*given).code == 2
        again = call(*given, "--skip-existing")
        assert again.code == 0
        assert "0 segmented, 0 failed, 2 skipped" in again.err
        assert written(tmp_path / out) == ["w0.tif", "w1.tif"]


def test_subfolders_are_mirrored_and_patterns_hold(segment, picture, tmp_path: Path) -> None:
    for plate in ("p1", "p2"):
        (tmp_path / "in" / plate).mkdir(parents=True)
        for name in ("A01_ch0", "A01_ch1"):
            tifffile.imwrite(tmp_path / "in" / plate / f"{name}.tif", picture)
    refused = segment(tmp_path / "in")
    assert refused.code == 2
    assert "recursive" in refused.err
    assert segment(tmp_path / "in", "--recursive", "--pattern", "*_ch1.tif").code == 0
    assert written(tmp_path / "out") == ["p1/A01_ch1.tif", "p2/A01_ch1.tif"]
    assert segment(tmp_path / "in" / "p1", tmp_path / "in" / "p2", "--pattern", "*ch0*").code == 0
    assert len(written(tmp_path / "out")) == 4


def test_a_pattern_that_no_shell_has_resolved_is(segment, picture, tmp_path: Path) -> None:
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", picture)
    assert segment(tmp_path / "*.tif").code == 0
    assert written(tmp_path / "out") == ["a.tif", "b.tif"]
    missing = segment(tmp_path / "*.png")
    assert missing.code == 1
    assert "*.png" in missing.err


def test_hyperstacks_keep_their_axes_and_sizes(segment, picture, tmp_path: Path) -> None:
    stack = np.broadcast_to(picture, (2, 3, 2, *picture.shape)).copy()
    stack[:, :, 0] = np.random.default_rng(0).normal(300, 10, picture.shape)
    resolution = (1 / 0.325, 1 / 0.325)
    said = {"axes": "TZCYX", "spacing": 2.0, "unit": "um", "finterval": 60.0}
    tifffile.imwrite(tmp_path / "h.tif", stack, imagej=True, metadata=said, resolution=resolution)
    done = segment(tmp_path / "h.tif", "--outlines")
    assert done.code == 0, done.err
    assert "of its 2 channels 1" in done.err
    labels = read_image(tmp_path / "out" / "h.tif")
    assert (labels.axes, labels.shape) == ("tzyx", (2, 3, 96, 120))
    np.testing.assert_allclose(labels.calibration.scale, (60, 2, 0.325, 0.325))
    for plane in labels.pixels.reshape(-1, 96, 120):  # nothing moves, so each object has one number
        np.testing.assert_array_equal(plane, labels.pixels[0, 0])
    assert tifffile.imread(tmp_path / "out" / "h-outlines.tif").shape == (6, 96, 120, 3)
    tifffile.imwrite(tmp_path / "plain.npy.tif", stack[:, 0, 1])
    assert segment(tmp_path / "plain.npy.tif", "--axes", "tyx", "--no-link").code == 0
    apart = read_image(tmp_path / "out" / "plain.npy.tif")
    assert apart.axes == "tyx"
    assert not set(np.unique(apart.pixels[0])) & set(np.unique(apart.pixels[1])) - {0}


def test_three_planes_are_no_colors(segment, picture, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "z3.tif", np.stack([picture] * 3), imagej=True, metadata={"axes": "ZYX"})
    done = segment(tmp_path / "z3.tif", model="tissue")
    assert done.code == 0, done.err
    assert "gray" in done.err
    labels = read_image(tmp_path / "out" / "z3.tif")
    assert labels.axes == "zyx"


def test_every_series_gets_a_file_unless_one_is_named(segment, picture, tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "positions.ome.tif", ome=True) as file:
        for name in ("left", "right"):
            file.write(picture, metadata={"axes": "YX", "Name": name, "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"})
    assert segment(tmp_path / "positions.ome.tif", "--series", "right").code == 0
    assert written(tmp_path / "out") == ["positions_right.tif"]
    assert segment(tmp_path / "positions.ome.tif", "--skip-existing").code == 0
    assert written(tmp_path / "out") == ["positions_left.tif", "positions_right.tif"]
    assert read_image(tmp_path / "out" / "positions_left.tif").calibration.scale == (0.5, 0.5)
    unknown = segment(tmp_path / "positions.ome.tif", "--series", "middle", "--force")
    assert unknown.code == 1
    assert "left" in unknown.err


def test_channels_inversion_and_range(segment, picture, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(300, 10, picture.shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "c.tif", np.stack([noise, picture]), imagej=True, metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "plain.tif", picture)
    tifffile.imwrite(tmp_path / "dark.tif", (picture.max() - picture).astype(np.uint16))
    assert segment(tmp_path / "plain.tif").code == 0
    assert segment(tmp_path / "c.tif", "--channel", "1").code == 0
    assert segment(tmp_path / "dark.tif", "--invert").code == 0
    found = {name: read_image(tmp_path / "out" / f"{name}.tif").pixels for name in ("plain", "c", "dark")}
    assert found["plain"].max() > 3
    np.testing.assert_array_equal(found["c"], found["plain"])
    np.testing.assert_array_equal(found["dark"] > 0, found["plain"] > 0)
    assert segment(tmp_path / "plain.tif", "--range", "0,60000", "--force").code == 0
    assert read_image(tmp_path / "out" / "plain.tif").pixels.max() < found["plain"].max()
    wrong = segment(tmp_path / "c.tif", tmp_path / "plain.tif", "--channel", "GFP", "--force")
    assert wrong.code == 1
    assert "GFP" in wrong.err
    for value in ("5", "9,1", "a,b"):
        assert segment(tmp_path / "plain.tif", "--range", value, "--force").code == 2


def test_an_ome_zarr_becomes_a_tiff_or_an_ome_zarr(segment, picture, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="w", zarr_format=3)
    group.create_array("0", data=np.stack([picture] * 2))
    axes = [{"name": "t", "type": "time", "unit": "second"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    steps = [{"type": "scale", "scale": [30.0, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    assert segment(tmp_path / "a.ome.zarr").code == 0
    assert segment(tmp_path / "a.ome.zarr", "--format", "ome-zarr").code == 0
    flat = read_image(tmp_path / "out" / "a.tif")
    assert flat.axes == "tyx"
    assert flat.calibration.scale == (30, 0.5, 0.5)
    [label] = read_ome_zarr(tmp_path / "out" / "a.ome.zarr")
    np.testing.assert_array_equal(np.asarray(label.levels[0]), flat.pixels)
    assert segment(tmp_path / "a.ome.zarr", "--format", "zip").code == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 5), (3, 1)])
@pytest.mark.parametrize("value", [0, 255])
def test_tiny_and_constant_images_have_labels_of_their_shape(segment, shape, value, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a b.tif", np.full(shape, value, np.uint8))
    assert segment(tmp_path / "a b.tif").code == 0
    assert read_image(tmp_path / "out" / "a b.tif").shape == shape


def test_wrong_usage_ends_before_anything_is_done(segment, picture, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture)
    assert segment(tmp_path / "a.tif", "--device", "warp").code == 2
    assert segment(tmp_path / "a.tif", model="nothing").code == 2
    assert not (tmp_path / "out").exists()


def test_what_was_done_before_a_stop_is_kept_and_told(segment, picture, tmp_path: Path, monkeypatch) -> None:
    for name in ("a", "b", "c"):
        tifffile.imwrite(tmp_path / f"{name}.tif", picture)
    read = images.read_image

    def stop_at_b(path: Path, **options: object) -> object:
        if path.stem == "b":
            os.kill(os.getpid(), signal.SIGINT)
        return read(path, **options)

    monkeypatch.setattr(images, "read_image", stop_at_b)
    done = segment(tmp_path)
    assert done.code == 130
    assert "--skip-existing" in done.err
    assert written(tmp_path / "out") == ["a.tif"]
    assert "a.tif" in done.out


def test_a_console_that_cannot_write_a_name_ends_well(picture, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "β-細胞.tif", picture)
    env = {**os.environ, "PYTHONIOENCODING": "cp1252", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-c",
        "from napari_grd.cli.app import main; main()",
        "segment",
        str(tmp_path / "β-細胞.tif"),
    ]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out"), *FAST], env=env, capture_output=True, text=True, encoding="cp1252"
    )
    assert done.returncode == 0, done.stderr
    assert "wrote" in done.stdout
    assert objects(tmp_path / "out" / "β-細胞.tif") > 3


def test_the_pixel_size_of_the_file_is_that_of_the_training_images_or_the_image_is_rescaled(
    segment, picture, tmp_path: Path
) -> None:
    nuclei = load_model(builtin_paths()["nuclei"])
    known = nuclei.config.replace(pixel_size=1.0)
    model = save_model(replace(nuclei, config=known), tmp_path / "model")
    for name, size in (("same", 1.0), ("finer", 0.5)):
        tifffile.imwrite(
            tmp_path / f"{name}.tif", picture, imagej=True, resolution=(1 / size, 1 / size), metadata={"unit": "um"}
        )
        done = segment(tmp_path / f"{name}.tif", model=model)
        assert done.code == 0
        assert ("0.5 µm wide" in done.err) == (name == "finer")
        with tifffile.TiffFile(tmp_path / "out" / f"{name}.tif") as file:
            made = json.loads(file.imagej_metadata["Info"])
        assert made["config"]["pixel_size"] == size
