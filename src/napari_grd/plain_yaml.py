"""A restricted YAML reader for untrusted settings and package descriptions.

YAML can expand without bound: by aliases, by merge keys, by depth. Here it is read with limits, without tags and merge
keys, and with the few plain types of YAML 1.2, so that a digest or a date stays the text that it is.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_BYTES = 1 << 18
"""Maximum length of a text; the settings of a distillation have 3,000 bytes, the largest descriptions of the zoo
40,000.
"""
MAX_NODES, MAX_DEPTH = 50_000, 50
"""Maximum number of values with aliases expanded, and maximum nesting depth."""


class YamlProblem(ValueError):
    """A text that is not accepted; its message completes a sentence that names the text: "is cut off"."""


def parse(text: bytes | str) -> Any:
    """Read a YAML text.

    Parameters
    ----------
    text : bytes or str
        UTF-8 or UTF-16, as YAML has it.

    Returns
    -------
    object
        Dictionaries with keys of text or numbers, lists, texts, numbers, booleans, None.

    Raises
    ------
    YamlProblem
        If it is not YAML, has tags or duplicate keys, or is too long, too deep or too large when expanded.

    Examples
    --------
    >>> parse("eps: 1e-6\\ndate: 2020-01-01\\nsize: 3")
    {'eps': 1e-06, 'date': '2020-01-01', 'size': 3}
    >>> parse("a: 1\\na: 2")
    Traceback (most recent call last):
    napari_grd.plain_yaml.YamlProblem: names 'a' twice (line 2)
    """
    if len(text) > MAX_BYTES:
        raise YamlProblem(f"is longer than {MAX_BYTES} bytes")
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _expanded(root, {})
        return loader.construct_document(root)
    except YamlProblem:
        raise
    except (yaml.YAMLError, ValueError, UnicodeError) as error:
        raise YamlProblem(f"is not YAML ({_reason(error)})") from None
    finally:
        if loader is not None:
            loader.dispose()


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain types only: null, true and false, decimal numbers, text."""

    _depth = 0
    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """The base's method with early limits."""
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            raise YamlProblem(f"has the tag {event.tag[:40]!r}{_line(event.start_mark)}, and tags are not read")
        self._depth += 1
        self._nodes += 1
        if self._depth > MAX_DEPTH:
            raise YamlProblem(f"is nested deeper than {MAX_DEPTH} levels")
        if self._nodes > MAX_NODES:
            raise YamlProblem(f"expands to more than {MAX_NODES} values")
        node: yaml.Node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Rejects duplicate keys; "<<" is an ordinary key."""
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlProblem(f"has a key that is not a text{_line(key_node.start_mark)}")
            key = self.construct_object(key_node, deep=True)
            if key in mapping:
                raise YamlProblem(f"names {str(key)[:40]!r} twice{_line(key_node.start_mark)}")
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]{0,30})", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,9})?|[-+]?\.(inf|Inf)|\.(nan|NaN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^({_pattern})\Z"), _first)


def _expanded(node: yaml.Node, counts: dict[int, int]) -> int:
    """Number of nodes below a node with aliases expanded; depth was bounded before."""
    if id(node) not in counts:
        counts[id(node)] = MAX_NODES  # the count for an alias to an enclosing node
        children: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        counts[id(node)] = 1 + sum(_expanded(child, counts) for child in children)
    if counts[id(node)] > MAX_NODES:
        raise YamlProblem(f"expands to more than {MAX_NODES} values")
    return counts[id(node)]


def _line(mark: Any) -> str:
    return f" (line {mark.line + 1})"


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return f"{error.problem or error.context}{_line(mark) if mark else ''}"[:200]
    return (str(error) or type(error).__name__).splitlines()[0][:200]
