"""Files of corrections: exact round trips, and every damage is named."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_grd.corrections import files as module
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import from_feature, save_corrections, to_feature
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Accept, Correction, Draw
from napari_grd.corrections.loading import load_corrections
from napari_grd.corrections.region import Region
from napari_grd.errors import CorrectionError, OutputError

NAME = "stack.grd-corrections.geojson"
Make = Callable[[], Corrections]


def test_every_kind_survives(one_of_each: Make, tmp_path: Path) -> None:
    made = one_of_each()
    assert len({one.kind for one in made}) == 11
    found = load_corrections(save_corrections(made, tmp_path / NAME), made.image)
    assert found == made
    assert found.entries == made.entries
    assert found.redo() == made.redo() == found.of_plane((2,))[0]


def test_round_trips_are_exact(image: ImageRef, any_corrections: st.SearchStrategy[list[Correction]]) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(any_corrections, st.integers(0, 3))
    def check(drawn: list[Correction], undone: int) -> None:
        made = Corrections(image, drawn)
        for _ in range(undone):
            made.undo()
        for entry in made.entries:
            feature = json.loads(json.dumps(to_feature(entry, image)))
            assert from_feature(feature, image, counts=entry.counts) == entry

    check()


def test_other_programs_find_plain_geojson(one_of_each: Make, tmp_path: Path) -> None:
    content = json.loads(save_corrections(one_of_each(), tmp_path / NAME).read_text(encoding="utf-8"))
    assert content["type"] == "FeatureCollection"
    pick = content["features"][0]
    outer, hole = pick["geometry"]["coordinates"]
    assert outer == [[5, 4], [8, 4], [8, 7], [5, 7], [5, 4]]
    assert sorted(hole[:-1]) == [[6, 5], [6, 6], [7, 5], [7, 6]]
    assert pick["geometry"]["plane"] == {"c": -1, "z": 1, "t": 0}
    assert pick["properties"]["pixel"] == [5, 4]
    assert pick["properties"]["classification"] == {"name": "Pick"}
    kinds = {one["properties"]["kind"]: one["geometry"]["type"] for one in content["features"]}
    assert kinds["remove"] == "MultiPolygon"
    assert kinds["cut"] == "LineString"
    assert kinds["split"] == "MultiPoint"


def test_a_polygon_of_another_program_is_taken(tmp_path: Path) -> None:
    made = Corrections(ImageRef((20, 20)), [Draw(Region([(3, 3, 2)]))])
    content = json.loads(save_corrections(made, tmp_path / NAME).read_text())
    feature = content["features"][0]
    feature["geometry"] = {"type": "Polygon", "coordinates": [[[0.2, 0.2], [9.7, 0.4], [4.1, 30.5], [0.2, 0.2]]]}
    del feature["properties"]["time"]
    feature["properties"]["measurements"] = {"Area": 3.5}
    (tmp_path / NAME).write_text(json.dumps(content))
    (found,) = load_corrections(tmp_path / NAME)
    assert found.area is not None
    assert (0, 4) in found.area
    assert found.area.box[2] == 20
    assert found.time is not None
    assert found.time.year == 1970


def test_another_image_is_refused(one_of_each: Make, tmp_path: Path) -> None:
    save_corrections(one_of_each(), tmp_path / NAME)
    with pytest.raises(CorrectionError, match=r"stack.grd.*24 x 32\), not of 'other' .*zyx: 3 x 24 x 33"):
        load_corrections(tmp_path / NAME, ImageRef((3, 24, 33), name="other"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorrectionError, match=r"nothing.geojson.*cannot be read"):
        load_corrections(tmp_path / "nothing.geojson")


def test_sizes_are_bounded(one_of_each: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_corrections(one_of_each(), tmp_path / NAME)
    before = path.read_bytes()
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(CorrectionError, match="more than 100 bytes"):
        load_corrections(path)
    with pytest.raises(OutputError, match="more than the 100"):
        save_corrections(one_of_each(), path)
    assert path.read_bytes() == before


def broken(change: Callable[[Any], object]) -> Callable[[Any], Any]:
    def apply(content: Any) -> Any:
        change(content)
        return content

    return apply


def first(name: str, value: object, part: str = "properties") -> Callable[[Any], Any]:
    return broken(lambda content: content["features"][0][part].update({name: value}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: [], "not a file of corrections"),
        (lambda content: {"type": "FeatureCollection", "features": []}, "not a file of corrections"),
        (broken(lambda c: c["napari_grd"].update(format=2)), "format is 2.*Update"),
        (broken(lambda c: c["napari_grd"].update(image=None)), "does not tell its image"),
        (broken(lambda c: c["napari_grd"]["image"].update(shape=[3, 24])), r"shape \[3, 24\]"),
        (broken(lambda c: c["napari_grd"]["image"].update(name=5)), "name or key is 5"),
        (broken(lambda c: c.update(features={})), "'features' is not a list"),
        (broken(lambda c: c["napari_grd"].update(undone=[1])), "undone 0: it is 1, not an object"),
        (broken(lambda c: c["features"].insert(2, None)), "features 2: it is None"),
        (broken(lambda c: c["features"][0].update(id="x")), "features 0: The id of the correction 'Pick' is 'x'"),
        (broken(lambda c: c["features"][0].update(properties=[])), "'properties' is"),
        (broken(lambda c: c["features"][0].update(geometry=None)), "'geometry' is None"),
        (first("kind", "wish"), "kind is 'wish'.*Known are pick"),
        (first("kind", ["pick"]), "kind is"),
        (first("plane", [7]), r"plane \(7,\)"),
        (first("plane", "1"), "'plane' is '1'"),
        (first("plane", [1.5]), r"plane of the correction 'Pick' is \[1.5\]"),
        (first("pixel", [5]), "pixel of the correction 'Pick'"),
        (first("pixel", None), "'pixel' is None"),
        (broken(lambda c: c["features"][0]["properties"].pop("pixel")), "has no 'pixel'"),
        (first("growth", "much"), "growth of the correction 'Pick' is 'much'"),
        (first("time", "yesterday"), "'time' is 'yesterday'"),
        (first("time", "9999-12-31"), "time of the correction 'Pick'"),
        (first("changed", "1969-12-31"), "before it was made"),
        (first("author", 5), "author of the correction 'Pick' is 5"),
        (first("type", "Point", "geometry"), "geometry is a 'Point'"),
        (first("coordinates", None, "geometry"), "'coordinates' is None"),
        (first("coordinates", [], "geometry"), "no pixel"),
        (first("coordinates", [[[0, 0], [1, 1]]], "geometry"), "2 positions"),
        (first("coordinates", [[[0, 0], [1, 1], [2]]], "geometry"), r"not all \[x, y\]"),
        (first("coordinates", [[["0", "0"], ["1", "1"], ["2", "0"]]], "geometry"), "finite numbers"),
        (first("coordinates", [[[0, 0], [1, 1], [1e300, 0]]], "geometry"), "finite numbers"),
        (first("coordinates", [[[0, 0], [1, 1], [10**400, 0]]], "geometry"), "not"),
        (first("coordinates", [[[0, 0], [1, None], [0, 1]]], "geometry"), "finite numbers"),
        (first("coordinates", [[[90, 90], [99, 90], [99, 99]]], "geometry"), "no pixel"),
        (broken(lambda c: c["features"][6]["geometry"]["coordinates"].pop()), "features 6: .*1 positions|has 1 points"),
        (broken(lambda c: c["features"][4]["geometry"].update(coordinates=[[1, 1]])), "1 positions"),
    ],
)
def test_damage_is_named(change: Callable[[Any], Any], words: str, one_of_each: Make, tmp_path: Path) -> None:
    content = json.loads(save_corrections(one_of_each(), tmp_path / NAME).read_text(encoding="utf-8"))
    (tmp_path / NAME).write_text(json.dumps(change(content)), encoding="utf-8")
    with pytest.raises(CorrectionError, match=f"stack.grd-corrections.geojson.*(?:{words})") as caught:
        load_corrections(tmp_path / NAME)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"napari_grd": NaN}', b'{"napari_grd": ' + b"9" * 9999 + b"}"]
)
def test_what_is_no_json_is_named(text: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(text)
    with pytest.raises(CorrectionError, match="not JSON"):
        load_corrections(tmp_path / NAME)


def test_no_damage_ends_in_another_error(one_of_each: Make, tmp_path: Path) -> None:
    text = save_corrections(one_of_each(), tmp_path / NAME).read_bytes()

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, len(text) - 1), st.binary(max_size=3), st.integers(0, 3))
    def check(at: int, inserted: bytes, removed: int) -> None:
        path = tmp_path / f"damaged-{NAME}"
        path.write_bytes(text[:at] + inserted + text[at + removed :])
        with suppress(CorrectionError):
            load_corrections(path)

    check()


def test_outlined_nuclei_are_small(tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :40] - 19.5
    disc = y**2 + x**2 < 400
    made = Corrections(ImageRef((1000, 1000)), [Accept((20, 20), Region.from_mask(disc, (i, i))) for i in range(50)])
    assert save_corrections(made, tmp_path / NAME).stat().st_size < 50 * 2000
