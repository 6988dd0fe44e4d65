"""Saving tables and objects from a panel."""

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
"""File types of the dialog: text to suffix."""


def ask_for_file(panel: Panel, name: str, filters: Mapping[str, str]) -> str | None:
    """Let the user choose a file; None if the dialog is canceled.

    Parameters
    ----------
    panel : Panel
        Parent of the dialog.
    name : str
        Proposed, without suffix.
    filters : mapping of str to str
        Text of each file type to its suffix; the first is proposed.
    """
    proposed = next(iter(filters.values()))
    path, chosen = QFileDialog.getSaveFileName(panel, "Save", f"{name}{proposed}", ";;".join(filters))
    return with_suffix(path, filters.get(chosen, proposed), filters) if path else None


def with_suffix(path: str, chosen: str, filters: Mapping[str, str]) -> str:
    """The name with the intended suffix.

    Examples
    --------
    >>> with_suffix("a.csv", ".parquet", TABLES), with_suffix("a.parquet", ".csv", TABLES), with_suffix("a", ".csv", {})
    ('a.parquet', 'a.parquet', 'a.csv')
    """
    proposed, *others = filters.values() or [chosen]
    if path.lower().endswith((chosen, *others)):
        return path
    # A dialog keeps the suffix of the proposed name when another format is chosen.
    return path.removesuffix(proposed) + chosen


def save_table(panel: Panel, path: str | Path, columns: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
    """Write a table in a worker; the panel shows the outcome."""

    def written(file: Path) -> None:
        panel.say(f"Saved {file.name}, and {file.stem}.provenance.json beside it.")

    panel.track(
        run_call(lambda: write_table(path, columns, made_by=made_by), on_done=written, on_error=panel.show_error)
    )


def save_objects(panel: Panel, path: str | Path, make: Callable[[str | Path], Job[Path]]) -> None:
    """Write objects in a worker; the panel shows the outcome."""
    panel.say("Writing the objects…")
    panel.track(
        run_job(lambda: make(path), on_done=lambda file: panel.say(f"Saved {file.name}."), on_error=panel.show_error)
    )


def is_table(path: str | Path) -> bool:
    """Whether a file name is that of a table."""
    return Path(path).suffix.lower() in TABLE_SUFFIXES
