"""Tables as CSV and Parquet files."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_grd.errors import OutputError
from napari_grd.io.atomic import atomic_path, atomic_paths
from napari_grd.io.optional import require

_DIGESTS = "sha256"  # key of the tables' digests in their provenance


def write_csv(
    path: str | Path, columns: Mapping[str, Iterable[Any]], *, made_by: Mapping[str, Any] | None = None
) -> Path:
    """Write a table as CSV, one column per entry.

    The file can be opened in a spreadsheet and by ``pandas.read_csv``: it has one header line and no comments. The
    provenance is therefore written beside it, to ``<name>.provenance.json``, with the SHA-256 of the table; both files
    are written, or neither.

    Parameters
    ----------
    path : str or Path
        The file; its folder must exist.
    columns : mapping of str to array or sequence
        Heading and values; all of one length. None and NaN become empty cells.
    made_by : mapping, optional
        Provenance to write beside the table, JSON-compatible.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If a file cannot be written. The table is then missing, or unchanged.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_csv(Path(folder) / "cells.csv", {"label": [1, 2], "area": [3.5, float("nan")]}).read_text()
    'label,area\\n1,3.5\\n2,\\n'
    """
    path = Path(path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    # Only NaN differs from itself.
    writer.writerows(
        ["" if cell is None or cell != cell else cell for cell in row] for row in zip(*columns.values(), strict=True)
    )
    table = text.getvalue()
    with _with_provenance(path, made_by) as temporary:
        # Excel needs a byte order mark to read "µm".
        temporary.write_text(table, encoding="utf-8" if table.isascii() else "utf-8-sig")
    return path


def write_parquet(
    path: str | Path, columns: Mapping[str, Iterable[Any]], *, made_by: Mapping[str, Any] | None = None
) -> Path:
    """Write a table as Parquet: it keeps types, and is read several times faster than CSV.

    Parameters
    ----------
    path, columns, made_by
        As for :func:`write_csv`. Missing numbers become null. The provenance is also stored in the file itself, under
        the key "napari_grd" of its metadata.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    GrdError
        If pyarrow is not installed.
    OutputError
        If a file cannot be written. The table is then missing, or unchanged.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> with TemporaryDirectory() as folder:
    ...     pd.read_parquet(write_parquet(Path(folder) / "cells.parquet", {"label": [1, 2], "area": [3.5, 2.0]})).shape
    (2, 2)
    """
    pyarrow = require("pyarrow", "Parquet", "parquet")
    parquet = require("pyarrow.parquet", "Parquet", "parquet")
    path = Path(path)
    arrays = {name: pyarrow.array(np.asarray(values), from_pandas=True) for name, values in columns.items()}
    table = pyarrow.table(arrays)
    if made_by is not None:
        table = table.replace_schema_metadata({"napari_grd": json.dumps(made_by, ensure_ascii=False)})
    with _with_provenance(path, made_by) as temporary:
        parquet.write_table(table, temporary)
    return path


TABLE_SUFFIXES = (".csv", ".parquet")
"""Suffixes of table files."""


def write_table(
    path: str | Path, columns: Mapping[str, Iterable[Any]], *, made_by: Mapping[str, Any] | None = None
) -> Path:
    """Write a table as CSV or Parquet, depending on the suffix; see :func:`write_csv` and :func:`write_parquet`.

    Raises
    ------
    OutputError
        If the suffix is neither, or a file cannot be written.
    GrdError
        If the package for Parquet is not installed.
    """
    check_table_name(path)
    write = write_parquet if Path(path).suffix.lower() == ".parquet" else write_csv
    return write(path, columns, made_by=made_by)


def check_table_name(path: str | Path) -> None:
    """Check in advance whether a table can be written under a name.

    Raises
    ------
    OutputError
        If the suffix is unknown.
    GrdError
        If the package for it is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise OutputError(f"The name {Path(path).name!r} is not that of a table.", "Use the suffix .csv or .parquet.")
    if suffix == ".parquet":
        require("pyarrow", "Parquet", "parquet")


@contextmanager
def _with_provenance(path: Path, made_by: Mapping[str, Any] | None) -> Iterator[Path]:
    """:func:`atomic_path` for a table and its provenance."""
    if made_by is None:
        with atomic_path(path) as temporary:
            yield temporary
        return
    beside = path.with_suffix(".provenance.json")
    with atomic_paths(path, beside) as (temporary, provenance):
        yield temporary
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        content = {**made_by, _DIGESTS: _digests(beside, made_by) | {path.name: digest}}
        provenance.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _digests(beside: Path, made_by: Mapping[str, Any]) -> dict[str, str]:
    """The digests of tables with the same provenance: one may be saved in two formats."""
    try:
        content = json.loads(beside.read_bytes())
        digests = content.pop(_DIGESTS)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}
    same = content == json.loads(json.dumps(made_by)) and isinstance(digests, dict)
    return digests if same else {}
