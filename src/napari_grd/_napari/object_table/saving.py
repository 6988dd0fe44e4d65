"""Tables and objects to files, on behalf of a panel."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from napari_grd._napari.panel import Panel
from napari_grd._napari.worker import run_call, run_job
from napari_grd.io.tables import TABLE_SUFFIXES, write_table
from napari_grd.jobs import Job

TABLES = {"CSV (*.csv)": ".csv", "Parquet (*.parquet)": ".parquet"}
OBJECTS = {"ImageJ ROIs (*.zip)": ".zip", "GeoJSON for QuPath (*.geojson)": ".geojson", "COCO (*.json)": ".json"}
"""What the file dialog offers: text to suffix."""


def ask_for_file(panel: Panel, name: str, filters: Mapping[str, str]) -> str | None:
    """Let the user choose a file; None if they think better of it.

    Parameters
    ----------
    panel : Panel
        Parent of the dialog.
    name : str
        Proposed, without suffix.
    filters : mapping of str to str
        Text of each kind of file to its suffix; the first is proposed.
    """
    proposed = next(iter(filters.values()))
    path, chosen = QFileDialog.getSaveFileName(panel, "Save", f"{name}{proposed}", ";;".join(filters))
    return with_suffix(path, filters.get(chosen, proposed), filters) if path else None


def with_suffix(path: str, chosen: str, filters: Mapping[str, str]) -> str:
    """The name with the suffix that is meant.

    Examples
    --------
    >>> with_suffix("a.csv", ".parquet", TABLES), with_suffix("a.parquet", ".csv", TABLES), with_suffix("a", ".csv", {})
    ('a.parquet', 'a.parquet', 'a.csv')
    """
    proposed, *others = filters.values() or [chosen]
    if path.lower().endswith((chosen, *others)):
        return path
    # A dialog keeps the suffix of the name it began with, whatever format was chosen then.
    return path.removesuffix(proposed) + chosen


def save_table(panel: Panel, path: str | Path, columns: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
    """Write a table in a worker; the panel says how it went."""

    def written(file: Path) -> None:
        panel.say(f"Saved {file.name}, and {file.stem}.provenance.json beside it.")

    panel.track(
        run_call(lambda: write_table(path, columns, made_by=made_by), on_done=written, on_error=panel.show_error)
    )


def save_objects(panel: Panel, path: str | Path, make: Callable[[str | Path], Job[Path]]) -> None:
    """Write objects in a worker; the panel says how it went."""
    panel.say("Writing the objects…")
    panel.track(
        run_job(lambda: make(path), on_done=lambda file: panel.say(f"Saved {file.name}."), on_error=panel.show_error)
    )


def is_table(path: str | Path) -> bool:
    """Whether the name of a file is one of a table."""
    return Path(path).suffix.lower() in TABLE_SUFFIXES
