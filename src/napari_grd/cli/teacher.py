"""The teacher that a command line names, with its options."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_grd.errors import ConfigError

if TYPE_CHECKING:
    from napari_grd.models.model import Model
    from napari_grd.teaching.base import Teacher


def load_named(given: Sequence[str], options: Sequence[str] = ()) -> "Teacher | Model":
    """Load the teacher of ``--teacher source``, or several of ``--teacher name=source``.

    Parameters
    ----------
    given : sequence of str
        Values of ``--teacher``.
    options : sequence of str
        Values of ``--teacher-option``: ``name=value``.

    Raises
    ------
    GrdError
        If there is no such teacher, or it does not take these options.
    """
    from napari_grd.hub import builtin_paths, load_model, remote_models, resolve_model
    from napari_grd.io.bioimageio_package import is_zoo_package
    from napari_grd.teaching.options import parse_options
    from napari_grd.teaching.registry import as_teacher, load_teacher, options_of, teachers

    (only, *more) = given
    if options:
        if more or only not in teachers():
            raise ConfigError(
                f"--teacher-option {options[0]!r} is given, but {' '.join(given)!r} is not the name of one teacher.",
                f"Write --teacher with one of: {', '.join(teachers())}.",
            )
        texts = _pairs("--teacher-option", options, "Write --teacher-option name=value, each name once.")
        return load_teacher(only, **parse_options(only, options_of(only), texts))
    if not more and ("=" not in only or Path(only).exists()):
        is_model = only in {**builtin_paths(), **remote_models()} or (
            Path(only).is_file() and not is_zoo_package(Path(only))
        )
        return load_model(resolve_model(only)) if is_model else as_teacher(only)
    return as_teacher(_pairs("--teacher", given, "Write --teacher name=source for each, with different names."))


def _pairs(flag: str, given: Sequence[str], remedy: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value) or name in named:
            raise ConfigError(f"{flag} {text!r} has no name of its own, or no value.", remedy)
        named[name] = value
    return named
