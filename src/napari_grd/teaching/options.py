"""Options of a teacher, from the signature of its ``load`` function, for forms and the command line."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from napari_grd.errors import ConfigError
from napari_grd.teaching.base import TeacherSource


@dataclass(frozen=True)
class TeacherOption:
    """One option of a teacher.

    Attributes
    ----------
    name : str
        Keyword of ``load``.
    help : str
        One-line description.
    annotation : type
        Type of the value; ``str`` if ``load`` has no annotation.
    default : object
        Default value; also None if it is required.
    required : bool
        Whether it is required.
    """

    name: str
    help: str
    annotation: Any
    default: Any
    required: bool


def teacher_options(source: TeacherSource) -> tuple[TeacherOption, ...]:
    """The options of a teacher, in the order of its ``load`` function.

    Parameters
    ----------
    source : TeacherSource
        Target of an entry point. Options that its ``info()`` does not describe are left out: they are for scripts.

    Examples
    --------
    >>> from napari_grd.teaching import labels
    >>> [(option.name, option.required) for option in teacher_options(labels)]
    [('folder', True), ('axes', False)]
    """
    described = source.info().options
    empty = inspect.Parameter.empty
    options = []
    for name, parameter in inspect.signature(source.load, eval_str=True).parameters.items():
        if name in described:
            annotation = str if parameter.annotation is empty else parameter.annotation
            required = parameter.default is empty
            default = None if required else parameter.default
            options.append(TeacherOption(name, described[name], annotation, default, required))
    return tuple(options)


def parse_options(name: str, options: tuple[TeacherOption, ...], texts: Mapping[str, str]) -> dict[str, Any]:
    """Convert texts to arguments of ``load``.

    Parameters
    ----------
    name : str
        Name of the teacher, for messages.
    options : tuple of TeacherOption
        Its options.
    texts : mapping of str to str
        Texts of some of them; an empty text means the default.

    Returns
    -------
    dict
        Values of the options that were given.

    Raises
    ------
    ConfigError
        If there is no such option, a required one is missing, or a text does not fit.

    Examples
    --------
    >>> diameter = TeacherOption("diameter", "in pixels", float | None, None, False)
    >>> parse_options("cellpose", (diameter,), {"diameter": "30"})
    {'diameter': 30.0}
    """
    by_name = {option.name: option for option in options}
    listed = ", ".join(by_name) or "none"
    for unknown in texts.keys() - by_name.keys():
        raise ConfigError(f"The teacher {name!r} has no option {unknown!r}.", f"It takes: {listed}.")
    values = {key: _parsed(name, by_name[key], text.strip()) for key, text in texts.items() if text.strip()}
    for option in options:
        if option.required and option.name not in values:
            raise ConfigError(f"The teacher {name!r} needs {option.name}: {option.help}.", "Fill it in.")
    return values


def _parsed(teacher: str, option: TeacherOption, text: str) -> Any:
    given: Any = text
    if get_origin(option.annotation) in (tuple, list) or any(
        get_origin(kind) in (tuple, list) for kind in get_args(option.annotation)
    ):
        given = [part.strip() for part in text.split(",")]
    try:
        adapter = TypeAdapter(option.annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticSchemaGenerationError:
        return text
    try:
        return adapter.validate_python(given)
    except ValidationError as error:
        raise ConfigError(
            f"The option {option.name!r} of the teacher {teacher!r} cannot be {text!r} ({error.errors()[0]['msg']}).",
            f"It is: {option.help}.",
        ) from None
