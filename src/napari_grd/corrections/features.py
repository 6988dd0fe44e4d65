"""Corrections as GeoJSON features, and back from whoever wrote them.

In GeoJSON coordinates are x, y, and the first pixel covers 0 to 1: the center
of pixel (y, x) is [x + 0.5, y + 0.5]. QuPath counts in the same way.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.collection import Entry
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import KINDS, Cut, Join, Link, Pick, Split, Unlink
from napari_grd.corrections.outline import fill, polygons
from napari_grd.corrections.region import MAX_SIDE, Region
from napari_grd.corrections.values import MAX_POINTS
from napari_grd.errors import CorrectionError

_REMEDY = "Compare it with docs/corrections.md, or ask for the original file."


def to_feature(entry: Entry, image: ImageRef) -> dict[str, Any]:
    """A correction as a GeoJSON feature.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> cut = Cut([(1, 2), (3, 2)], time=at)
    >>> to_feature(Entry(cut, True, at), ImageRef((8, 8)))["geometry"]
    {'type': 'LineString', 'coordinates': [[2.5, 1.5], [2.5, 3.5]]}
    """
    correction = entry.correction
    properties: dict[str, Any] = {
        "kind": correction.kind,
        "plane": list(correction.plane),
        "time": entry.time.isoformat(),
        # What QuPath shows the feature as.
        "objectType": "annotation",
        "classification": {"name": correction.kind.capitalize()},
    }
    if entry.changed != entry.time:
        properties["changed"] = entry.changed.isoformat()
    if correction.author is not None:
        properties["author"] = correction.author
    if correction.area is not None and correction.pixels:
        properties["pixel"] = list(correction.pixels[0][::-1])
    if isinstance(correction, Pick):
        properties["growth"] = correction.growth
    if isinstance(correction, Link | Unlink):
        properties["other"] = list(correction.other)
    geometry = _geometry(correction)
    if correction.plane:
        geometry["plane"] = {"c": -1, "z": 0, "t": 0} | dict(zip(image.axes, correction.plane, strict=False))
    return {"type": "Feature", "id": correction.id, "geometry": geometry, "properties": properties}


def from_feature(feature: Any, image: ImageRef, *, counts: bool = True, order: int = 0) -> Entry:
    """The correction that a GeoJSON feature describes.

    Parameters
    ----------
    feature : object
        Parsed JSON, whatever it is.
    image : ImageRef
        The image; polygons are cut off at its edges.
    counts : bool
        Whether the correction counts, or was undone.
    order : int
        Which feature it is. One without a time was made so many microseconds into 1970: in the order of the file.

    Raises
    ------
    CorrectionError
        If it describes none, saying why.
    """
    feature = _object(feature, "it")
    properties = _object(feature.get("properties"), "'properties'")
    geometry = _object(feature.get("geometry"), "'geometry'")
    name = properties.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise CorrectionError(f"its kind is {name!r:.80}.", f"Known are {', '.join(KINDS)}.")
    kind = KINDS[name]
    time = _time(properties, "time") or datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=order)
    values: dict[str, Any] = {
        "id": feature.get("id"),
        "plane": _list(properties.get("plane", []), "'plane'"),
        "author": properties.get("author"),
        "time": time,
    }
    if issubclass(kind, Join | Cut):
        values["stroke"] = (_points(geometry, "LineString") - 0.5)[:, ::-1].tolist()
    elif issubclass(kind, Split | Link | Unlink):
        pixels = np.floor(_points(geometry, "MultiPoint")[:, ::-1]).astype(np.int64).tolist()
        if len(pixels) != 2:
            raise CorrectionError(f"it has {len(pixels)} points.", f"A correction {name!r} has two.")
        values["first"], values["second"] = pixels
        if issubclass(kind, Link | Unlink):
            values["other"] = _list(properties.get("other"), "'other'")
    else:
        values["region"] = _region(geometry, image.plane_shape)
        if "pixel" in properties:
            values["pixel"] = _list(properties["pixel"], "'pixel'")[::-1]
        elif kind.__dataclass_fields__["pixel"].default is not None:
            raise CorrectionError("it has no 'pixel'.", _REMEDY)
        if kind is Pick and "growth" in properties:
            values["growth"] = properties["growth"]
    return Entry(kind(**values), counts, _time(properties, "changed") or time)


def parse_time(text: Any, name: str) -> datetime:
    """A time from ISO 8601; without a zone it is UTC.

    Raises
    ------
    CorrectionError
        If it is none; ``name`` tells which.
    """
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise CorrectionError(f"its {name!r} is {text!r:.80}.", "Write it as 2026-01-31T12:00:00+00:00.") from None


def _geometry(correction: Any) -> dict[str, Any]:
    if isinstance(correction, Join | Cut):
        return {"type": "LineString", "coordinates": [[x + 0.5, y + 0.5] for y, x in correction.stroke]}
    if isinstance(correction, Split | Link | Unlink):
        return {"type": "MultiPoint", "coordinates": [[x + 0.5, y + 0.5] for _, (y, x) in correction.places]}
    found = polygons(correction.region)
    if len(found) == 1:
        return {"type": "Polygon", "coordinates": found[0]}
    return {"type": "MultiPolygon", "coordinates": found}


def _region(geometry: Mapping[str, Any], shape: tuple[int, int]) -> Region:
    kind, coordinates = geometry.get("type"), _list(geometry.get("coordinates"), "'coordinates'")
    if kind not in ("Polygon", "MultiPolygon"):
        raise CorrectionError(f"its geometry is a {kind!r:.80}.", "It has to be a Polygon or MultiPolygon.")
    found: list[tuple[int, int, int]] = []
    for polygon in [coordinates] if kind == "Polygon" else coordinates:
        rings = [_positions(ring, 3, None) for ring in _list(polygon, "a polygon")]
        found += fill(rings, shape) if rings else []
    if not found:
        raise CorrectionError("it covers no pixel of the image.", "Coordinates are x, y in pixels; " + _REMEDY)
    return Region(found)


def _points(geometry: Mapping[str, Any], kind: str) -> NDArray[np.float64]:
    if geometry.get("type") != kind:
        raise CorrectionError(f"its geometry is a {geometry.get('type')!r:.80}.", f"It has to be a {kind}.")
    return _positions(geometry.get("coordinates"), 2, MAX_POINTS)


def _positions(values: Any, least: int, most: int | None) -> NDArray[np.float64]:
    """Positions [x, y] (a height is left out), shape (N, 2)."""
    given: Sequence[Any] = _list(values, "a list of positions")
    try:
        found = np.asarray(given)
    except (ValueError, OverflowError):
        found = np.empty(0, object)
    if len(given) < least or (most is not None and len(given) > most):
        raise CorrectionError(f"it has a list of {len(given)} positions.", f"There have to be {least} to {most}.")
    if found.ndim != 2 or found.shape[1] not in (2, 3):
        raise CorrectionError("its positions are not all [x, y].", _REMEDY)
    if found.dtype.kind not in "iuf" or not (np.abs(found.astype(np.float64)) <= MAX_SIDE).all():
        raise CorrectionError("its positions are not of finite numbers within any image.", _REMEDY)
    return found[:, :2].astype(np.float64)


def _time(properties: Mapping[str, Any], name: str) -> datetime | None:
    return parse_time(properties[name], name) if name in properties else None


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CorrectionError(f"{what} is {value!r:.80}, not an object.", _REMEDY)
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise CorrectionError(f"{what} is {value!r:.80}, not a list.", _REMEDY)
    return value
