"""A folder to train on: stacks become planes, odd labels are understood, messages name the file."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_grd.errors import DataError, LabelError
from napari_grd.io.folders import ImageFolder, iter_read
from napari_grd.jobs import Notice, drain

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 200, (20, 30), dtype=np.uint8)
LABELS = np.zeros((20, 30), np.uint16)
LABELS[2:8, 2:8], LABELS[10:15, 10:20] = 1, 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    return tmp_path


def read(folder: Path, axes: str | None = None, ndim: int = 2) -> tuple[ImageFolder, list[str]]:
    notes: list[str] = []
    found = drain(
        iter_read(folder, axes, ndim=ndim),
        lambda event: notes.append(event.message) if isinstance(event, Notice) else None,
        warn=False,
    )
    return found, notes


def stack(folder: Path, name: str, planes: np.ndarray, axes: str) -> None:
    tifffile.imwrite(folder / f"{name}.tif", planes, imagej=True, metadata={"axes": axes})


@pytest.mark.parametrize("axes", ["ZYX", "TYX"])
def test_stacks_become_planes_with_their_labels(folder: Path, axes: str) -> None:
    for name in "ab":
        stack(folder / "images", name, np.stack([PLANE, PLANE[::-1], 0 * PLANE]), axes)
        stack(folder / "labels", name, np.stack([LABELS, LABELS[::-1], 0 * LABELS]), axes)
    found, notes = read(folder)
    letter = axes[0].lower()
    assert found.names == [f"{name}_{letter}00{at}" for name in "ab" for at in range(2)], "nothing is in the last plane"
    assert (found.axes, found.sources, notes) == ("yx", ["a", "a", "b", "b"], [])
    np.testing.assert_array_equal(found.images[1], PLANE[::-1])
    np.testing.assert_array_equal(found.labels[1], LABELS[::-1])
    training, held = found.hold_out(0.2)
    assert (set(training.sources), set(held.sources)) == ({"b"}, {"a"}), "planes of one stack are no strangers"


def test_of_a_single_stack_the_last_planes_are_held_out(folder: Path) -> None:
    stack(folder / "images", "a", np.stack([PLANE] * 10), "ZYX")
    training, held = read(folder)[0].hold_out(0.2)
    assert held.names == ["a_z008", "a_z009"]
    assert len(training.names) == 8


def test_a_single_labeled_image_among_others_is_held_out() -> None:
    data = ImageFolder(["a", "b", "c"], [PLANE] * 3, [None, LABELS, None], "yx")
    training, held = data.hold_out(0.2)
    assert (training.names, held.names) == (["a", "c"], ["b"])


def test_channels_of_a_series_stay_together(folder: Path) -> None:
    stack(folder / "images", "a", np.stack([np.stack([PLANE, PLANE[::-1]])] * 3).astype(np.uint16), "TCYX")
    stack(folder / "labels", "a", np.stack([LABELS] * 3), "TYX")
    found, _ = read(folder)
    assert (found.axes, found.images[0].shape, found.labels[0].shape) == ("cyx", (2, 20, 30), (20, 30))


def test_pages_with_one_label_image_are_channels(folder: Path) -> None:
    tifffile.imwrite(folder / "images" / "a.tif", np.stack([PLANE] * 2), metadata=None)
    tifffile.imwrite(folder / "labels" / "a.tif", LABELS)
    found, notes = read(folder)
    assert (found.axes, found.images[0].shape, notes) == ("cyx", (2, 20, 30), [])


def test_shapes_depths_and_colors_may_be_mixed(folder: Path) -> None:
    color = RNG.integers(0, 255, (25, 40, 3), dtype=np.uint8)
    Image.fromarray(color).save(folder / "images" / "a.png")
    tifffile.imwrite(folder / "images" / "b.tif", PLANE.astype(np.uint16) * 100)
    tifffile.imwrite(folder / "images" / "c.tif", np.moveaxis(color, -1, 0), photometric="rgb", planarconfig="separate")
    found, _ = read(folder)
    assert found.axes == "cyx"
    assert [image.shape for image in found.images] == [(3, 25, 40), (3, 20, 30), (3, 25, 40)]
    np.testing.assert_array_equal(found.images[0], found.images[2])
    np.testing.assert_array_equal(found.images[1][2], PLANE.astype(np.uint16) * 100)


def test_other_numbers_of_channels_are_refused_by_name(folder: Path) -> None:
    stack(folder / "images", "a", np.stack([PLANE] * 2), "CYX")
    tifffile.imwrite(folder / "images" / "b.tif", PLANE)
    with pytest.raises(DataError, match=r"b.tif' has 1 channel\(s\), a.tif has 2"):
        read(folder)


def test_masks_and_floats_are_labels(folder: Path) -> None:
    for name in "abcde":
        tifffile.imwrite(folder / "images" / f"{name}.tif", PLANE)
    tifffile.imwrite(folder / "labels" / "a.tif", LABELS.astype(np.float32))
    for name in "bcde":
        Image.fromarray((LABELS > 0).astype(np.uint8) * 255).save(folder / "labels" / f"{name}.png")
    found, notes = read(folder)
    for labels in found.labels:
        np.testing.assert_array_equal(labels, LABELS)
    assert [note.partition(" ")[0] for note in notes] == ["b.png", "c.png", "d.png", "1"]
    assert notes[-1].startswith("1 more file is like this: d.png is a mask")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (LABELS[:10], r"labels '.*a.tif' have shape \(10, 30\) .* their image a.tif has \(20, 30\)"),
        (LABELS / 2, r"a.tif' contains the value 0.5"),
    ],
)
def test_labels_that_do_not_fit_are_named(folder: Path, labels: Any, words: str) -> None:
    tifffile.imwrite(folder / "images" / "a.tif", PLANE)
    tifffile.imwrite(folder / "labels" / "a.tif", labels)
    with pytest.raises(LabelError, match=words):
        read(folder)


def test_every_position_of_a_file_is_read(folder: Path) -> None:
    for part, data in (("images", PLANE), ("labels", LABELS)):
        with tifffile.TiffWriter(folder / part / "a.ome.tif", ome=True) as file:
            for number in range(3):
                file.write(np.roll(data, number, 0), metadata={"axes": "YX", "Name": f"p{number}"})
    found, notes = read(folder)
    assert (found.names, notes) == (["a_p0", "a_p1", "a_p2"], [])
    np.testing.assert_array_equal(found.labels[2], np.roll(LABELS, 2, 0))
    tifffile.imwrite(folder / "labels" / "a.ome.tif", LABELS)
    with pytest.raises(LabelError, match=r"a.ome.tif contains 3 images, its labels .* 1\."):
        read(folder)


@pytest.mark.parametrize(
    ("made", "used"),
    [
        ({"model": "nuclei"}, False),
        ({"model": {"name": "nuclei"}}, False),
        ({"model": {"name": "nuclei"}, "corrected": 3}, True),
    ],
)
def test_labels_that_a_model_made_are_no_ground_truth(made: Any, used: bool, tmp_path: Path) -> None:
    path = ome_zarr(tmp_path / "a.zarr", "yx", PLANE, LABELS)
    zarr.open_group(path / "labels" / "cells").attrs["napari_grd"] = made
    found, notes = read(path)
    assert (found.labels[0] is not None) == used
    assert any("made by the model 'nuclei' and are not used" in note for note in notes) != used


def test_an_ome_zarr_with_its_labels_is_a_folder_to_train_on(make_ome_zarr: Any, tmp_path: Path) -> None:
    found, _ = read(make_ome_zarr(tmp_path / "a.zarr"))
    assert (found.axes, found.names) == ("cyx", ["a_z000", "a_z001", "a_z002"])
    assert found.images[0].shape == (2, 64, 80)
    assert all(labels is not None and labels.max() > 10 for labels in found.labels)


def test_pieces_of_a_volume_are_objects_of_their_own_in_a_plane(folder: Path) -> None:
    horseshoe = np.zeros((2, 20, 30), np.uint16)
    horseshoe[0, 2:8, 2:8] = horseshoe[0, 2:8, 20:28] = horseshoe[1, 2:8, 2:28] = 5
    stack(folder / "images", "a", np.stack([PLANE] * 2), "ZYX")
    stack(folder / "labels", "a", horseshoe, "ZYX")
    found, _ = read(folder)
    assert [np.unique(labels).tolist() for labels in found.labels] == [[0, 1, 2], [0, 5]]


def test_a_few_of_many_are_read_for_calibration(folder: Path) -> None:
    for name in "abcd":
        stack(folder / "images", name, np.stack([PLANE] * 5), "ZYX")
    assert len(drain(iter_read(folder, most=3)).images) == 3


def test_a_bad_file_is_named_and_the_others_are_read(folder: Path) -> None:
    tifffile.imwrite(folder / "images" / "a.tif", PLANE)
    content = (folder / "images" / "a.tif").read_bytes()
    (folder / "images" / "b.tif").write_bytes(content[:300])
    (folder / "images" / "c.tif").touch()
    found, notes = read(folder)
    assert found.names == ["a"]
    assert [note[:20] for note in notes] == ["b.tif was excluded. ", "c.tif was excluded. "]
    (folder / "images" / "a.tif").unlink()
    with pytest.raises(DataError, match=r"No image of .* can be used"):
        read(folder)


def test_a_pixel_size_is_known_if_all_files_say_the_same(folder: Path) -> None:
    def write(name: str, per_micrometer: float | None) -> None:
        known = {} if per_micrometer is None else {"resolution": (per_micrometer,) * 2, "metadata": {"unit": "um"}}
        tifffile.imwrite(folder / "images" / f"{name}.tif", PLANE, imagej=True, **known)

    write("a", 2)
    write("b", 2)
    assert read(folder)[0].pixel_size == pytest.approx(0.5)
    write("c", 1)
    found = read(folder)[0]
    assert found.pixel_size is None
    assert found.take([0, 1]).pixel_size == pytest.approx(0.5)
    write("c", None)
    assert read(folder)[0].pixel_size is None


def test_stacks_stay_volumes_for_networks_that_take_them(folder: Path) -> None:
    volume, labels = np.stack([PLANE, PLANE[::-1], 0 * PLANE]), np.stack([LABELS, LABELS[::-1], 0 * LABELS])
    calibration = {"resolution": (2, 2), "metadata": {"axes": "TZCYX", "spacing": 1.5, "unit": "um"}}
    for name in "ab":
        series = np.stack([volume, volume[::-1]])[:, :, None]
        tifffile.imwrite(folder / "images" / f"{name}.tif", series, imagej=True, **calibration)
        tifffile.imwrite(folder / "labels" / f"{name}.tif", np.stack([labels, labels[::-1]])[:, :, None], imagej=True)
    stack(folder / "images", "plane", PLANE, "YX")
    found, notes = read(folder, ndim=3)
    assert (found.names, found.axes) == (["a_t000", "a_t001", "b_t000", "b_t001"], "zyx")
    np.testing.assert_array_equal(found.images[1], volume[::-1])
    np.testing.assert_array_equal(found.labels[0], labels)
    assert (found.pixel_size, found.anisotropy) == (0.5, 3.0)
    assert len(notes) == 1
    assert "plane.tif" in notes[0]
    assert "a volume has 'zyx'" in notes[0]


def test_the_last_planes_of_a_single_volume_are_held_out() -> None:
    volume = np.arange(10)[:, None, None] * np.ones((10, 4, 4))
    data = ImageFolder(["a"], [np.stack([volume, volume])], [volume.astype(int)], "czyx")
    kept, held = data.hold_out(0.2)
    assert (kept.images[0].shape, held.images[0].shape) == ((2, 8, 4, 4), (2, 2, 4, 4))
    np.testing.assert_array_equal(held.labels[0], volume[8:])
    with pytest.raises(DataError, match="'a' has 1 plane"):
        ImageFolder(["a"], [volume[:1]], [None], "zyx").hold_out(0.2)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("folders", "label_image"):
        monkeypatch.setattr(f"napari_grd.io.{module}.IN_MEMORY", 100)


def ome_zarr(path: Path, axes: str, image: np.ndarray, labels: np.ndarray) -> Path:
    for part, array, names in (("", image, axes), ("labels/cells", labels, axes.replace("c", ""))):
        group = zarr.open_group(path / part, mode="a", zarr_format=3)
        group.create_array("0", data=array)
        steps = [{"type": "scale", "scale": [1.0] * array.ndim}]
        scales = [
            {"axes": [{"name": n} for n in names], "datasets": [{"path": "0", "coordinateTransformations": steps}]}
        ]
        group.attrs["ome"] = {"version": "0.5", "multiscales": scales} | ({"image-label": {}} if part else {})
    zarr.open_group(path / "labels", mode="a", zarr_format=3).attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
    return path


@pytest.mark.usefixtures("large")
def test_large_images_stay_where_they_are(folder: Path) -> None:
    image, labels = RNG.integers(0, 200, (2, 40, 30), dtype=np.uint8), np.repeat(LABELS, 2, axis=0)
    path = ome_zarr(folder / "a.zarr", "cyx", image, labels)
    found = drain(iter_read(path, lazy=True))
    assert isinstance(found.images[0], da.Array)
    assert isinstance(found.labels[0], da.Array)
    training, held = found.hold_out(0.25)
    np.testing.assert_array_equal(training.images[0], image[:, :30])
    np.testing.assert_array_equal(held.images[0], image[:, 30:])
    np.testing.assert_array_equal(held.labels[0], labels[30:])
    assert isinstance(drain(iter_read(path)).images[0], np.ndarray)


@pytest.mark.usefixtures("large")
def test_large_labels_that_mean_something_else(folder: Path) -> None:
    path = ome_zarr(folder / "a.zarr", "yx", PLANE, (LABELS > 0).astype(np.uint8))
    with pytest.raises(LabelError, match="looks like a mask: separate objects have the number 1"):
        drain(iter_read(path, lazy=True))
    path = ome_zarr(folder / "b.zarr", "yx", PLANE, LABELS.astype(np.float32))
    with pytest.raises(LabelError, match="values of type float32"):
        drain(iter_read(path, lazy=True))
    path = ome_zarr(folder / "c.zarr", "zyx", np.stack([PLANE] * 3), np.stack([LABELS] * 3))
    with pytest.raises(LabelError, match="large stack"):
        drain(iter_read(path, lazy=True))
    assert drain(iter_read(path, lazy=True, ndim=3)).axes == "zyx"
