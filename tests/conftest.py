"""Fixtures shared by all tests."""

import contextlib
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.lib.npyio import NpzFile

with contextlib.suppress(ImportError):  # the environment of Cellpose 3 has no Hypothesis
    from hypothesis import settings

    # A busy machine is no fault of an example that takes longer than 200 ms.
    settings.register_profile("any speed", deadline=None)
    settings.load_profile("any speed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hostile-long", action="store_true", help="kill and mutate as often as the benchmarks say")
    parser.addoption("--new-pictures", action="store_true", help="draw the pictures that docks are compared with anew")


TOGETHER = (  # modules whose fixtures take long: each in one process, so that they are made once
    "tests/distillation/test_online.py",
    "tests/distillation/test_recipes.py",
    "tests/export/test_bioimageio_export.py",
    "tests/export/test_fast_students.py",
    "tests/inference/test_quantize.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """All windows in one process: two that share a screen would take the focus from each other.

    xdist 3.8 ignores its own mark, ``xdist_group``, with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            if module.startswith("tests/_napari/"):
                return "windows"
            return module if module in TOGETHER else nodeid

    return Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_finish() -> None:
    """Take all that is imported out of garbage collection: each collection would walk through it, for a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def hostile_long(request: pytest.FixtureRequest) -> bool:
    """Whether tests that kill, mutate or start many processes take their time (``--hostile-long``)."""
    return bool(request.config.getoption("--hostile-long"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; the test is skipped where ``GRD_DATA`` does not name one."""
    folder = os.environ.get("GRD_DATA")
    if not folder:
        pytest.skip("set GRD_DATA to the folder of real images to run this test")
    path = Path(folder)
    assert path.is_dir(), f"GRD_DATA names {folder!r}, which is not a folder"
    return path


@pytest.fixture(scope="session")
def real_models() -> Path:
    """The folder of real models of other makes; the test is skipped where ``GRD_MODELS`` does not name one."""
    folder = os.environ.get("GRD_MODELS")
    if not folder:
        pytest.skip("set GRD_MODELS to the folder of real models to run this test")
    path = Path(folder)
    assert path.is_dir(), f"GRD_MODELS names {folder!r}, which is not a folder"
    return path


@pytest.fixture(scope="session")
def goldens() -> Callable[[str], NpzFile]:
    """Loads a file of reference numbers by name, for example ``goldens("metrics.npz")``."""
    return lambda name: np.load(Path(__file__).parent / "goldens" / name)


@pytest.fixture
def make_ome_zarr() -> Callable[..., Path]:
    """Writes an OME-Zarr as other programs do: two channels, two levels, a label image; returns its folder."""
    return _write_ome_zarr


def _write_ome_zarr(path: Path, version: str = "0.5", **omero: Any) -> Path:
    def describe(node: zarr.Group, **content: Any) -> None:
        node.attrs.update({"ome": {"version": version, **content}} if version == "0.5" else content)

    def scales(axes: list[dict[str, str]], *levels: list[dict[str, Any]]) -> list[dict[str, Any]]:
        datasets = [{"path": str(at), "coordinateTransformations": steps} for at, steps in enumerate(levels)]
        return [{"version": version, "axes": axes, "datasets": datasets}]

    space = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    image = np.random.default_rng(0).integers(0, 1000, (2, 3, 64, 80), dtype=np.uint16)
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    group.create_array("0", data=image, chunks=(1, 1, 32, 32))
    group.create_array("1", data=image[..., ::2, ::2], chunks=(1, 1, 32, 32))
    moved = {"type": "translation", "translation": [0, 5, 1, 2]}
    fine, coarse = ({"type": "scale", "scale": [1, 2, 0.5 * factor, 0.5 * factor]} for factor in (1, 2))
    channels = [
        {"label": "DAPI", "color": "0000FF", "window": {"start": 10, "end": 900}, "active": True},
        {"label": "GFP", "color": "00FF00", "active": False},
    ]
    axes = [{"name": "c", "type": "channel"}, *space]
    described = {"channels": channels} | omero
    describe(group, multiscales=scales(axes, [fine, moved], [coarse, moved]), omero=described)
    labels = group.create_group("labels")
    describe(labels, labels=["cells"])
    cells = labels.create_group("cells")
    cells.create_array("0", data=(image[0] > 500).astype(np.uint32), chunks=(1, 32, 32))
    steps = [{"type": "scale", "scale": [2, 0.5, 0.5]}, {"type": "translation", "translation": [5, 1, 2]}]
    describe(cells, multiscales=scales(space, steps), **{"image-label": {}})
    return path
