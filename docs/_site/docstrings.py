"""Docstrings as the site shows them: roles of Sphinx and *See Also* sections become links, references a list."""

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":(?:func|class|data|mod|meth|attr|exc|obj):`(~?)([\w.]+)`")
_SEE = re.compile(r"^See Also\n-+\n(.*?)(?=\n\n\S[^\n]*\n-+\n|\Z)", re.MULTILINE | re.DOTALL)
# griffe gives every name of `model, image, axes` the type of the first.
_TOGETHER = re.compile(r"^(\w+(?:, \w+)+)\n((?: {4}.*\n?)+)", re.MULTILINE)
_REFERENCE = re.compile(r"^\.\. \[(\d+)\] ", re.MULTILINE)
_SEEN = re.compile(r"^([\w., ]+?) ?(?:: ?(.*))?$")


class Links(Extension):
    """Convert the docstring of each object, once."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            text = _SEE.sub(_see_also, obj.docstring.value)
            text = _REFERENCE.sub(r"\1. ", _TOGETHER.sub(_apart, text))
            obj.docstring.value = _ROLE.sub(lambda role: _link(role[2], short=bool(role[1])), text)


def _apart(parameters: re.Match[str]) -> str:
    description = parameters[2].rstrip("\n")
    return "".join(f"{name}\n{description}\n" for name in parameters[1].split(", "))


def _see_also(section: re.Match[str]) -> str:
    lines: list[str] = []
    for line in section[1].splitlines():
        entry = None if line.startswith(" ") else _SEEN.match(line)
        if entry is None:
            lines.append(line)
            continue
        names = ", ".join(_link(name.strip()) for name in entry[1].split(","))
        lines.append(f"- {names}: {entry[2]}" if entry[2] else f"- {names}")
    return "See Also\n--------\n" + "\n".join(lines)


def _link(name: str, short: bool = False) -> str:
    """A link where the site documents the name, else the name."""
    target = name.removeprefix("napari_grd.api.").removeprefix("napari_grd.")
    target = name if "." in target else f"napari_grd.api.{target}"
    shown = name.rsplit(".", 1)[-1] if short else name.removeprefix("napari_grd.api.").removeprefix("napari_grd.")
    return f'<autoref optional identifier="{target}">`{shown}`</autoref>'
