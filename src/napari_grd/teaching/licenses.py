"""What a license forbids, for cards and warnings."""

import re

_RULES = (
    (r"-NC\b", "Non-commercial use only ({})."),
    (r"-ND\b", "What is made of it may not be passed on ({})."),
    (r"^(A?GPL|CECILL-2)|-SA\b", "What is made of it has to be passed on under the same license ({})."),
)


def restrictions_of(license: str) -> str:
    """What a license forbids, in one plain sentence; empty if nothing that matters here.

    Parameters
    ----------
    license : str
        Its SPDX identifier; empty if none is given.

    Examples
    --------
    >>> restrictions_of("CC-BY-NC-4.0")
    'Non-commercial use only (CC-BY-NC-4.0).'
    >>> restrictions_of("CC-BY-NC-ND-4.0")
    'Non-commercial use only, and what is made of it may not be passed on (CC-BY-NC-ND-4.0).'
    >>> restrictions_of("MIT")
    ''
    """
    if not license:
        return "No license is given, so nobody but its authors may pass it on, or what is made of it."
    found = [text.removesuffix(" ({}).") for pattern, text in _RULES if re.search(pattern, license, re.IGNORECASE)]
    if not found:
        return ""
    rest = "".join(f", and {text[0].lower()}{text[1:]}" for text in found[1:])
    return f"{found[0]}{rest} ({license})."
