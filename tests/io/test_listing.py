"""What lies in a folder, and what of it is an image."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_grd.api as grd
from napari_grd.errors import DataError
from napari_grd.io.listing import find_labels, list_images, list_pairs
from napari_grd.io.names import image_stem

PLANE = np.arange(80, dtype=np.uint8).reshape(8, 10)


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            Image.fromarray(PLANE).save(path)
        elif path.suffix.lower() == ".tif":
            tifffile.imwrite(path, PLANE)
        elif path.suffix == ".zarr":
            path.mkdir()
        else:
            path.write_bytes(bytes(10))


def names(folder: Path, **options: object) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_images(folder, **options).images]  # type: ignore[arg-type]


def test_leftovers_are_no_images(tmp_path: Path) -> None:
    put(tmp_path, "w0.tif", "w1.TIF", "Thumbs.db", ".DS_Store", "._w0.tif", "notes.txt", "z.zarr")
    put(tmp_path, "w0_seg.npy", "w0_cp_masks.png", "w0_masks.tif", "w0_outlines.png", "w0-outlines.png", "w0_flows.tif")
    put(tmp_path, "my_masks.tif")  # an image that is called so: there is no image "my"
    assert names(tmp_path) == ["my_masks.tif", "w0.tif", "w1.TIF", "z.zarr"]


def test_an_empty_file_is_listed_and_named_when_it_is_read(tmp_path: Path) -> None:
    put(tmp_path, "a.tif")
    (tmp_path / "b.tif").touch()
    assert names(tmp_path) == ["a.tif", "b.tif"]
    with pytest.raises(DataError, match=r"b.tif' is empty \(0 bytes\)"):
        grd.read_image(tmp_path / "b.tif")


def test_of_twins_the_more_exact_is_taken(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "a.jpg", "a.tif", "b.jpg", "b.png", "c.czi", "c.tif")
    (tmp_path / "d.tif").touch()
    put(tmp_path, "d.png")
    listing = list_images(tmp_path)
    assert [path.name for path in listing.images] == ["a.tif", "b.png", "c.tif", "d.png"]
    assert len(listing.notes) == 5
    assert "a.png was skipped: a.tif is the same image" in listing.notes[0] + listing.notes[1]


def test_folders_below(tmp_path: Path) -> None:
    put(tmp_path, "p1/A01.tif", "p2/A01.tif", "p2/B01_ch1.tif", "p2/labels/A01.tif", "p2/.cache/x.tif")
    (tmp_path / "p2" / "in.zarr").mkdir()
    put(tmp_path, "p2/in.zarr/x.tif")
    with pytest.raises(DataError, match=r"contains no images.*subfolders"):
        list_images(tmp_path)
    everything = ["p1/A01.tif", "p2/A01.tif", "p2/B01_ch1.tif", "p2/in.zarr"]
    assert names(tmp_path, recursive=True) == everything
    assert names(tmp_path, recursive=True, pattern="*_ch1.tif") == ["p2/B01_ch1.tif"]
    assert names(tmp_path, recursive=True, pattern="p1/*") == ["p1/A01.tif"]
    with pytest.raises(DataError, match=r"no images that match '\*.png'"):
        list_images(tmp_path, recursive=True, pattern="*.png")


def test_the_images_of_a_data_folder_are_meant_and_orphan_labels_do_no_harm(tmp_path: Path) -> None:
    put(tmp_path, "images/a.tif", "labels/other.tif", "README.png")
    assert names(tmp_path) == ["images/a.tif"]
    assert list_images(tmp_path).notes == ("Beside the folder 'images', 1 image(s) were skipped: README.png.",)


def test_an_image_may_be_called_as_labels_are(tmp_path: Path) -> None:
    put(tmp_path, "images/a_masks.tif", "labels/a_masks.tif", "images/b.tif", "labels/b_masks.tif")
    pairs = list_pairs(tmp_path).pairs
    assert [(pair.name, pair.labels and pair.labels.name) for pair in pairs] == [
        ("a_masks", "a_masks.tif"),
        ("b", "b_masks.tif"),
    ]


def test_labels_without_an_image_are_told(tmp_path: Path) -> None:
    put(tmp_path, "images/a.ome.tif", "labels/a.png", "labels/b.png")
    listing = list_pairs(tmp_path)
    assert [(pair.name, pair.labels and pair.labels.name) for pair in listing.pairs] == [("a", "a.png")]
    assert listing.notes == ("1 label image(s) have no image and were skipped: b.",)


def test_what_cellpose_saved_beside_images_are_their_labels(tmp_path: Path) -> None:
    put(tmp_path, "a.tif", "b.tif", "a_seg.npy", "b_seg.npy", "b_cp_masks.png")
    listing = list_pairs(tmp_path)
    assert [(pair.name, pair.labels and pair.labels.name) for pair in listing.pairs] == [
        ("a", "a_seg.npy"),
        ("b", "b_cp_masks.png"),
    ]
    assert "are used as ground truth" in listing.notes[0]


def test_a_folder_of_labels_by_the_names_of_their_images(tmp_path: Path) -> None:
    put(tmp_path, "a.tif", "b_cp_masks.png", "c_masks.tif", "d_seg.npy", "a-outlines.png")
    assert list(find_labels(tmp_path)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("x.ome.tif", "x"),
        ("X.OME.TIFF", "X"),
        ("a b (1).png", "a b (1)"),
        ("v1.2.tif", "v1.2"),
        ("x.ome.zarr", "x"),
        ("x.zarr/zarr.json", "x"),
        ("x.companion.ome", "x"),
        ("β.czi", "β"),
        (".ome.tif", ".ome"),
    ],
)
def test_one_rule_for_the_stem(name: str, stem: str) -> None:
    assert image_stem(name) == stem
