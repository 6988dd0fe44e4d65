"""The names of ``import napari_grd as grd``: lazy, all there, and documented as the field documents functions."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpydoc.validate import validate

import napari_grd as grd
from napari_grd import api, errors

FUNCTIONS = sorted(name for name in api.__all__ if inspect.isfunction(getattr(api, name)))
CLASSES = sorted(name for name in api.__all__ if inspect.isclass(getattr(api, name)))

NOT_ASKED = {
    "ES01": "a summary of one line may be enough",
    "PR04": "parameters that stand for those of another function have no type of their own",
    "RT03": "a returned class describes itself",
    "SA04": "functions of other packages are described there",
    "YD01": "a job is a generator, and is documented by its result",
}


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, napari_grd as grd; dir(grd); grd.GrdError; print([m for m in {} if m in sys.modules])"
    assert python(code.format("('torch', 'numba', 'napari', 'qtpy', 'skimage')")) == "[]"


def test_the_api_loads_neither_the_compiler_of_torch_nor_dask() -> None:
    # Lightning Fabric imports torch's compiler, which takes longer than torch: segmenting needs none of it.
    code = "import sys, napari_grd.api; print([m for m in {} if m in sys.modules])"
    heavy = ("lightning_fabric", "torch._dynamo", "sympy", "dask", "distributed", "openvino", "qtpy", "napari")
    assert python(code.format(heavy)) == "[]"


def test_the_stub_names_what_the_source_offers() -> None:
    assert set(grd.__all__) == {*api.__all__, "__version__"}
    assert len(set(api.__all__)) == len(api.__all__)
    for name in api.__all__:
        assert getattr(grd, name) is getattr(api, name), name


def test_every_error_is_exported() -> None:
    wanted = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    wanted |= {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Warning)}
    assert wanted <= set(grd.__all__)
    with pytest.raises(grd.Cancelled):
        grd.segment("nuclei", np.zeros((40, 50)), cancelled=lambda: True)


def test_no_submodule_takes_the_name_of_a_function() -> None:
    """Importing ``napari_grd.x`` makes x an attribute of the package: it must not hide a function."""
    code = """
import importlib, pkgutil, napari_grd as grd
for module in pkgutil.walk_packages(grd.__path__, "napari_grd."):
    importlib.import_module(module.name)
from napari_grd import api
print([name for name in api.__all__ if getattr(grd, name) is not getattr(api, name)])
"""
    assert python(code) == "[]"
    submodules = {module.name for module in pkgutil.iter_modules(grd.__path__)}
    assert not submodules & set(api.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_documented(name: str) -> None:
    function = getattr(api, name)
    found = validate(f"{function.__module__}.{function.__qualname__}")
    problems = [(code, text) for code, text in found["errors"] if code not in NOT_ASKED]
    assert not problems
    if len(inspect.signature(function).parameters) >= 2:
        text = inspect.getdoc(function) or ""
        sections = ["Parameters", "Returns", "Raises", "See Also", "Examples"]
        if name == "partition":  # a prediction that exists can be partitioned
            sections.remove("Raises")
        for section in sections:
            assert f"\n{section}\n---" in text, section


@pytest.mark.parametrize("name", CLASSES)
def test_types_are_documented(name: str) -> None:
    assert (inspect.getdoc(getattr(api, name)) or "").strip()


@pytest.mark.parametrize("source", ["name", "path", "model"])
def test_a_model_may_be_given_by_name_path_or_itself(source: str, tmp_path: Path) -> None:
    model = grd.load_model("nuclei")
    given: Any = {"name": "nuclei", "path": grd.save_model(model, tmp_path / "mine"), "model": model}[source]
    image, config = np.zeros((40, 50)), grd.SegmentConfig(runtime="torch")
    assert grd.segment(given, image, config).shape == (40, 50)
    assert grd.predict(given, image, config).shape == (40, 50)
    assert grd.embed(given, image, config).shape == (16, 40, 50)
    assert grd.affinities(given, image, config).shape == (len(model.config.offsets), 40, 50)
    assert grd.calibrate_int8(given, np.zeros((130, 130))).calibration is not None
    assert grd.export_model(given, tmp_path / "other", "onnx").exists()
    assert grd.drain(grd.iter_predict(given, image, config)).shape == (40, 50)
    assert grd.drain(grd.iter_segment(given, image, config)).shape == (40, 50)


def test_a_wrong_name_is_told_with_the_right_ones() -> None:
    with pytest.raises(
        grd.ModelFileError,
        match=r"'nuclie'.*nuclei, axons, cells, neurites, nuclei-3d, nuclei-teacher, phase, tissue, yeast",
    ):
        grd.segment("nuclie", np.zeros((40, 50)))


def test_api_and_package_are_one() -> None:
    assert importlib.import_module("napari_grd.api").segment is grd.segment


def test_arguments_in_the_wrong_order_are_told() -> None:
    with pytest.raises(grd.ModelFileError, match=r"A ndarray is given as the model.*segment\('nuclei', image\)"):
        grd.segment(np.zeros((40, 50)), "nuclei")  # type: ignore[arg-type]
