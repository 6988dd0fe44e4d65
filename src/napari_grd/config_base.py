"""The base of all settings: frozen, validated, with errors that name the setting."""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, SerializationInfo, ValidationError

from napari_grd import plain_yaml
from napari_grd.errors import ConfigError

_REMEDY = "Correct the named settings."
_SHOWN = 100  # characters of a value quoted in a message


class Config(BaseModel):
    """Base of all settings: frozen, and a misspelled name is an error.

    A renamed setting is read under both names and is written under the earlier one (``on_disk``), so that earlier and
    later versions read each other's models, checkpoints and caches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        for name, field in type(self).model_fields.items():
            if field.serialization_alias in values:
                if name in values:
                    raise ConfigError(
                        f"{name} is given twice, also by its earlier name {field.serialization_alias}.", "Give it once."
                    )
                values[name] = values.pop(field.serialization_alias)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_problems(error), _REMEDY) from None
        except TypeError as error:  # of nested settings, whose names are passed as keywords
            if "keywords must be strings" not in str(error):
                raise
            raise ConfigError("The name of a setting is not a text.", _REMEDY) from None

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again.

        Nested settings are reached with dots: ``replace(**{"optim.lr": 1e-3})``.
        """
        values = self.model_dump()
        for name, value in changes.items():
            *parents, leaf = name.split(".")
            node = values
            for parent in parents:
                if not isinstance(node.get(parent), dict):
                    raise ConfigError(f"There is no setting {name[:100]!r}.", _REMEDY)
                node = node[parent]
            node[leaf] = value
        return type(self)(**values)

    def on_disk(self, **options: Any) -> dict[str, Any]:
        """The settings as JSON-compatible values, under their names in files; ``options`` as for ``model_dump``."""
        return self.model_dump(mode="json", by_alias=True, **options)

    def to_yaml(self) -> str:
        """The settings as YAML, readable by :meth:`from_yaml`."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
        return text

    @classmethod
    def from_yaml(cls, source: str | Path) -> Self:
        """Read settings from a YAML file.

        Raises
        ------
        ConfigError
            If the file is missing, is not YAML, or contains an unknown or invalid setting.
        """
        remedy = "Pass a file with one 'name: value' per line, as in the documentation."
        try:
            with Path(source).open("rb") as file:  # which may be a pipe or endless
                values = plain_yaml.parse(file.read(plain_yaml.MAX_BYTES + 1))
        except plain_yaml.YamlProblem as problem:
            raise ConfigError(f"The settings file {str(source)!r} {problem}.", remedy) from None
        except (OSError, ValueError) as error:  # also from an invalid file name
            raise ConfigError(f"The settings file {str(source)!r} cannot be read ({error}).", remedy) from None
        if values is not None and not isinstance(values, dict):
            raise ConfigError(
                f"The settings file {str(source)!r} contains a {type(values).__name__}, not names and values.", remedy
            )
        values = values or {}
        wrong = [key for key in values if not isinstance(key, str)]
        if wrong:
            raise ConfigError(f"The settings file {str(source)!r} has {wrong[0]!r} as the name of a setting.", remedy)
        try:
            return cls(**values)
        except ConfigError as error:
            raise ConfigError(f"In the settings file {str(source)!r}: {error.problem}", error.remedy) from None


def without_defaults(
    config: Config, values: dict[str, Any], info: SerializationInfo, names: tuple[str, ...]
) -> dict[str, Any]:
    """The values for a file, without recent settings at their defaults.

    Earlier versions do not know these, and checkpoints are recognized by the text of their settings.
    """
    if info.by_alias:
        for name in names:
            if getattr(config, name) == type(config).model_fields[name].default:
                values.pop(name, None)
    return values


def _problems(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        name = ".".join(_short(str(part)) for part in item["loc"])
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):  # from a nested object, which has named its own fields
            lines.append(f"{name}.{cause.problem}")
            continue
        message = item["msg"].removeprefix("Value error, ")
        given = "" if item["type"] == "value_error" else f" (got {_short(repr(item['input']))})"
        lines.append(f"{name}: {message}{given}." if name else f"{message}{given}.")
    return " ".join(lines)


def _short(text: str) -> str:
    """A short, printable text of any value, for messages."""
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return text if text.isprintable() else repr(text)
