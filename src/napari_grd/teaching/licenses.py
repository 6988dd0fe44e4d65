"""Restrictions of licenses, for cards and warnings."""

import re

_RULES = (
    (r"-NC\b", "Non-commercial use only ({})."),
    (r"-ND\b", "Derived works may not be distributed ({})."),
    (r"^(A?GPL|CECILL-2)|-SA\b", "Derived works must be distributed under the same license ({})."),
)


def restrictions_of(license: str) -> str:
    """The restrictions of a license relevant for models, in one sentence; empty if there are none.

    Parameters
    ----------
    license : str
        Its SPDX identifier; empty if none is given.

    Examples
    --------
    >>> restrictions_of("CC-BY-NC-4.0")
    'Non-commercial use only (CC-BY-NC-4.0).'
    >>> restrictions_of("CC-BY-NC-ND-4.0")
    'Non-commercial use only, and derived works may not be distributed (CC-BY-NC-ND-4.0).'
    >>> restrictions_of("MIT")
    ''
    """
    if not license:
        return "No license is given, so only the authors may distribute it or derived works."
    restrictions = [
        text.removesuffix(" ({}).") for pattern, text in _RULES if re.search(pattern, license, re.IGNORECASE)
    ]
    if not restrictions:
        return ""
    rest = "".join(f", and {text[0].lower()}{text[1:]}" for text in restrictions[1:])
    return f"{restrictions[0]}{rest} ({license})."
