"""Pixels as viewers show them, in the type they are stored in."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_grd.api as grd
from napari_grd.errors import DataError

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 250, (20, 30), dtype=np.uint8)
COLOR = RNG.integers(0, 250, (20, 30, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65000, (20, 30), dtype=np.uint16)
OPAQUE = np.full_like(GRAY, 255)


def check(path: Path, wanted: np.ndarray) -> None:
    image = grd.read_image(path)
    assert (image.axes, image.is_rgb) == (("yxc", True) if wanted.ndim == 3 else ("yx", False))
    assert (image.pixels.dtype, image.notes) == (wanted.dtype, ())
    np.testing.assert_array_equal(image.pixels, wanted)


@pytest.mark.parametrize(
    ("saved", "wanted"),
    [
        (GRAY, GRAY),
        (np.dstack([GRAY] * 3), GRAY),
        (np.dstack([GRAY] * 3 + [OPAQUE]), GRAY),
        (np.dstack([GRAY, OPAQUE]), GRAY),
        (COLOR, COLOR),
        (np.dstack([COLOR, OPAQUE]), COLOR),
        (np.dstack([COLOR, 0 * OPAQUE]), COLOR),
        (GRAY > 100, GRAY > 100),
        (DEEP, DEEP),
    ],
    ids=["gray", "gray as rgb", "gray as rgba", "la", "rgb", "rgba", "all transparent", "1 bit", "16 bit"],
)
def test_pngs(tmp_path: Path, saved: np.ndarray, wanted: np.ndarray) -> None:
    Image.fromarray(saved).save(tmp_path / "a.png")
    check(tmp_path / "a.png", wanted)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_pngs_of_sixteen_bits_and_several_samples(tmp_path: Path, samples: int) -> None:
    data = RNG.integers(0, 65000, (20, 30, samples), dtype=np.uint16)
    if samples != 3:
        data[..., -1] = 65535
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    check(tmp_path / "a.png", data[..., 0] if samples == 2 else data[..., :3])


def test_what_is_fully_transparent_is_black_and_that_is_said(tmp_path: Path) -> None:
    alpha = np.where(np.arange(30) < 10, 0, 255)[None].repeat(20, 0).astype(np.uint8)
    Image.fromarray(np.dstack([COLOR, alpha])).save(tmp_path / "a.png")
    image = grd.read_image(tmp_path / "a.png")
    assert not image.pixels[:, :10].any()
    np.testing.assert_array_equal(image.pixels[:, 10:], COLOR[:, 10:])
    assert "fully transparent" in image.notes[0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".gif", ".bmp"])
def test_palettes_are_looked_up(tmp_path: Path, suffix: str) -> None:
    """The numbers of a palette mean nothing: optimizers sort it as they please."""
    gray = GRAY // 4 * 4
    order = RNG.permutation(64)
    palette = np.zeros((256, 3), np.uint8)
    palette[:64] = (order * 4)[:, None]
    shuffled = Image.fromarray(np.argsort(order).astype(np.uint8)[gray // 4], "P")
    shuffled.putpalette(palette.tobytes())
    shuffled.save(tmp_path / f"gray{suffix}")
    check(tmp_path / f"gray{suffix}", gray)
    colored = Image.fromarray(COLOR).quantize(60)
    colored.save(tmp_path / f"color{suffix}")
    check(tmp_path / f"color{suffix}", np.asarray(colored.convert("RGB")))


def test_a_look_up_table_of_imagej_leaves_the_intensities(tmp_path: Path) -> None:
    table = np.zeros((3, 256), np.uint16)
    table[1] = np.arange(256) * 257
    tifffile.imwrite(
        tmp_path / "a.tif", GRAY, photometric="palette", colormap=table, description="ImageJ=1.54f\n", metadata=None
    )
    check(tmp_path / "a.tif", GRAY)
    assert grd.read_image(tmp_path / "a.tif").channels[0].color == "00FF00"


def test_white_is_zero_is_turned_around(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GRAY, photometric="miniswhite")
    check(tmp_path / "a.tif", 255 - GRAY)
    tifffile.imwrite(tmp_path / "b.tif", GRAY > 100)  # tifffile writes masks so
    check(tmp_path / "b.tif", GRAY > 100)


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_printing_inks(tmp_path: Path, suffix: str) -> None:
    smooth = np.kron(COLOR[::5, ::5], np.ones((8, 8, 1), np.uint8))
    inks = Image.fromarray(smooth).convert("CMYK")
    inks.save(tmp_path / f"a{suffix}", quality=95)
    image = grd.read_image(tmp_path / f"a{suffix}")
    assert (image.axes, image.is_rgb) == ("yxc", True)
    shown = np.asarray(Image.open(tmp_path / f"a{suffix}").convert("RGB"))
    np.testing.assert_array_equal(image.pixels, shown)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_cameras_may_be_held_in_any_way(tmp_path: Path, orientation: int, suffix: str) -> None:
    picture = Image.fromarray(COLOR)
    exif = Image.Exif()
    exif[274] = orientation
    picture.save(tmp_path / f"a{suffix}", exif=exif, quality=95)
    from PIL import ImageOps

    with Image.open(tmp_path / f"a{suffix}") as file:
        check(tmp_path / f"a{suffix}", np.asarray(ImageOps.exif_transpose(file)))


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits", "zstd", "lzma", "jpeg2000", "webp", "lerc"])
def test_compressed_tiffs(tmp_path: Path, compression: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", COLOR, photometric="rgb", compression=compression)
    check(tmp_path / "a.tif", COLOR)


@pytest.mark.parametrize(("compression", "mode"), [("jpeg", "RGB"), ("jpeg", "L"), ("tiff_lzw", "L"), ("group4", "1")])
def test_tiffs_of_libtiff(tmp_path: Path, compression: str, mode: str) -> None:
    smooth = np.kron(COLOR[::5, ::5], np.ones((16, 16, 1), np.uint8))
    Image.fromarray(smooth).convert(mode).save(tmp_path / "a.tif", compression=compression)
    image = grd.read_image(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as file:
        shown = np.asarray(file).astype(int)
    # Two decoders of JPEG smooth its colors in two ways.
    assert np.abs(image.pixels.astype(int) - shown).max() <= (90 if compression == "jpeg" and mode == "RGB" else 1)
    assert np.abs(image.pixels.astype(int) - shown).mean() < 4


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_colors_of_tiffs(tmp_path: Path, planar: bool, alpha: bool) -> None:
    data = np.dstack([COLOR, OPAQUE]) if alpha else COLOR
    options: dict[str, Any] = {"extrasamples": ["unassalpha"]} if alpha else {}
    if planar:
        tifffile.imwrite(
            tmp_path / "a.tif", np.moveaxis(data, -1, 0), photometric="rgb", planarconfig="separate", **options
        )
    else:
        tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", **options)
    image = grd.read_image(tmp_path / "a.tif")
    assert (image.axes, image.is_rgb, bool(image.notes)) == ("cyx" if planar else "yxc", True, planar)
    np.testing.assert_array_equal(np.moveaxis(image.pixels, 0, -1) if planar else image.pixels, COLOR)


def test_more_samples_than_colors_are_channels(tmp_path: Path) -> None:
    data = np.dstack([COLOR, GRAY])  # red, green, blue and near infrared
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=["unspecified"])
    image = grd.read_image(tmp_path / "a.tif")
    assert (image.axes, image.is_rgb, image.shape) == ("yxc", False, (20, 30, 4))
    tifffile.imwrite(tmp_path / "b.tif", np.dstack([DEEP] * 5), photometric="minisblack", planarconfig="contig")
    assert grd.read_image(tmp_path / "b.tif").axes == "yxc"


@pytest.mark.parametrize(
    "data",
    [
        DEEP.astype(np.int32) * 1000,
        (DEEP.astype(np.int32) - 2000).astype(np.int16),
        DEEP.astype(np.uint32) + np.uint32(4_000_000_000),
        DEEP / 4096 + 1e9,
        np.where(DEEP > 60000, np.nan, DEEP.astype(np.float32)),
        GRAY.astype(np.int8),
        DEEP.astype(np.float16),
        DEEP.astype(np.uint64),
    ],
    ids=str,
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_numbers_stay_as_they_are(tmp_path: Path, data: np.ndarray, byteorder: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", data, byteorder=byteorder)
    np.save(tmp_path / "b.npy", data.astype(data.dtype.newbyteorder(byteorder)))
    for name in ("a.tif", "b.npy"):
        pixels = grd.read_image(tmp_path / name).pixels
        assert pixels.dtype == data.dtype
        assert pixels.dtype.isnative
        np.testing.assert_array_equal(pixels, data)


def test_pictures_of_slides_are_no_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # GRAY has 600: more than twice as many
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    check(tmp_path / "a.png", GRAY)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_moving_picture_is_a_series(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(GRAY, shift)) for shift in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    image = grd.read_image(tmp_path / "a.gif")
    assert (image.axes, image.shape) == ("tyx", (3, 20, 30))


def test_a_wrong_suffix_does_no_harm(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.tif", format="PNG")
    check(tmp_path / "a.tif", GRAY)


@pytest.mark.parametrize(
    ("shape", "axes", "known"), [((8, 9), "yx", True), ((4, 8, 9), "zyx", False), ((8, 9, 3), "yxc", False)]
)
def test_arrays_say_what_was_guessed(tmp_path: Path, shape: tuple[int, ...], axes: str, known: bool) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    image = grd.read_image(tmp_path / "a.npy")
    assert (image.axes, image.axes_known, bool(image.notes)) == (axes, known, not known)


@pytest.mark.parametrize("data", [np.zeros(5), np.zeros((4, 4), complex), np.array(7)], ids=["line", "complex", "one"])
def test_what_is_no_image(tmp_path: Path, data: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(DataError, match=r"a.npy.* contains "):
        grd.read_image(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((0, 5)))
    with pytest.raises(DataError, match=r"a.npy has no pixels \(shape \(0, 5\)\)"):
        grd.read_image(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("name", "stem"),
    [("X.OME.TIF", "X"), ("µ-Bild mit Leerzeichen (1).tif", "µ-Bild mit Leerzeichen (1)"), ("β-細胞.png", "β-細胞")],
)
def test_names_of_all_kinds(tmp_path: Path, name: str, stem: str) -> None:
    write = tifffile.imwrite if name.lower().endswith("tif") else imagecodecs.imwrite
    write(str(tmp_path / name), GRAY)
    (tmp_path / "link.tif").symlink_to(tmp_path / name)
    assert grd.read_image(tmp_path / name).name == stem
    np.testing.assert_array_equal(grd.read_image(tmp_path / "link.tif").pixels, GRAY)
