"""Command-line options generated from the config classes.

A command decorated with :func:`takes_settings` has ``--config FILE``, ``--set name=value`` for every field, and an
option for each common field, with the field's description and default.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from rich.markup import escape

from napari_grd import plain_yaml
from napari_grd.config_base import Config
from napari_grd.errors import ConfigError

C = TypeVar("C", bound=Config)
_PANEL = "Settings"
_NAME = re.compile(r"\w+(\.\w+){0,9}")
_SHOWN = 100  # characters of an assignment quoted in a message


@dataclass(frozen=True)
class Settings(Generic[C]):
    """Settings from the command line.

    Attributes
    ----------
    config : type of Config
        Class of the settings.
    file : Path or None
        YAML file.
    assignments : sequence of str
        ``name=value`` of each ``--set``.
    flags : mapping of str to object
        Values of the given options, by field.
    """

    config: type[C]
    file: Path | None
    assignments: Sequence[str]
    flags: Mapping[str, Any]

    def has(self, name: str) -> bool:
        """Whether the user has set a field, in any way."""
        if self.file is not None and name in self.config.from_yaml(self.file).model_dump(exclude_unset=True):
            return True
        return name in self.flags or any(text.partition("=")[0].strip() == name for text in self.assignments)

    def build(self, base: C | None = None) -> C:
        """The settings: ``base``, changed by the file, then ``--set``, then flags.

        Raises
        ------
        ConfigError
            If the file cannot be read, or a name or value is not valid.
        """
        values: dict[str, Any] = {} if base is None else base.model_dump()
        if self.file is not None:
            _merge(values, self.config.from_yaml(self.file).model_dump(exclude_unset=True))
        for assignment in self.assignments:
            _merge(values, _nested(*_parse(assignment)))
        for name, value in self.flags.items():
            _merge(values, _nested(name, value))
        return self.config(**values)


def takes_settings(defaults: Config, flags: Mapping[str, str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of a config class to a command (decorator).

    Parameters
    ----------
    defaults : Config
        Settings without any option, of the class that the command needs.
    flags : mapping of str to str
        Option to field, e.g. ``{"--lr": "optim.lr"}``.

    Returns
    -------
    callable
        Decorates a function that takes ``settings: Settings``.
    """
    names = {flag.removeprefix("--").replace("-", "_"): field for flag, field in flags.items()}
    options = [
        _parameter("config_file", Path | None, typer.Option("--config", help="YAML file of settings.", **_LOOK)),
        _parameter(
            "assignments",
            list[str] | None,
            typer.Option(
                "--set", metavar="NAME=VALUE", help="Any other setting, e.g. optim.ema=0.99; repeatable.", **_LOOK
            ),
        ),
    ]
    for flag, path in flags.items():
        field = _field(type(defaults), path)
        shown = f"{flag}/--no-{flag.removeprefix('--')}" if field.annotation is bool else flag
        option = typer.Option(shown, help=_help(defaults, path), metavar=_metavar(field), **_LOOK)
        options.append(_parameter(flag.removeprefix("--").replace("-", "_"), _type(field), option))

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command)

        @functools.wraps(command)
        def run(**given: Any) -> None:
            file, assignments = given.pop("config_file"), given.pop("assignments")
            values = {field: given.pop(name) for name, field in names.items()}
            chosen = {field: _split(value) for field, value in values.items() if value is not None}
            command(**given, settings=Settings(type(defaults), file, assignments or (), chosen))

        kept = [parameter for name, parameter in own.parameters.items() if name != "settings"]
        run.__signature__ = own.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*kept, *options]}
        return run

    return decorate


_LOOK: dict[str, Any] = {"rich_help_panel": _PANEL, "show_default": False}


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


def _field(config: type[Config], path: str) -> FieldInfo:
    *parents, leaf = path.split(".")
    for parent in parents:
        kind = config.model_fields[parent].annotation  # a class, or one of a few
        config = next(each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, Config))
    return config.model_fields[leaf]


def _type(field: FieldInfo) -> Any:
    kinds = {bool: bool | None, int: int | None, float: float | None}
    return next(
        (given for kind, given in kinds.items() if kind in (field.annotation, *get_args(field.annotation))), str | None
    )


def _metavar(field: FieldInfo) -> str | None:
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return "|".join(choices)
    return "N,N,..." if any(get_origin(kind) is tuple for kind in choices) else None


def _help(defaults: Config, path: str) -> str:
    """Description, name in the settings file, and default of a field."""
    field = _field(type(defaults), path)
    default: Any = defaults
    for name in path.split("."):
        default = getattr(default, name, None)  # optional settings may be None as a whole
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    place = f" ({path})" if "." in path else ""
    shown = "" if default is None else f" [default: {default}]"
    return escape(f"{field.description or path.replace('_', ' ')}{place}{shown}")


def _split(value: Any) -> Any:
    """Parse comma-separated text as a list and "none" as None."""
    if value == "none":
        return None
    return value.split(",") if isinstance(value, str) and "," in value else value


def _parse(assignment: str) -> tuple[str, Any]:
    """Name and value of a ``name=value``."""
    shown = repr(assignment if len(assignment) <= _SHOWN else f"{assignment[:_SHOWN]}...")
    name, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals:
        raise ConfigError(f"--set {shown} has no '='.", "Write --set name=value, e.g. --set optim.lr=0.001.")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--set {shown} has no setting name before '='.", "Names are like steps and optim.lr.")
    try:
        return name, plain_yaml.parse(text)
    except plain_yaml.YamlProblem as problem:
        raise ConfigError(f"The value in --set {shown} {problem}.", "Write it as in YAML.") from None


def _nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    result: dict[str, Any] = value
    return result


def _merge(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, Mapping):
            if not isinstance(values.get(name), dict):
                values[name] = {}
            _merge(values[name], value)
        else:
            values[name] = value
