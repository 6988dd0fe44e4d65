"""Teachers by name, built in or from other packages.

What another package does while it is probed is not ours: whatever it raises
makes its teacher unavailable, with that as the reason, and nothing else fails.
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
from napari_grd.models import Model
from napari_grd.teaching.base import Teacher, TeacherInfo, TeacherSource
from napari_grd.teaching.function import is_reference
from napari_grd.teaching.options import TeacherOption, teacher_options

GROUP = "napari_grd.teachers"

TeacherLike = Teacher | Model | Callable[..., Any] | str | Path
"""What :func:`as_teacher` makes a teacher of."""

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
        Keys are what :func:`load_teacher` takes.

    See Also
    --------
    load_teacher : Make one of them.

    Examples
    --------
    >>> teachers()["model"].available
    True
    """
    return {name: _probe(name, point)[0] for name, point in _entry_points().items()}


def load_teacher(name: str, **options: Any) -> Teacher:
    """Make a teacher.

    Parameters
    ----------
    name : str
        A key of :func:`teachers`.
    **options
        What this teacher takes, e.g. ``load_teacher("model", source="nuclei")``.

    Returns
    -------
    Teacher
        What :func:`napari_grd.distill` takes.

    Raises
    ------
    ConfigError
        If there is no such teacher, or it does not take these options.
    GrdError
        If the teacher is not available, or cannot be loaded.

    See Also
    --------
    teachers : The names, and why a teacher is not available.
    distill : Train a student with the teacher.

    Examples
    --------
    >>> load_teacher("model", source="nuclei").name
    'nuclei'
    """
    known = _entry_points()
    if name not in known:
        raise ConfigError(f"There is no teacher named {name!r}.", f"Choose one of: {', '.join(known)}.")
    info, source = _probe(name, known[name])
    if source is None or not info.available:
        raise GrdError(
            f"The teacher {name!r} is not available ({info.reason}).", "Mend that, or choose another teacher."
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
    """What a teacher can be told, for forms and command lines; nothing if it is not there.

    Parameters
    ----------
    name : str
        A key of :func:`teachers`.

    Examples
    --------
    >>> [option.name for option in options_of("labels")]
    ['folder', 'axes']
    """
    known = _entry_points()
    source = _probe(name, known[name])[1] if name in known else None
    return () if source is None else teacher_options(source)


def as_teacher(source: TeacherLike | Mapping[str, TeacherLike]) -> Teacher:
    """Make a teacher of whatever can be one.

    Parameters
    ----------
    source : Teacher, Model, function, str, Path, or mapping of names to these
        A teacher is returned as it is, a function is asked for the labels of an
        image, and a mapping makes one of several. A string is the name of a
        built-in model, of a teacher that needs no options, a path, or
        ``module:function`` or ``file.py:function``. The path of a file is taken
        for a model, that of a folder for images with their labels; a zip, or a
        folder with a ``bioimageio.yaml``, is a model of the bioimage.io zoo,
        or one of ours that was exported.

    Returns
    -------
    Teacher

    Raises
    ------
    GrdError
        If nothing of that name is there, or it cannot be loaded.
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
    """Entry points by name. Of two of one name the first counts, and ours come first."""
    found = {name: EntryPoint(name, value, GROUP) for name, value in _BUILTIN.items()}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        found.setdefault(point.name, point)
    return found


def _probe(name: str, point: EntryPoint) -> tuple[TeacherInfo, TeacherSource | None]:
    try:
        source: TeacherSource = point.load()
        # The name in the registry is the one that load_teacher takes, whatever the plugin calls itself.
        return replace(source.info(), name=name), source
    except Exception as error:  # a broken package raises anything, not only ImportError
        reason = f"{point.value} fails with {type(error).__name__}: {error}"
        return TeacherInfo(name, "", available=False, reason=reason), None
