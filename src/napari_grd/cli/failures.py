"""Failures of single files, reported after the others are done."""

from pathlib import Path

import typer
from rich.console import Console

from napari_grd.errors import GrdError


class Failures:
    """Errors by file, to be reported at the end."""

    def __init__(self) -> None:
        self.messages: dict[Path, str] = {}

    def add(self, path: Path, error: GrdError) -> None:
        """Record the error of a file."""
        text = str(error)
        self.messages[path] = text if path.name in text else f"{str(path)!r}: {text}"

    def tell(self) -> None:
        """Name the files on the error output."""
        console = Console(stderr=True, soft_wrap=True)
        for text in self.messages.values():
            console.print(f"Error: {text}", style="bold red", markup=False, highlight=False)

    def finish(self, total: int) -> None:
        """Name the files on the error output and end with status 1; nothing if there are none.

        Raises
        ------
        typer.Exit
            If there are any.
        """
        if not self.messages:
            return
        self.tell()
        if total > 1:
            console = Console(stderr=True, soft_wrap=True)
            bad = len(self.messages)
            rest = total - bad
            text = f"{bad} of {total} files could not be used; {rest} {'was' if rest == 1 else 'were'} done."
            console.print(text, style="yellow", markup=False, highlight=False)
        raise typer.Exit(1)
