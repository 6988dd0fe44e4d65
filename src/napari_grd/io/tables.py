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

_DIGESTS = "sha256"  # of the tables, in their provenance


def write_csv(
    path: str | Path, columns: Mapping[str, Iterable[Any]], *, made_by: Mapping[str, Any] | None = None
) -> Path:
    """Write a table, one column an entry.

    The file opens as it is in a spreadsheet and in ``pandas.read_csv``: it has
    one line of headings and no comments. Where the numbers come from is
    therefore written beside it, to ``<name>.provenance.json``, with the SHA-256
    of the table it is about; both are there, or neither.

    Parameters
    ----------
    path : str or Path
        The file; its folder has to exist.
    columns : mapping of str to array or sequence
        Heading and values; all of one length. None and NaN become empty cells.
    made_by : mapping, optional
        What to write beside the table, fit for JSON.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If a file cannot be written. The table is then not there, or as it was before.

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
    # NaN is the one value that differs from itself.
    writer.writerows(
        ["" if cell is None or cell != cell else cell for cell in row] for row in zip(*columns.values(), strict=True)
    )
    table = text.getvalue()
    with _with_provenance(path, made_by) as temporary:
        # Excel reads "µm" right only behind a byte order mark.
        temporary.write_text(table, encoding="utf-8" if table.isascii() else "utf-8-sig")
    return path


def write_parquet(
    path: str | Path, columns: Mapping[str, Iterable[Any]], *, made_by: Mapping[str, Any] | None = None
) -> Path:
    """Write a table as Parquet: types are kept, and it is read several times faster than CSV.

    Parameters
    ----------
    path, columns, made_by
        As for :func:`write_csv`. Missing numbers become null. What is said of
        the table's making also stands in the file itself, under the key
        "napari_grd" of its metadata.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    GrdError
        If pyarrow is not installed.
    OutputError
        If a file cannot be written. The table is then not there, or as it was before.

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
"""What the name of a table's file may end in."""


def write_table(
    path: str | Path, columns: Mapping[str, Iterable[Any]], *, made_by: Mapping[str, Any] | None = None
) -> Path:
    """Write a table as CSV or Parquet, as the file's name tells; see :func:`write_csv` and :func:`write_parquet`.

    Raises
    ------
    OutputError
        If the name ends in neither, or a file cannot be written.
    GrdError
        If the package for Parquet is not installed.
    """
    check_table_name(path)
    write = write_parquet if Path(path).suffix.lower() == ".parquet" else write_csv
    return write(path, columns, made_by=made_by)


def check_table_name(path: str | Path) -> None:
    """Find out before the work is done whether a table can be written under a name.

    Raises
    ------
    OutputError
        If the name does not tell a format.
    GrdError
        If the package for it is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise OutputError(f"The name {Path(path).name!r} is not one of a table.", "Let it end in .csv or .parquet.")
    if suffix == ".parquet":
        require("pyarrow", "Parquet", "parquet")


@contextmanager
def _with_provenance(path: Path, made_by: Mapping[str, Any] | None) -> Iterator[Path]:
    """:func:`atomic_path` for a table, together with what is said of its making."""
    if made_by is None:
        with atomic_path(path) as temporary:
            yield temporary
        return
    beside = path.with_suffix(".provenance.json")
    with atomic_paths(path, beside) as (temporary, provenance):
        yield temporary
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        told = {**made_by, _DIGESTS: _digests(beside, made_by) | {path.name: digest}}
        provenance.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _digests(beside: Path, made_by: Mapping[str, Any]) -> dict[str, str]:
    """The digests of tables of the same making: one may be saved in two formats."""
    try:
        told = json.loads(beside.read_bytes())
        digests = told.pop(_DIGESTS)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}
    same = told == json.loads(json.dumps(made_by)) and isinstance(digests, dict)
    return digests if same else {}
