"""Images at an address."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_grd.errors import DataError
from napari_grd.io.images import list_series, read_image
from napari_grd.io.remote import address_of

PIXELS = np.arange(64 * 80, dtype=np.uint16).reshape(64, 80)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """No lines in the output of the tests."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves the folder of the test."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def write(store: Any, zarr_format: Any = 3) -> None:
    """An image with a pyramid of two levels."""
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    group.create_array("0", data=PIXELS, chunks=(32, 32))
    group.create_array("1", data=PIXELS[::2, ::2], chunks=(32, 32))
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    datasets = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": [0.5 * 2**level] * 2}]}
        for level in (0, 1)
    ]
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    group.attrs.update({"ome": ome} if zarr_format == 3 else ome)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_image_in_memory_and_its_levels(zarr_format: int) -> None:
    address = f"memory://remote-{zarr_format}/slide.ome.zarr"
    write(address, zarr_format)
    image = read_image(address)
    assert (image.name, image.axes, image.calibration.scale) == ("slide", "yx", (0.5, 0.5))
    assert np.array_equal(np.asarray(image.pixels), PIXELS)
    coarse = read_image(Path(address), level=1)
    assert coarse.calibration.scale == (1.0, 1.0)
    assert np.array_equal(np.asarray(coarse.pixels), PIXELS[::2, ::2])
    with pytest.raises(DataError, match=r"'slide' has no level 2.*finest, to 1"):
        read_image(address, level=2)


def test_an_image_on_a_server(server: str, tmp_path: Path) -> None:
    write(tmp_path / "slide.ome.zarr")
    address = f"{server}/slide.ome.zarr"
    assert list_series(address) == ("slide",)
    assert np.array_equal(np.asarray(read_image(address).pixels), PIXELS)
    with pytest.raises(DataError, match=rf"{server}/none.zarr' cannot be read.*Check the address"):
        read_image(f"{server}/none.zarr")


def test_a_level_of_a_coarse_image_without_a_scale(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="a")
    ome: Any = group.attrs["ome"]
    del ome["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    group.attrs["ome"] = ome
    assert read_image(tmp_path / "a.zarr", level=1).calibration.scale == (2.0, 2.0)


def test_a_level_of_a_file_without_levels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PIXELS)
    with pytest.raises(DataError, match=r"level is 1, but a\.npy is no OME-Zarr"):
        read_image(tmp_path / "a.npy", level=1)


def test_a_folder_with_the_name_of_an_address_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert address_of("s3://a.zarr") == "s3://a.zarr"
    Path("s3:").mkdir()
    write(Path("s3:/a.zarr"))
    assert address_of("s3:/a.zarr") is None
