"""Any Python function from image to labels as the teacher: a script, a pipeline, a web service."""

import inspect
import uuid
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.fingerprint import text_key
from napari_grd.data.inputs import as_labels
from napari_grd.errors import ConfigError, GrdError, LabelError
from napari_grd.teaching.base import TeacherInfo, TeacherPrediction

_AXES = ("yx", "cyx", "yxc", "zyx", "czyx", "zyxc")


class FunctionTeacher:
    """A teacher that calls a function.

    Parameters
    ----------
    function : callable
        Takes one image and returns labels ``(*S)``: integers, one number per instance, 0 is background. Or returns a
        pair of labels and the probability of foreground ``(*S)`` in [0, 1], or a :class:`TeacherPrediction`.
    axes : {"yx", "cyx", "yxc", "zyx", "czyx", "zyxc"}, optional
        Axes of the function's argument. Default: without a channel axis if
        there is one channel, else channels last, as in scikit-image.
    version : str, optional
        Version of everything the results depend on besides the function's source: change it when the results change.
        Without it, a plain function is identified by its source; the results of a closure or an object with state are
        not reused from a cache in another run.

    Raises
    ------
    ConfigError
        If it is not a function, or the axes are unknown.

    Examples
    --------
    >>> teacher = FunctionTeacher(lambda image: (image > 5).astype(int), version="1")
    >>> teacher.predict(np.arange(12).reshape(1, 3, 4)).labels[0].tolist(), teacher.gives_embeddings
    ([0, 0, 0, 0], False)
    """

    gives_embeddings = False

    def __init__(self, function: Callable[..., Any], *, axes: str | None = None, version: str | None = None) -> None:
        if not callable(function):
            raise ConfigError(
                f"A {type(function).__name__} is not a function.", "Pass a function from image to labels."
            )
        if axes is not None and axes not in _AXES:
            raise ConfigError(f"The axes {axes!r} are unknown.", f"Use one of {', '.join(map(repr, _AXES))}.")
        self.name = str(getattr(function, "__qualname__", type(function).__qualname__))
        self._function = function
        self._axes = axes
        self.fingerprint = _fingerprint(function, self.name, axes, version)
        """Key for caches; unique to this teacher if neither source nor version identify the function."""

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Return the function's prediction of one image.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities; the function gets a copy with its axes.

        Returns
        -------
        TeacherPrediction

        Raises
        ------
        GrdError
            If the function fails, or does not take such an image.
        LabelError
            If the result is not labels of the image.
        """
        view = self._arranged(image)
        try:
            answer = self._function(view)
        except GrdError:
            raise
        except Exception as error:
            raise GrdError(
                f"The function {self.name!r} fails on an image of shape {view.shape} and type {view.dtype}"
                f" ({type(error).__name__}: {error}).",
                "Correct the function, or set axes= to the axes it takes.",
            ) from error
        if isinstance(answer, TeacherPrediction):
            return answer
        labels, foreground = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
        try:
            return TeacherPrediction(
                as_labels(labels, image.shape[1:]).astype(np.uint32),
                None if foreground is None else np.asarray(foreground, np.float32),
            )
        except (LabelError, TypeError, ValueError) as error:
            problem = error.problem if isinstance(error, GrdError) else str(error)
            raise LabelError(
                f"The function {self.name!r} returned {_describe(answer)}: {problem}",
                "Return integer labels of the image's shape, with or without a probability of foreground.",
            ) from error

    def _arranged(self, image: NDArray[Any]) -> NDArray[Any]:
        spatial = "zyx"[-(image.ndim - 1) :]
        axes = self._axes or (spatial if len(image) == 1 else f"{spatial}c")
        if axes.replace("c", "") != spatial or (axes == spatial and len(image) > 1):
            raise GrdError(
                f"The function {self.name!r} takes images {axes!r}, but this one is {image.shape}, channel first.",
                "Set axes= to the axes it takes, or choose one channel.",
            )
        if axes == spatial:
            image = image[0]
        elif axes[-1] == "c":
            image = np.moveaxis(image, 0, -1)
        return np.array(image, order="C")  # a function may modify its argument


def info() -> TeacherInfo:
    """Return the registry's information about this teacher."""
    return TeacherInfo(
        name="callable",
        summary="A Python function from image to labels: an assistant is trained on them first.",
        license="depends on the function",
        options={
            "function": "the function, or 'package.module:function', or 'file.py:function'",
            "axes": "axes of its argument; default: yx, with several channels yxc",
            "version": "change it when the function's results change; allows to reuse them in another run",
        },
    )


def load(function: Callable[..., Any] | str, axes: str | None = None, version: str | None = None) -> FunctionTeacher:
    """Create a teacher from a function, or from a reference to one.

    The file or module that is named is executed.

    Raises
    ------
    ConfigError
        If there is no such function.
    GrdError
        If its file or module raises an error.

    Examples
    --------
    >>> load("skimage.measure:label").name
    'label'
    """
    loaded = _find(function) if isinstance(function, str) else function
    return FunctionTeacher(loaded, axes=axes, version=version)


def is_reference(source: str) -> bool:
    """Whether a string has the form ``module:function`` or ``file.py:function``.

    Examples
    --------
    >>> is_reference("my.module:segment"), is_reference("nuclei"), is_reference("C:/model.grd.safetensors")
    (True, False, False)
    """
    module, colon, name = source.rpartition(":")
    return bool(colon) and name.isidentifier() and (module.endswith(".py") or module.replace(".", "_").isidentifier())


def _find(reference: str) -> Callable[..., Any]:
    module_name, _, name = reference.rpartition(":")
    if not is_reference(reference):
        raise ConfigError(
            f"{reference!r} does not name a function.", "Write 'package.module:function' or 'file.py:function'."
        )
    try:
        module = _run_file(Path(module_name)) if module_name.endswith(".py") else import_module(module_name)
    except GrdError:
        raise
    except Exception as error:
        raise GrdError(
            f"{module_name!r}, the module of the function {name!r}, fails with {type(error).__name__}: {error}.",
            "Correct it, or install its dependencies.",
        ) from error
    function: Callable[..., Any] | None = getattr(module, name, None)
    if function is None or not callable(function):
        raise ConfigError(f"{module_name!r} has no function {name!r}.", "Check its name.")
    return function


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"There is no file {str(path)!r}.", "Give the path of a Python file.")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None  # the name ends with .py
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _fingerprint(function: Callable[..., Any], name: str, axes: str | None, version: str | None) -> str:
    if version is None and isinstance(function, FunctionType) and function.__closure__ is None:
        try:
            version = f"{inspect.getsource(function)}{function.__defaults__}{function.__kwdefaults__}"
        except OSError:  # defined in a console
            version = None
    if version is None:
        version = uuid.uuid4().hex
    module = getattr(function, "__module__", "")
    return text_key(f"{module}.{name}", axes, version)


def _describe(answer: Any) -> str:
    if isinstance(answer, np.ndarray):
        return f"an array of shape {answer.shape} and type {answer.dtype}"
    return "nothing" if answer is None else f"a {type(answer).__name__}"
