"""Tables and lists on the standard output."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, caption: str = ""
) -> None:
    """Print a table whose first ``left`` columns are text, and the others numbers."""
    table = Table(
        title=escape(title), title_justify="left", title_style="bold", caption=caption or None, caption_justify="left"
    )
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def print_files(files: Iterable[Path]) -> None:
    """Print the written paths, one per line."""
    console = Console(soft_wrap=True)
    for path in files:
        console.print(f"wrote {path}", markup=False, highlight=False)


def print_text(text: str) -> None:
    """Print a separate paragraph, wrapped between words."""
    Console().print(f"\n{text}\n", markup=False, highlight=False)


def print_note(text: str) -> None:
    """Print a warning."""
    Console(soft_wrap=True).print(text, style="yellow", markup=False, highlight=False)


def print_summary(**counts: int) -> None:
    """Print the number of files by outcome, on the error output: "3 segmented, 1 failed, 2 skipped"."""
    text = ", ".join(f"{count} {what}" for what, count in counts.items())
    Console(stderr=True, soft_wrap=True).print(text, style="bold", markup=False, highlight=False)
