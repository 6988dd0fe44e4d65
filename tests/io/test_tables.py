import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from napari_grd.errors import GrdError, OutputError
from napari_grd.io import optional
from napari_grd.io.tables import write_csv, write_parquet, write_table


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_and_text_come_back(tmp_path: Path) -> None:
    columns = {"label": np.array([3, 7]), "area [µm²]": np.array([0.1, 1 / 3]), "kind": ["a, b", 'say "x"']}
    rows = read(write_csv(tmp_path / "table.csv", columns))
    assert [int(row["label"]) for row in rows] == [3, 7]
    assert [float(row["area [µm²]"]) for row in rows] == [0.1, 1 / 3]
    assert [row["kind"] for row in rows] == ["a, b", 'say "x"']


def test_a_unit_that_is_not_ascii_gets_the_mark_that_spreadsheets_need(tmp_path: Path) -> None:
    assert write_csv(tmp_path / "a.csv", {"area [µm²]": [1]}).read_bytes().startswith(b"\xef\xbb\xbf")
    assert write_csv(tmp_path / "b.csv", {"area [px]": [1]}).read_bytes().startswith(b"area")


def test_what_is_not_a_number_is_an_empty_cell(tmp_path: Path) -> None:
    (row,) = read(write_csv(tmp_path / "table.csv", {"a": [np.float64("nan")], "b": [None], "c": [0]}))
    assert row == {"a": "", "b": "", "c": "0"}


def test_where_the_numbers_come_from_lies_beside_them(tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", {"a": [1]}, made_by={"model": "nuclei", "unit": "µm"})
    beside = (tmp_path / "table.provenance.json").read_text(encoding="utf-8")
    digest = hashlib.sha256((tmp_path / "table.csv").read_bytes()).hexdigest()
    assert json.loads(beside) == {"model": "nuclei", "unit": "µm", "sha256": {"table.csv": digest}}


def test_columns_of_different_length_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_csv(tmp_path / "table.csv", {"a": [1], "b": [1, 2]}, made_by={})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no folder"):
        write_csv(tmp_path / "no" / "table.csv", {"a": [1]})


def test_pandas_reads_the_same_from_both(tmp_path: Path) -> None:
    columns = {
        "image": np.array(["a", "b ü"]),
        "label": np.array([3, 2**31], np.uint32),
        "area [µm²]": np.array([0.1, np.nan]),
    }
    made_by = {"version": "1", "unit": "µm"}
    table = pd.read_parquet(write_table(tmp_path / "a.parquet", columns, made_by=made_by))
    pd.testing.assert_frame_equal(table, pd.read_csv(write_table(tmp_path / "a.csv", columns)), check_dtype=False)
    assert table["label"].dtype == np.uint32
    assert list(table["image"]) == ["a", "b ü"]
    assert np.isnan(table["area [µm²]"][1])
    told = pyarrow.parquet.read_schema(tmp_path / "a.parquet").metadata[b"napari_grd"]
    beside = json.loads((tmp_path / "a.provenance.json").read_text("utf-8"))
    assert list(beside.pop("sha256")) == ["a.parquet"]
    assert json.loads(told) == beside == made_by


def test_a_name_that_tells_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'a.xlsx'.*\.csv or \.parquet"):
        write_table(tmp_path / "a.xlsx", {"a": [1]})


def test_without_pyarrow_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(optional.importlib, "import_module", missing)
    with pytest.raises(GrdError, match=r'pyarrow.*pip install "napari-grd\[parquet\]"'):
        write_parquet(tmp_path / "a.parquet", {"a": [1]})
    assert list(tmp_path.iterdir()) == []


def test_a_provenance_tells_which_tables_it_is_of(tmp_path: Path) -> None:
    def digests() -> list[str]:
        return sorted(json.loads((tmp_path / "a.provenance.json").read_bytes())["sha256"])

    write_csv(tmp_path / "a.csv", {"a": [1]}, made_by={"run": 1})
    write_parquet(tmp_path / "a.parquet", {"a": [1]}, made_by={"run": 1})
    assert digests() == ["a.csv", "a.parquet"]
    write_csv(tmp_path / "a.csv", {"a": [2]}, made_by={"run": 2})
    assert digests() == ["a.csv"]
    (tmp_path / "a.provenance.json").write_text("[")
    write_csv(tmp_path / "a.csv", {"a": [3]}, made_by={"run": 2})
    assert digests() == ["a.csv"]


def test_a_failure_leaves_table_and_provenance_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(tmp_path / "a.csv", {"a": [1]}, made_by={"run": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TypeError):
        write_csv(tmp_path / "a.csv", {"a": [2]}, made_by={"run": object()})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
