"""Objects as GeoJSON for QuPath."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from napari_grd.io.atomic import atomic_path
from napari_grd.io.objects.source import LabelSource
from napari_grd.jobs import Job, Stopwatch


def iter_write_geojson(path: str | Path, source: LabelSource, class_of: Callable[[int], str]) -> Job[Path]:
    """Write a FeatureCollection of detections.

    Each feature is an object of one plane: a Polygon or MultiPolygon in pixels of the image, with the plane in QuPath's
    form (``{"c": -1, "z": 0, "t": 0}``, zero-based), its class, its label as name, and its area. Ids depend only on
    image, label and plane.

    Parameters
    ----------
    path : str or Path
        The file.
    source : LabelSource
        The labels.
    class_of : callable
        The class of an object by its label; "" for none.

    Raises
    ------
    LabelError
        If a plane contains invalid labels.
    OutputError
        If the file cannot be written.
    """
    planes = source.planes()
    watch = Stopwatch("Writing GeoJSON", len(planes))
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        comma = "\n"
        for done, plane in enumerate(planes):
            yield watch.progress(done)
            for feature in _features(source, plane, class_of):
                file.write(comma + json.dumps(feature, ensure_ascii=False))
                comma = ",\n"
        file.write("\n]}\n")
    yield watch.progress(len(planes))
    return Path(path)


def _features(
    source: LabelSource, plane: Mapping[str, int], class_of: Callable[[int], str]
) -> Iterator[dict[str, Any]]:
    # QuPath's -1 is "all channels".
    place = {"c": plane.get("c", -1), "z": plane.get("z", 0), "t": plane.get("t", 0)}
    for segmented in source.objects(plane):
        polygons = [[ring.tolist() for ring in polygon] for polygon in segmented.polygons]
        geometry: dict[str, Any] = (
            {"type": "Polygon", "coordinates": polygons[0]}
            if len(polygons) == 1
            else {"type": "MultiPolygon", "coordinates": polygons}
        )
        if plane:
            geometry["plane"] = place
        properties: dict[str, Any] = {"objectType": "detection", "name": str(segmented.label)}
        if name := class_of(segmented.label):
            properties["classification"] = {"name": name}
        properties["measurements"] = {"Area px^2": segmented.area}
        if source.micrometers is not None:
            height, width = source.micrometers
            properties["measurements"]["Area µm^2"] = segmented.area * height * width
        key = f"napari-grd:{source.image}:{segmented.label}:{place['c']}:{place['z']}:{place['t']}"
        yield {
            "type": "Feature",
            "id": str(uuid5(NAMESPACE_URL, key)),
            "geometry": geometry,
            "properties": properties,
        }
