"""Units of length and time: conversion of spellings in files to those of OME-Zarr."""

LENGTHS = {
    "angstrom": "Å",
    "picometer": "pm",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "inch": "in",
}
MICROMETERS = {
    "angstrom": 1e-4,
    "picometer": 1e-6,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
    "inch": 25_400.0,
}
"""Units of length in meters."""
TIMES = {
    "nanosecond": "ns",
    "microsecond": "µs",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
}
SECONDS = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
}
"""Units of time in seconds."""
_OTHERS = {
    "um": "micrometer",
    "μm": "micrometer",  # the Greek letter, beside the sign for micro above
    "micron": "micrometer",
    "micrometer": "micrometer",
    "nanometre": "nanometer",
    "millimetre": "millimeter",
    "centimetre": "centimeter",
    "metre": "meter",
    "in.": "inch",
    "inche": "inch",
    "ångström": "angstrom",
    "sec": "second",
    "msec": "millisecond",
    "us": "microsecond",
    "μs": "microsecond",
    "hr": "hour",
}
# All that the specification lists.
_SMALL = ("yocto", "zepto", "atto", "femto", "pico", "nano", "micro", "milli", "centi", "deci")
_LARGE = ("hecto", "kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta")
_LISTED = [*LENGTHS, *TIMES, "foot", "yard", "mile", "parsec"]
_LISTED += [prefix + unit for prefix in (*_SMALL, *_LARGE) for unit in ("meter", "second")]
_KNOWN = (
    {name: name for name in _LISTED} | {symbol.lower(): name for name, symbol in (LENGTHS | TIMES).items()} | _OTHERS
)


def unit_name(text: str | None) -> str | None:
    """A unit as spelled in OME-Zarr; None if it is not a unit of length or time.

    Examples
    --------
    >>> [unit_name(text) for text in ("µm", "microns", "um", "sec", "pixel", None)]
    ['micrometer', 'micrometer', 'micrometer', 'second', None, None]
    """
    text = (text or "").strip().strip("\0").lower()
    text = text.encode().decode("unicode_escape", "replace").lower() if "\\u00" in text else text  # ImageJ's "\u00B5m"
    return _KNOWN.get(text) or _KNOWN.get(text.removesuffix("s"))
