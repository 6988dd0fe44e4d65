"""GeoJSON for QuPath, read back with shapely."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_grd.api as grd
from napari_grd.io.calibration import Calibration


def features(path: Path) -> list[dict[str, Any]]:
    collection = json.loads(path.read_text("utf-8"))
    assert collection["type"] == "FeatureCollection"
    return list(collection["features"])


def shape_of(feature: dict[str, Any]) -> Any:
    return shapely.from_geojson(json.dumps({key: feature["geometry"][key] for key in ("type", "coordinates")}))


def filled(shape: Any, size: tuple[int, ...]) -> Any:
    y, x = np.indices(size)
    return shapely.contains_xy(shape, x + 0.5, y + 0.5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_geometry_is_valid_and_covers_its_object(planes: Any, data: st.DataObject) -> None:
    labels = data.draw(planes)
    with TemporaryDirectory() as folder:
        found = features(grd.export_objects(labels, Path(folder) / "a.geojson"))
    assert [int(feature["properties"]["name"]) for feature in found] == np.unique(labels[labels > 0]).tolist()
    for feature in found:
        shape = shape_of(feature)
        mask = labels == int(feature["properties"]["name"])
        assert shapely.is_valid(shape), shapely.is_valid_reason(shape)
        assert shape.area == mask.sum() == feature["properties"]["measurements"]["Area px^2"]
        np.testing.assert_array_equal(filled(shape, labels.shape), mask)
        for part in shapely.get_parts(shape):  # RFC 7946, 3.1.6
            assert shapely.is_ccw(part.exterior)
            assert not any(shapely.is_ccw(hole) for hole in part.interiors)


def test_what_qupath_reads(tmp_path: Path, drawn: Any) -> None:
    place = Calibration.of("yx", (0.5, 0.25), units=("micrometer", "micrometer"))
    path = grd.export_objects(
        drawn, tmp_path / "a.geojson", image="b.tif", calibration=place, class_name={3: "Tumor", 900: "Strömung"}
    )
    found = {feature["properties"]["name"]: feature for feature in features(path)}
    disc, ring, parts = found["3"], found["900"], found["12"]
    assert disc["properties"]["objectType"] == "detection"
    assert disc["properties"]["classification"] == {"name": "Tumor"}
    assert ring["properties"]["classification"] == {"name": "Strömung"}
    assert "classification" not in parts["properties"]
    assert disc["properties"]["measurements"]["Area µm^2"] == (drawn == 3).sum() / 8
    assert "plane" not in disc["geometry"]
    assert (ring["geometry"]["type"], len(ring["geometry"]["coordinates"])) == ("Polygon", 2)
    assert (parts["geometry"]["type"], len(parts["geometry"]["coordinates"])) == ("MultiPolygon", 2)
    ids = [UUID(feature["id"]) for feature in found.values()]
    assert len(set(ids)) == len(found) == 7
    again = grd.export_objects(drawn, tmp_path / "c.geojson", image=tmp_path / "b.tif")
    assert [UUID(feature["id"]) for feature in features(again)] == ids
    other = grd.export_objects(drawn, tmp_path / "c.geojson", image="other.tif")
    assert UUID(features(other)[0]["id"]) not in ids


def test_features_of_a_series_know_their_plane(tmp_path: Path) -> None:
    labels = np.zeros((2, 3, 4, 5), np.uint8)
    labels[1, 2, 1:3, 1:3] = 7
    labels[1, 1, 1:3, 1:3] = 7
    found = features(grd.export_objects(labels, tmp_path / "a.geojson"))
    assert [feature["geometry"]["plane"] for feature in found] == [
        {"c": -1, "z": 1, "t": 1},
        {"c": -1, "z": 2, "t": 1},
    ]
    assert found[0]["id"] != found[1]["id"]


def test_no_objects_are_an_empty_collection(tmp_path: Path) -> None:
    assert features(grd.export_objects(np.zeros((3, 4), int), tmp_path / "a.geojson")) == []
