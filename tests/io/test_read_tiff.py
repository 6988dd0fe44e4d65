"""Axes, series, calibration and channels come from the TIFF; nothing that is missing becomes black."""

import struct
import uuid
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile

import napari_grd.api as grd
from napari_grd.errors import DataError
from napari_grd.io import images

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 4000, (24, 30), dtype=np.uint16)


def stack(*shape: int, dtype: Any = np.uint16) -> np.ndarray:
    return RNG.integers(0, 250, (*shape, 24, 30)).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "named", "axes"),
    [
        ((4,), "TYX", "tyx"),
        ((4,), "ZYX", "zyx"),
        ((2,), "CYX", "cyx"),
        ((2, 3, 2), "TZCYX", "tzcyx"),
        ((1, 3, 1), "TZCYX", "zyx"),
        ((1, 1, 1), "TZCYX", "yx"),
    ],
)
@pytest.mark.parametrize("kind", ["imagej", "ome", "shaped"])
def test_axes_are_those_the_file_names(
    tmp_path: Path, shape: tuple[int, ...], named: str, axes: str, kind: str
) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    data = stack(*shape)
    tifffile.imwrite(path, data, imagej=kind == "imagej", photometric="minisblack", metadata={"axes": named})
    image = grd.read_image(path)
    assert (image.axes, image.axes_known, image.notes) == (axes, True, ())
    assert image.calibration.axes == tuple(axes)
    assert len(image.channels) == (image.shape[axes.index("c")] if "c" in axes else 1)
    np.testing.assert_array_equal(image.pixels, data.squeeze())


def test_three_focal_planes_are_no_colors(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", stack(3, dtype=np.uint8), imagej=True, metadata={"axes": "ZYX"})
    image = grd.read_image(tmp_path / "a.tif")
    assert (image.axes, image.is_rgb) == ("zyx", False)


@pytest.mark.filterwarnings("ignore:<tifffile.TiffWriter.write> data with shape:DeprecationWarning")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stacks_that_tifffile_takes_for_colors(tmp_path: Path, dtype: Any) -> None:
    """It writes three planes as red, green and blue, and a fourth as their opacity, if it is told nothing."""
    data = stack(4, dtype=dtype)
    tifffile.imwrite(tmp_path / "z4.tif", data)
    tifffile.imwrite(tmp_path / "z3.tif", data[:3])
    image = grd.read_image(tmp_path / "z4.tif")
    assert (image.axes, image.is_rgb, image.axes_known) == ("zyx", False, False)
    np.testing.assert_array_equal(image.pixels, data)
    three = grd.read_image(tmp_path / "z3.tif")
    assert (three.is_rgb, three.axes_known) == (True, False)
    assert "if this is a stack, name its axes, 'zyx'" in three.notes[0]
    told = grd.read_image(tmp_path / "z3.tif", axes="zyx")
    assert (told.axes, told.is_rgb, told.notes) == ("zyx", False, ())


@pytest.mark.parametrize(("count", "axes"), [(5, "zyx"), (3, "zyx"), (1, "yx")])
def test_pages_without_a_meaning_are_planes_and_that_is_said(tmp_path: Path, count: int, axes: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", stack(count), metadata=None, photometric="minisblack")
    image = grd.read_image(tmp_path / "a.tif")
    assert (image.axes, image.axes_known) == (axes, count == 1)
    if count > 1:
        (note,) = image.notes
        assert f"a.tif does not say what its {count} pages are" in note
        told = grd.read_image(tmp_path / "a.tif", axes="cyx")
        assert (told.axes, told.axes_known, told.notes) == ("cyx", True, ())


@pytest.mark.parametrize(
    ("axes", "words"),
    [("zyq", "axes 'zyq' are unknown"), ("zzyx", "at most once"), ("yx", "name 2 dimensions"), ("tzyx", "name 4")],
)
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, axes: str, words: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", stack(4), imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(DataError, match=words):
        grd.read_image(tmp_path / "a.tif", axes=axes)


def test_imagej_calibration(tmp_path: Path) -> None:
    said = {"axes": "TZYX", "spacing": 2.0, "unit": "um", "finterval": 60.0}
    tifffile.imwrite(tmp_path / "a.tif", stack(2, 3), imagej=True, metadata=said, resolution=(1 / 0.25, 1 / 0.5))
    calibration = grd.read_image(tmp_path / "a.tif").calibration
    assert calibration.scale == pytest.approx((60, 2, 0.5, 0.25))
    assert calibration.units == ("second", "micrometer", "micrometer", "micrometer")


@pytest.mark.parametrize("unit", ["\\u00B5m", "micron", "µm", "nm", "pixel", ""])
def test_units_as_imagej_spells_them(tmp_path: Path, unit: str) -> None:
    description = f"ImageJ=1.54f\nimages=1\nunit={unit}\n".encode("latin-1")
    tifffile.imwrite(tmp_path / "a.tif", PLANE, description=description, metadata=None, resolution=(4, 4))
    calibration = grd.read_image(tmp_path / "a.tif").calibration
    known = {"nm": "nanometer", "pixel": None, "": None}.get(unit, "micrometer")
    assert calibration.units == (known, known)
    assert calibration.scale == ((0.25, 0.25) if known else (1, 1))


def test_ome_calibration_channels_and_colors(tmp_path: Path) -> None:
    said = {
        "axes": "TCYX",
        "PhysicalSizeX": 325,
        "PhysicalSizeXUnit": "nm",
        "TimeIncrement": 5,
        "TimeIncrementUnit": "min",
        "Channel": {"Name": ["DAPI", "GFP"], "Color": [65535, 16711935]},
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", stack(3, 2), metadata=said)
    image = grd.read_image(tmp_path / "a.ome.tif")
    assert image.calibration.scale == (5, 1, 325, 325), "pixels are square unless the file says otherwise"
    assert image.calibration.units == ("minute", None, "nanometer", "nanometer")
    assert [(channel.name, channel.color) for channel in image.channels] == [("DAPI", "0000FF"), ("GFP", "00FF00")]


def test_what_our_own_files_say_comes_back(tmp_path: Path) -> None:
    from napari_grd.io.calibration import Calibration
    from napari_grd.io.ome_tiff import write_labels_ome_tiff

    there = Calibration.of("tzyx", (30, 2, 0.5, 0.5), (60, 1, 7, 8), ("second", *["micrometer"] * 3))
    write_labels_ome_tiff(tmp_path / "a.ome.tif", stack(2, 3), there)
    assert grd.read_image(tmp_path / "a.ome.tif").calibration == there


@pytest.mark.parametrize(
    ("resolution", "unit", "scale"),
    [((300, 300), "INCH", 1), ((28.3, 28.3), "CENTIMETER", 1), ((40000, 40000), "CENTIMETER", 0.25)],
)
def test_resolutions_for_printers_are_no_pixel_sizes(
    tmp_path: Path, resolution: tuple[float, float], unit: str, scale: float
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PLANE, resolution=resolution, resolutionunit=unit)
    assert grd.read_image(tmp_path / "a.tif").calibration.scale == (scale, scale)


def test_positions_are_images_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for number, shape in enumerate([(24, 30), (24, 30), (10, 12)]):
            data = np.full(shape, number, np.uint16)
            file.write(data, metadata={"axes": "YX", "Name": f"pos {number}", "PhysicalSizeX": number + 1})
    names = ("pos 0", "pos 1", "pos 2")
    assert grd.list_series(path) == names
    first = grd.read_image(path)
    assert (first.series, first.name, first.series_names) == (0, "a_pos 0", names)
    assert "contains 3 images (pos 0, pos 1, pos 2)" in first.notes[0]
    for asked in (2, "pos 2", "2"):
        image = grd.read_image(path, series=asked)
        assert (image.name, image.notes, int(image.pixels.max())) == ("a_pos 2", (), 2)
        assert image.calibration.scale == (3, 3)
    for wrong in (3, -1, "pos 3"):
        with pytest.raises(DataError, match=r"a.ome.tif' has no series .*0 to 2, or a name: pos 0, pos 1"):
            grd.read_image(path, series=wrong)


def test_thumbnails_and_levels_are_no_images(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "thumb.tif") as file:
        file.write(PLANE[::4, ::4])
        file.write(PLANE)
    with tifffile.TiffWriter(tmp_path / "levels.tif") as file:  # levels as further pages, as some scanners have it
        for step in (1, 2, 4):
            file.write(PLANE[::step, ::step], metadata=None)
    with tifffile.TiffWriter(tmp_path / "pyramid.ome.tif") as file:
        file.write(np.kron(PLANE, np.ones((4, 4), np.uint16)), subifds=1, tile=(16, 16), metadata={"axes": "YX"})
        file.write(np.kron(PLANE, np.ones((2, 2), np.uint16)), subfiletype=1, tile=(16, 16))
    for name in ("thumb.tif", "levels.tif"):
        image = grd.read_image(tmp_path / name)
        assert image.series_names == ("0",)
        np.testing.assert_array_equal(image.pixels, PLANE)
    assert "thumbnails or copies" in grd.read_image(tmp_path / "thumb.tif").notes[0]
    assert grd.read_image(tmp_path / "pyramid.ome.tif").shape == (96, 120)


def test_pages_of_several_sizes_are_several_images(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for shape in ((24, 30), (20, 50), (30, 22)):
            file.write(np.zeros(shape, np.uint8), metadata=None)
    assert grd.list_series(tmp_path / "a.tif") == ("0", "1", "2")


def write_set(
    folder: Path, names: dict[tuple[int, int], str], sizes: tuple[int, int], shared: str | None = None
) -> None:
    """Planes (t, z) of one data set, each in a file that knows the others, or that a shared file describes."""
    ids = {at: f"urn:uuid:{uuid.UUID(int=1 + 10 * at[0] + at[1])}" for at in names}
    listed = "".join(
        f'<TiffData IFD="0" FirstC="0" FirstT="{t}" FirstZ="{z}" PlaneCount="1">'
        f'<UUID FileName="{name}">{ids[t, z]}</UUID></TiffData>'
        for (t, z), name in names.items()
    )
    head = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID='
    content = (
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="24"'
        f' SizeZ="{sizes[1]}" SizeC="1" SizeT="{sizes[0]}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        f"{listed}</Pixels></Image></OME>"
    )
    if shared is not None:
        (folder / shared).write_text(f'{head}"urn:uuid:{uuid.UUID(int=99)}">{content}')
        content = f'<BinaryOnly MetadataFile="{shared}" UUID="urn:uuid:{uuid.UUID(int=99)}"/></OME>'
    for at, name in names.items():
        plane = np.full((24, 30), 1 + 10 * at[0] + at[1], np.uint16)
        tifffile.imwrite(folder / name, plane, description=f'{head}"{ids[at]}">{content}'.encode(), metadata=None)


SET = {(t, z): f"s_t{t}_z{z}.ome.tif" for t in range(2) for z in range(2)}


@pytest.mark.parametrize("shared", [None, "s.companion.ome"])
def test_a_data_set_of_several_files_is_joined_from_any(tmp_path: Path, shared: str | None) -> None:
    write_set(tmp_path, SET, (2, 2), shared)
    for name in (*SET.values(), *([shared] if shared else [])):
        image = grd.read_image(tmp_path / name)
        assert (image.axes, image.notes) == ("tzyx", ())
        assert image.pixels[..., 0, 0].tolist() == [[1, 2], [11, 12]]
    assert [path.name for path in grd.find_images(tmp_path)] == [shared or "s_t0_z0.ome.tif"]


def test_what_is_there_of_an_incomplete_data_set_is_read_and_the_rest_named(tmp_path: Path) -> None:
    write_set(tmp_path, SET, (2, 2))
    (tmp_path / SET[0, 0]).unlink()
    with pytest.raises(DataError, match=r"1 file\(s\) that are missing \(s_t0_z0.ome.tif\).*Put the missing files"):
        grd.read_image(tmp_path / SET[1, 1])  # three of four planes are no stack
    (tmp_path / SET[0, 1]).unlink()
    image = grd.read_image(tmp_path / SET[1, 1])
    assert (image.axes, image.pixels[..., 0, 0].tolist()) == ("zyx", [11, 12])
    assert "only the existing part was read, 1 of 2 along 't'" in image.notes[0]


def test_a_missing_description_is_named(tmp_path: Path) -> None:
    write_set(tmp_path, SET, (2, 2), "s.companion.ome")
    (tmp_path / "s.companion.ome").unlink()
    with pytest.raises(DataError, match=r"described in 's.companion.ome', which is missing"):
        grd.read_image(tmp_path / SET[0, 0])


def test_a_single_file_may_be_renamed(tmp_path: Path) -> None:
    write_set(tmp_path, {(0, 0): "old.ome.tif"}, (1, 1))
    image = grd.read_image((tmp_path / "old.ome.tif").rename(tmp_path / "new.ome.tif"))
    assert (image.name, image.notes, int(image.pixels[0, 0])) == ("new", (), 1)


@pytest.mark.parametrize("kind", ["imagej", "ome", "plain"])
def test_a_cut_off_stack_is_no_single_plane(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    metadata = None if kind == "plain" else {"axes": "ZYX"}
    tifffile.imwrite(path, stack(10), imagej=kind == "imagej", metadata=metadata, photometric="minisblack")
    whole = path.read_bytes()
    for keep in (0.3, 0.7, 0.95):
        path.write_bytes(whole[: int(keep * len(whole))])
        with pytest.raises(DataError, match=r"a\.(ome\.)?tif"):
            grd.read_image(path)


def test_a_stack_with_one_page_for_all_planes(tmp_path: Path) -> None:
    """ImageJ writes stacks of more than 4 GB so."""
    path, data = tmp_path / "a.tif", stack(10)
    tifffile.imwrite(path, data, imagej=True, byteorder="<", metadata={"axes": "ZYX"})
    content = bytearray(path.read_bytes())
    (offset,) = struct.unpack("<I", content[4:8])
    (count,) = struct.unpack("<H", content[offset : offset + 2])
    end = offset + 2 + 12 * count
    content[end : end + 4] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_array_equal(grd.read_image(path).pixels, data)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cut off: it declares 10 planes"):
        grd.read_image(path)


def test_pages_in_a_circle_end(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PLANE, metadata=None)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    (offset,) = struct.unpack("<I", content[4:8])
    (count,) = struct.unpack("<H", content[offset : offset + 2])
    end = offset + 2 + 12 * count
    content[end : end + 4] = struct.pack("<I", offset)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataError, match="circle"):
        grd.read_image(tmp_path / "a.tif")


def test_damage_that_shows_when_pixels_are_asked_for_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "LAZY_BYTES", 100)
    tifffile.imwrite(tmp_path / "a.tif", PLANE, compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        at = file.pages[0].dataoffsets[0]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[at + 4 : at + 60] = bytes(56)
    (tmp_path / "a.tif").write_bytes(content)
    image = grd.read_image(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a.tif' cannot be read"):
        np.asarray(image.pixels)


def test_pages_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PLANE, rowsperstrip=4, metadata=None)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tag = file.pages[0].tags["ImageLength"]
    content[tag.valueoffset : tag.valueoffset + 2] = struct.pack("<H", 60_000)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataError, match="a page of 30 x 60000 pixels is incomplete"):
        grd.read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.ome.tif", "set", "rgba.tif"])
def test_large_images_are_read_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    colors = np.dstack([RNG.integers(0, 255, (24, 30, 3), dtype=np.uint8), np.full((24, 30), 255, np.uint8)])
    tifffile.imwrite(tmp_path / "a.ome.tif", stack(2, 3), metadata={"axes": "TZYX"})
    tifffile.imwrite(tmp_path / "rgba.tif", colors, photometric="rgb", extrasamples=["unassalpha"])
    write_set(tmp_path, SET, (2, 2))
    path = tmp_path / (SET[0, 0] if name == "set" else name)
    eager = grd.read_image(path)
    monkeypatch.setattr(images, "LAZY_BYTES", 100)
    lazy = grd.read_image(path)
    assert isinstance(lazy.pixels, da.Array)
    assert (lazy.axes, lazy.shape, lazy.is_rgb) == (eager.axes, eager.shape, eager.is_rgb)
    np.testing.assert_array_equal(np.asarray(lazy.pixels), eager.pixels)
