"""Inputs that are wrong in one place: bytes that are changed, cut, doubled or put elsewhere, values that are odd."""

import json
import random
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

ODD_TEXTS = (
    "9" * 5000, "-1", "1e999", "nan", "2001-02-30", "!!int ''", "!!binary x", "&a [*a]", "*a", "[" * 2000, "{" * 2000,
    "\0", "\udcff".encode(errors="surrogateescape").decode("latin-1"), "../../../tmp/x", "/etc/passwd", "a" * 70_000,
    "", " ", "null", "true", "? [1]\n: 2", "%YAML 1.1\n---", "<<: {a: 1}", "\\ud800", "'", '"', "=", ".", "..",
)  # fmt: skip
ODD_NUMBERS = (0, -1, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 2**63, 10**30, "", "x", "\0", "a" * 5000, [], {}, [[]], [None], {"": None}, "NaN",
    [1, 2, 3], [[0, 0], [1e9, 1e9]], "9999-12-31T23:59:59.999999+00:00", {"a": {"b": [1]}},
)  # fmt: skip


def mutated(good: bytes, count: int, *, structured: bool = False) -> Iterator[bytes]:
    """So many inputs that are wrong, the same ones each time; see :func:`mutation`."""
    for number in range(count):
        yield mutation(good, number, structured=structured)


def mutation(good: bytes, number: int, *, structured: bool = False) -> bytes:
    """One input that is wrong.

    Parameters
    ----------
    good : bytes
        What it is made of.
    number : int
        Which one.
    structured : bool
        Whether every other one is the JSON in it with another value.
    """
    rng = random.Random(number)
    if structured and number % 2:
        return _json(good, rng)
    text = good
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        text = rng.choice(_WAYS)(text, rng)
    return text


def _flip(text: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(text) or 1)
    return text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]


def _head(text: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(min(len(text), 64) or 1)
    return text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]


def _cut(text: bytes, rng: random.Random) -> bytes:
    return text[: rng.randrange(len(text) or 1)]


def _without(text: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(text) or 1)
    return text[:at] + text[at + rng.choice((1, 4, 64, 1000)) :]


def _again(text: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(text) or 1), rng.choice((1, 8, 100, 1000))
    return text[:at] + text[at : at + length] * rng.choice((2, 3, 50)) + text[at + length :]


def _word(text: bytes, rng: random.Random) -> bytes:
    words = list(re.finditer(rb"[\w.+-]+", text[:20_000]))
    odd = rng.choice(ODD_TEXTS).encode(errors="surrogatepass")
    if not words:
        return odd
    word = rng.choice(words)
    return text[: word.start()] + odd + text[word.end() :]


def _number(text: bytes, rng: random.Random) -> bytes:
    kind = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(kind)
    at = rng.randrange(max(1, min(len(text), rng.choice((64, 1000, 10**9))) - size))
    value = rng.choice(ODD_NUMBERS) % (1 << 8 * size)
    return text[:at] + struct.pack(kind, value) + text[at + size :]


def _zeros(text: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(text) or 1), rng.choice((1, 16, 500))
    return text[:at] + bytes(length) + text[at + length :]


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _head, _cut, _without, _again, _word, _number, _zeros,
)  # fmt: skip


def _json(good: bytes, rng: random.Random) -> bytes:
    """One of the lines with another value at one place, a name that is another, or much too deep."""
    lines = good.split(b"\n")
    at = rng.choice([number for number, line in enumerate(lines) if line.strip()])
    content = json.loads(lines[at])
    places = list(_places(content))
    if places:
        parent, key = rng.choice(places)
        action = rng.randrange(8)
        if action == 0:
            parent.pop(key)
        elif action == 1 and isinstance(parent, dict):
            parent[str(rng.choice(ODD_TEXTS))] = parent.pop(key)
        elif action == 2 and isinstance(parent, list):
            parent *= rng.choice((2, 1000))
        else:
            parent[key] = rng.choice((*ODD_VALUES, content))
    try:
        text = json.dumps(content).encode()
    except ValueError:  # it holds itself
        text = b"[" * 100_000
    return b"\n".join([*lines[:at], text, *lines[at + 1 :]])


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items):
        yield content, key
        yield from _places(value)
