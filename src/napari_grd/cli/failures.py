"""Failures of single files, reported after the others are done."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console

from napari_grd.cli.label_files import LabelFile
from napari_grd.errors import GrdError, OutputError
from napari_grd.jobs import Event, Job, Progress, Stopwatch, relay

Result = TypeVar("Result")


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


def iter_label_files(
    stage: str, files: Sequence[LabelFile], each: Callable[[int, LabelFile], Job[Result]], failures: Failures
) -> Job[list[Result]]:
    """Run a job for every label file; one that fails is recorded, and the others go on.

    Parameters
    ----------
    stage : str
        What is done, for the progress. Of several files, the jobs' own progress is not shown.
    files : sequence of LabelFile
    each : callable
        Makes the job of a file, given its index and the file.
    failures : Failures
        Takes the errors; one of the output would occur with the next file, too, and is raised.
    """
    watch, results = Stopwatch(stage, len(files)), []
    for done, file in enumerate(files):
        whole = watch.progress(done)
        yield whole

        def change(event: Event, whole: Event = whole) -> Event:
            return whole if len(files) > 1 and isinstance(event, Progress) else event

        try:
            results.append((yield from relay(each(done, file), change)))
        except OutputError:
            raise
        except GrdError as error:
            failures.add(file.labels, error)
    yield watch.progress(len(files))
    return results
