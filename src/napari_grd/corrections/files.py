"""Corrections files: GeoJSON, see docs/corrections.md.

In GeoJSON coordinates are x, y, and the first pixel covers 0 to 1: the center
of pixel (y, x) is [x + 0.5, y + 0.5]. QuPath uses the same convention.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.collection import Corrections, Entry
from napari_grd.corrections.correction import MAX_POINTS, Correction
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import KINDS
from napari_grd.corrections.region import MAX_SIDE, Region, fill, polygons
from napari_grd.errors import CorrectionError, OutputError, naming
from napari_grd.io.atomic import atomic_path

SUFFIX = ".grd-corrections.geojson"
JOURNAL_SUFFIX = ".grd-corrections.journal"
FORMAT = 1
"""Grows when older versions of this package could misread a file."""

MAX_BYTES = 128 << 20
"""Size of a file; ten thousand outlined nuclei take about ten million."""
MAX_CORRECTIONS = 200_000

_REMEDY = "Compare it with docs/corrections.md, or ask for the original file."
_PARTS = ("properties", "geometry")
_PROPERTIES: dict[str, Callable[[Any], Any]] = {"pixel": lambda yx: list(yx[::-1]), "growth": float, "other": list}
"""What is written beside the geometry, pixels as x, y."""


def to_feature(entry: Entry, image: ImageRef) -> dict[str, Any]:
    """A correction as a GeoJSON feature.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from napari_grd.corrections.kinds import SplitLine
    >>> time = datetime(2026, 1, 1, tzinfo=UTC)
    >>> cut = SplitLine([(1, 2), (3, 2)], time=time)
    >>> to_feature(Entry(cut, True, time), ImageRef((8, 8)))["geometry"]
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
    for name, convert in _PROPERTIES.items():
        if (value := vars(correction).get(name)) is not None:
            properties[name] = convert(value)
    geometry = _geometry(correction)
    if correction.plane:
        geometry["plane"] = {"c": -1, "z": 0, "t": 0} | dict(zip(image.axes, correction.plane, strict=False))
    return {"type": "Feature", "id": correction.id, "geometry": geometry, "properties": properties}


def from_feature(feature: Any, image: ImageRef, *, counts: bool = True, order: int = 0) -> Entry:
    """The correction that a GeoJSON feature, parsed JSON whatever it is, describes; else a `CorrectionError` says why.

    Polygons are cut off at the edges of the image. ``order`` is the number of the feature: one without a time was made
    so many microseconds into 1970, in the order of the file.
    """
    properties, geometry = (_of_type(dict, _of_type(dict, feature, "it").get(name), repr(name)) for name in _PARTS)
    name = properties.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise CorrectionError(f"its kind is {name!r:.80}.", f"Known are {', '.join(KINDS)}.")
    kind = KINDS[name]
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=order)
    time = parse_time(properties, "time", time)
    values = {"id": feature.get("id"), "author": properties.get("author"), "time": time}
    values["plane"] = _of_type(list, properties.get("plane", []), "'plane'")
    if kind.geometry == "LineString":
        values["stroke"] = (_positions(geometry, MAX_POINTS) - 0.5)[:, ::-1].tolist()
    elif kind.geometry == "MultiPoint":
        values["first"], values["second"] = np.floor(_positions(geometry, 2)[:, ::-1]).astype(np.int64).tolist()
    else:
        values["region"] = _region(geometry, image.plane_shape)
    for field in fields(kind):
        if field.name in _PROPERTIES and field.name in properties:
            values[field.name] = value = properties[field.name]
            if field.name != "growth":
                values[field.name] = _PROPERTIES[field.name](_of_type(list, value, repr(field.name)))
        elif field.name in _PROPERTIES and field.default is MISSING:
            raise CorrectionError(f"it has no {field.name!r}.", _REMEDY)
    return Entry(kind(**values), counts, parse_time(properties, "changed", time))


def parse_time(content: dict[str, Any], name: str, default: datetime | None = None) -> datetime:
    """A time in ISO 8601 among parsed JSON; without a zone it is UTC."""
    if default is not None and name not in content:
        return default
    try:
        time = datetime.fromisoformat(content.get(name))  # type: ignore[arg-type]  # whatever it is
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        problem = f"its {name!r} is {content.get(name)!r:.80}."
        raise CorrectionError(problem, "Write it as 2026-01-31T12:00:00+00:00.") from None


def _geometry(correction: Correction) -> dict[str, Any]:
    if correction.area is not None:
        outlines = polygons(correction.area)
        single = len(outlines) == 1
        return {"type": "Polygon" if single else "MultiPolygon", "coordinates": outlines[0] if single else outlines}
    points = correction.line or [pixel for _, pixel in correction.places]
    return {"type": correction.geometry, "coordinates": [[x + 0.5, y + 0.5] for y, x in points]}


def _region(geometry: dict[str, Any], shape: tuple[int, int]) -> Region:
    kind, coordinates = geometry.get("type"), _of_type(list, geometry.get("coordinates"), "'coordinates'")
    if kind not in ("Polygon", "MultiPolygon"):
        raise CorrectionError(f"its geometry is a {kind!r:.80}.", "It has to be a Polygon or MultiPolygon.")
    runs: list[tuple[int, int, int]] = []
    for polygon in [coordinates] if kind == "Polygon" else coordinates:
        rings = [_as_positions(ring, 3, None) for ring in _of_type(list, polygon, "a polygon")]
        runs += fill(rings, shape) if rings else []
    if not runs:
        raise CorrectionError("it covers no pixel of the image.", "Coordinates are x, y in pixels; " + _REMEDY)
    return Region(runs)


def _positions(geometry: dict[str, Any], most: int) -> NDArray[np.float64]:
    kind = "MultiPoint" if most == 2 else "LineString"
    if geometry.get("type") != kind:
        raise CorrectionError(f"its geometry is a {geometry.get('type')!r:.80}.", f"It has to be a {kind}.")
    return _as_positions(geometry.get("coordinates"), 2, most)


def _as_positions(values: Any, least: int, most: int | None) -> NDArray[np.float64]:
    """Positions [x, y] (a height is left out), shape (N, 2)."""
    count = len(_of_type(list, values, "a list of positions"))
    try:
        positions = np.asarray(values)
    except (ValueError, OverflowError):
        positions = np.empty(0, object)
    if count < least or (most is not None and count > most):
        raise CorrectionError(f"it has a list of {count} positions.", f"There have to be {least} to {most}.")
    if positions.ndim != 2 or positions.shape[1] not in (2, 3):
        raise CorrectionError("its positions are not all [x, y].", _REMEDY)
    if positions.dtype.kind not in "iuf" or not (np.abs(positions.astype(np.float64)) <= MAX_SIDE).all():
        raise CorrectionError("its positions are not of finite numbers within any image.", _REMEDY)
    return positions[:, :2].astype(np.float64)


def _of_type(kind: type, value: Any, what: str) -> Any:
    if not isinstance(value, kind):
        name = "an object" if kind is dict else "a list"
        raise CorrectionError(f"{what} is {value!r:.80}, not {name}.", _REMEDY)
    return value


def save_corrections(corrections: Corrections, path: str | Path) -> Path:
    """Write corrections to a file, whole or not at all.

    Undone ones are kept aside in it, so that redo works after loading and
    merging does not bring them back.

    Parameters
    ----------
    corrections : Corrections
        Of one image.
    path : str or Path
        By convention it ends in :data:`SUFFIX`. A file of that name is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If it cannot be written.

    See Also
    --------
    load_corrections : Read the file.

    Examples
    --------
    >>> from napari_grd.corrections.loading import load_corrections
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.corrections.kinds import Merge
    >>> made = Corrections(ImageRef((64, 64)), [Merge([(5, 5), (5, 20)])])
    >>> with TemporaryDirectory() as folder:
    ...     load_corrections(save_corrections(made, Path(folder) / f"cells{SUFFIX}")) == made
    True
    """
    path = Path(path)
    features: dict[bool, list[Any]] = {True: [], False: []}
    for entry in corrections.entries:
        features[entry.counts].append(to_feature(entry, corrections.image))
    content = {
        "type": "FeatureCollection",
        "napari_grd": header(corrections.image) | {"undone": features[False]},
        "features": features[True],
    }
    text = to_json(content) + b"\n"
    if len(text) > MAX_BYTES:
        raise OutputError(
            f"{str(path)!r} would take {len(text)} bytes, more than the {MAX_BYTES} that are read.", "Split the work."
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(text)
    return path


def read_limited(path: Path, suffix: str) -> bytes:
    """The content of a file of corrections, unless it is too large."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CorrectionError(
            f"{str(path)!r} cannot be read ({error.strerror or error}).", f"Pass a file that ends in {suffix}."
        ) from None
    if len(text) > MAX_BYTES:
        raise CorrectionError(f"{str(path)!r} has more than {MAX_BYTES} bytes.", "No file of corrections is so large.")
    return text


def header(image: ImageRef) -> dict[str, Any]:
    """Format and image as recorded in a file or journal, readable by :func:`read_header`."""
    identity = {"axes": image.axes, "shape": list(image.shape), "name": image.name, "key": image.key}
    return {"format": FORMAT, "image": {name: value for name, value in identity.items() if value is not None}}


def read_header(content: dict[str, Any]) -> ImageRef:
    """The image that parsed JSON describes, in the format of today."""
    if content.get("format") != FORMAT:
        problem = f"its format is {content.get('format')!r:.80}, this version reads {FORMAT}."
        raise CorrectionError(problem, "Update napari-grd.")
    image = content.get("image")
    if not isinstance(image, dict) or not isinstance(image.get("axes"), str):
        raise CorrectionError(f"it does not tell its image ({image!r:.80}).", _REMEDY)
    return ImageRef(image.get("shape", ()), image["axes"], image.get("name"), image.get("key"))


def to_json(content: Any) -> bytes:
    """Compact JSON, in one line."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def parse_json(text: bytes) -> Any:
    """JSON from a stranger; a `CorrectionError` if it is none, or nested too deeply."""
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CorrectionError(f"it is not JSON ({error!s:.80}).", _REMEDY) from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def read_geojson(path: Path, image: ImageRef | None) -> Corrections:
    """The corrections of a GeoJSON file, see :func:`~napari_grd.corrections.loading.load_corrections`."""
    text = read_limited(path, SUFFIX)
    with naming(repr(str(path))):
        content = parse_json(text)
        ours = content.get("napari_grd") if isinstance(content, dict) else None
        if not isinstance(ours, dict):
            raise CorrectionError("it is not a file of corrections.", f"Pass a file that ends in {SUFFIX}.")
        own = read_header(ours)
        corrections = Corrections(own if image is None else own.merged(image))
        lists = [(True, "features", content.get("features")), (False, "undone", ours.get("undone", []))]
        for counts, name, features in lists:
            if not isinstance(features, list) or len(features) > MAX_CORRECTIONS:
                raise CorrectionError(f"its {name!r} is not a list of at most {MAX_CORRECTIONS}.", _REMEDY)
            for index, feature in enumerate(features):
                with naming(f"{name} {index}"):
                    corrections.put(from_feature(feature, corrections.image, counts=counts, order=index))
    return corrections
