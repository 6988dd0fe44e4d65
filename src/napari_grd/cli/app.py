"""The commands and the exit: every error that a user can correct is one line, without a traceback."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

import napari_grd
from napari_grd.cli import converting, evaluating, exporting, learning, listing, measuring, segmenting, training
from napari_grd.cli.stdout import OutputFull, give_up_output, guard_output
from napari_grd.errors import GrdError, out_of_memory

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # wraps paragraphs; otherwise the lines of docstrings are kept
    # An unexpected error is a bug: a plain traceback is needed for a report.
    pretty_exceptions_enable=False,
)
_debug = False

app.command("demo")(training.demo)
app.command("train")(training.train)
app.command("distill")(training.distill)
app.command("fine-tune")(learning.fine_tune)
app.command("teach")(learning.teach)
app.command("segment")(segmenting.segment)
app.command("measure")(measuring.measure)
app.command("convert")(converting.convert)
app.command("evaluate")(evaluating.evaluate)
app.command("export")(exporting.export)
app.command("calibrate-int8")(exporting.calibrate_int8)
app.command("calibrate", hidden=True)(exporting.calibrate_int8)  # the name before
app.command("info")(listing.info)
app.command("models")(listing.models)
app.command("fetch")(listing.fetch)
app.command("teachers")(listing.teachers)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(napari_grd.__version__)
        raise typer.Exit


@app.callback()
def _program(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Small, fast networks for instance segmentation, distilled from large ones."""
    global _debug
    _debug = debug


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; ends in SystemExit.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the command line.

    Raises
    ------
    SystemExit
        0 when done; 1 if some files could not be used, or the standard output cannot be written; 2 for an error in the
        command; 130 after Ctrl-C and 143 after a termination signal, after progress was saved.
    """
    guard_output()
    try:
        try:
            app(None if arguments is None else list(arguments), prog_name="napari-grd")
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # else the interpreter does at exit, and fails
    except OutputFull as error:
        give_up_output()
        _say(f"Error: {error}")
        sys.exit(1)
    except BrokenPipeError:  # the reader has closed the pipe, as head does: no message is needed
        give_up_output()
        sys.exit(1)
    except GrdError as error:
        if _debug:
            raise
        _say(f"Error: {error}")
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        short = out_of_memory(error)
        if short is None or _debug:
            raise
        _say(f"Error: {short}")
        sys.exit(2)


def _say(text: str) -> None:
    try:
        Console(stderr=True, soft_wrap=True).print(text, style="bold red", markup=False, highlight=False)
        sys.stderr.flush()
    except OSError:  # the error output may be full, too
        give_up_output(2)
