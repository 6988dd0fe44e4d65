"""Teachers by name, built in or from other packages.

Any error of another package while it is queried makes its teacher unavailable, with the error as the reason, and has no
other effect.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from napari_grd.errors import ConfigError, GrdError
from napari_grd.hub import builtin_paths, remote_models
from napari_grd.io.bioimageio_package import is_own_package, is_zoo_package, read_package
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher, TeacherInfo, TeacherSource
from napari_grd.teaching.function import is_reference
from napari_grd.teaching.options import TeacherOption, teacher_options

GROUP = "napari_grd.teachers"

TeacherLike = Teacher | Model | Callable[..., Any] | str | Path
"""Arguments that :func:`as_teacher` accepts."""

_BUILTIN = {
    "model": "napari_grd.teaching.embedding",
    "labels": "napari_grd.teaching.labels",
    "cellpose": "napari_grd.teaching.cellpose",
    "stardist": "napari_grd.teaching.stardist",
    "bioimageio": "napari_grd.teaching.bioimageio.teacher",
    "callable": "napari_grd.teaching.function",
    "several": "napari_grd.teaching.multi_teacher",
}


def teachers() -> dict[str, TeacherInfo]:
    """List all teachers by name, also those that are not available, with the reason.

    Returns
    -------
    dict of str to TeacherInfo
        Keys are the names for :func:`load_teacher`.

    See Also
    --------
    load_teacher : Load one of them.

    Examples
    --------
    >>> teachers()["model"].available
    True
    """
    return {name: _probe(name, point)[0] for name, point in _entry_points().items()}


def load_teacher(name: str, **options: Any) -> Teacher:
    """Load a teacher.

    Parameters
    ----------
    name : str
        A key of :func:`teachers`.
    **options
        Options of this teacher, e.g. ``load_teacher("model", source="nuclei")``.

    Returns
    -------
    Teacher
        A teacher for :func:`napari_grd.distill`.

    Raises
    ------
    ConfigError
        If there is no such teacher, or it does not take these options.
    GrdError
        If the teacher is not available, or cannot be loaded.

    See Also
    --------
    teachers : The names, with the reason if a teacher is not available.
    distill : Train a student with the teacher.

    Examples
    --------
    >>> load_teacher("model", source="nuclei").name
    'nuclei'
    """
    points = _entry_points()
    if name not in points:
        raise ConfigError(f"There is no teacher named {name!r}.", f"Choose one of: {', '.join(points)}.")
    info, source = _probe(name, points[name])
    if source is None or not info.available:
        raise GrdError(
            f"The teacher {name!r} is not available ({info.reason}).", "Resolve that, or choose another teacher."
        )
    try:
        inspect.signature(source.load).bind(**options)
    except TypeError as error:
        raise ConfigError(
            f"The teacher {name!r} cannot be loaded with these options ({error}).",
            f"It takes: {', '.join(info.options) or 'none'}.",
        ) from None
    return source.load(**options)


def options_of(name: str) -> tuple[TeacherOption, ...]:
    """Options of a teacher, for forms and command lines; empty if it is not available.

    Parameters
    ----------
    name : str
        A key of :func:`teachers`.

    Examples
    --------
    >>> [option.name for option in options_of("labels")]
    ['folder', 'axes']
    """
    points = _entry_points()
    source = _probe(name, points[name])[1] if name in points else None
    return () if source is None else teacher_options(source)


def as_teacher(source: TeacherLike | Mapping[str, TeacherLike]) -> Teacher:
    """Create a teacher from any object that can be one.

    Parameters
    ----------
    source : Teacher, Model, function, str, Path, or mapping of names to these
        A teacher is returned as it is, a function is called for the labels of an image, and a mapping is combined into
        one teacher. A string is the name of a built-in model or of a teacher without required options, a path, or
        ``module:function`` or ``file.py:function``. The path of a file is that of a model, that of a folder images with
        their labels; a zip, or a folder with a ``bioimageio.yaml``, is a model of the bioimage.io zoo, or an exported
        model of this package.

    Returns
    -------
    Teacher

    Raises
    ------
    GrdError
        If there is nothing of that name, or it cannot be loaded.
    """
    if isinstance(source, Model):
        return load_teacher("model", source=source)
    if isinstance(source, Teacher):
        return source
    if isinstance(source, Mapping):
        return load_teacher("several", teachers=source)
    if not isinstance(source, str | Path):
        if callable(source):
            return load_teacher("callable", function=source)
        raise ConfigError(
            f"A {type(source).__name__} is not a teacher.",
            "Pass a Teacher, a Model, a function, the name of one, or a path.",
        )
    models = [*builtin_paths(), *remote_models()]
    plugins = [name for name in _entry_points() if name not in _BUILTIN]
    if isinstance(source, str) and source in models:
        return load_teacher("model", source=source)
    if isinstance(source, str) and source in plugins:
        return load_teacher(source)
    if not Path(source).exists():
        if source in _BUILTIN:
            return load_teacher(str(source))
        if is_reference(str(source)):
            return load_teacher("callable", function=str(source))
        raise ConfigError(
            f"There is no teacher, model, file or folder named {str(source)!r}.",
            f"Teachers: {', '.join([*_BUILTIN, *plugins])}. Models: {', '.join(models)}.",
        )
    if is_zoo_package(Path(source)):
        if is_own_package(source):
            return load_teacher("model", source=read_package(source))
        return load_teacher("bioimageio", source=source)
    if Path(source).is_dir():
        return load_teacher("labels", folder=source)
    return load_teacher("model", source=source)


def _entry_points() -> dict[str, EntryPoint]:
    """Entry points by name. The first of duplicates counts; built-in teachers come first."""
    points = {name: EntryPoint(name, value, GROUP) for name, value in _BUILTIN.items()}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        points.setdefault(point.name, point)
    return points


def _probe(name: str, point: EntryPoint) -> tuple[TeacherInfo, TeacherSource | None]:
    try:
        source: TeacherSource = point.load()
        # The name in the registry is that for load_teacher, independent of the plugin's own name.
        return replace(source.info(), name=name), source
    except Exception as error:  # a broken package raises anything, not only ImportError
        reason = f"{point.value} fails with {type(error).__name__}: {error}"
        return TeacherInfo(name, "", available=False, reason=reason), None
