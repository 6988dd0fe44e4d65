"""What a teacher can be told, read off its ``load`` function, so that a form and a command line can ask for it."""

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
        The keyword that ``load`` takes.
    help : str
        One line about it.
    annotation : type
        What it may be; ``str`` where ``load`` does not say.
    default : object
        What it is if nobody says; None if it is required, too.
    required : bool
        Whether it has to be given.
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
        What an entry point names. Options that its ``info()`` does not describe are left out: they are for programs.

    Examples
    --------
    >>> from napari_grd.teaching import labels
    >>> [(option.name, option.required) for option in teacher_options(labels)]
    [('folder', True), ('axes', False)]
    """
    described = source.info().options
    empty = inspect.Parameter.empty
    found = []
    for name, parameter in inspect.signature(source.load, eval_str=True).parameters.items():
        if name in described:
            annotation = str if parameter.annotation is empty else parameter.annotation
            required = parameter.default is empty
            default = None if required else parameter.default
            found.append(TeacherOption(name, described[name], annotation, default, required))
    return tuple(found)


def parse_options(name: str, options: tuple[TeacherOption, ...], texts: Mapping[str, str]) -> dict[str, Any]:
    """Turn what was typed into what ``load`` takes.

    Parameters
    ----------
    name : str
        Of the teacher, for messages.
    options : tuple of TeacherOption
        What it takes.
    texts : mapping of str to str
        What was typed for some of them; an empty text stands for the default.

    Returns
    -------
    dict
        Only what was given.

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
    known = {option.name: option for option in options}
    listed = ", ".join(known) or "none"
    for unknown in texts.keys() - known.keys():
        raise ConfigError(f"The teacher {name!r} has no option {unknown!r}.", f"It takes: {listed}.")
    values = {key: _parsed(name, known[key], text.strip()) for key, text in texts.items() if text.strip()}
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
