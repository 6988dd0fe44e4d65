"""The command segment with one image and the OME-Zarr for its labels."""

from pathlib import Path

import numpy as np
import tifffile
import zarr

from napari_grd.data.simulate import nuclei_2d

TORCH = ("--runtime", "torch", "--precision", "f32")


def image_file(folder: Path) -> Path:
    path = folder / "image.tif"
    tifffile.imwrite(path, nuclei_2d(np.random.default_rng(0), (96, 128))[0])
    return path


def test_one_image_into_a_zarr(call, tmp_path: Path) -> None:
    target = tmp_path / "labels.ome.zarr"
    done = call("segment", image_file(tmp_path), target, *TORCH)
    assert done.code == 0, done.err
    assert zarr.open_array(target / "0").shape == (96, 128)
    assert target.name in done.out
    again = call("segment", tmp_path / "image.tif", target, *TORCH)
    assert again.code == 0
    assert "is finished already" in again.err
    assert target.name in again.out
    other = call("segment", tmp_path / "image.tif", target, "--diameter", "30", *TORCH)
    assert other.code == 2
    assert "holds a finished label image of another" in other.err
    assert call("segment", tmp_path / "image.tif", target, "--force", *TORCH).code == 0


def test_options_that_do_not_apply_are_refused(call, tmp_path: Path) -> None:
    target = tmp_path / "labels.ome.zarr"
    done = call("segment", image_file(tmp_path), target, "--outlines", *TORCH)
    assert done.code == 2
    assert "--outlines does not apply" in done.err
    assert not target.exists()
    done = call("segment", tmp_path / "image.tif", "--workers", "2", *TORCH)
    assert done.code == 2
    assert "--workers, --scheduler and --level apply to one image" in done.err
