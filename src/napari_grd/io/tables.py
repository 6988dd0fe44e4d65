"""Tables as CSV files."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_grd.io.atomic import atomic_path


def write_csv(
    path: str | Path, columns: Mapping[str, Iterable[Any]], *, made_by: Mapping[str, Any] | None = None
) -> Path:
    """Write a table, one column an entry.

    The file opens as it is in a spreadsheet and in ``pandas.read_csv``: it has
    one line of headings and no comments. Where the numbers come from is
    therefore written beside it, to ``<name>.provenance.json``.

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
    if made_by is not None:
        with atomic_path(path.with_suffix(".provenance.json")) as temporary:
            temporary.write_text(json.dumps(made_by, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    with atomic_path(path) as temporary:
        # Excel reads "µm" right only behind a byte order mark.
        temporary.write_text(table, encoding="utf-8" if table.isascii() else "utf-8-sig")
    return path
