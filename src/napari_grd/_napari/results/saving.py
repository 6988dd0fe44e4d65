"""Tables to files, on behalf of a panel."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from napari_grd._napari.panel import Panel
from napari_grd._napari.worker import run_call
from napari_grd.io.tables import write_csv


def ask_for_csv(panel: Panel, name: str) -> str | None:
    """Let the user choose a file for a table; None if they think better of it."""
    path, _ = QFileDialog.getSaveFileName(panel, "Save the table", f"{name}.csv", "Tables (*.csv)")
    if not path:
        return None
    return path if Path(path).suffix else f"{path}.csv"


def save_csv(panel: Panel, path: str | Path, columns: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
    """Write a table in a worker; the panel says how it went."""

    def written(file: Path) -> None:
        panel.say(f"Saved {file.name}, and {file.stem}.provenance.json beside it.")

    panel.track(run_call(lambda: write_csv(path, columns, made_by=made_by), on_done=written, on_error=panel.show_error))
