"""A standard output that may be full, closed, or made for few letters."""

import io
import os
import sys
from pathlib import Path

from napari_grd.errors import OutputError


class OutputFull(OutputError):
    """The standard output takes nothing more."""


class _Guarded(io.TextIOWrapper):
    """Says what is wrong with it; that it is a pipe without a reader stays a BrokenPipeError."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _full(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _full(error) from error


def guard_output() -> None:
    """Let names have letters that an output cannot encode, and problems of the standard output have a name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    stream = sys.stdout
    if type(stream) is io.TextIOWrapper:  # not what a test or a notebook has put in its place
        sys.stdout = _Guarded(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )


def give_up_output(descriptor: int = 1) -> None:
    """From here on, what is written to it goes nowhere, so that nothing fails once more at the end.

    Parameters
    ----------
    descriptor : int, default 1
        1 is the standard output, 2 the error output.
    """
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)


def _full(error: OSError) -> OutputFull:
    return OutputFull(
        f"What is said cannot be written to the standard output ({error.strerror}).", "Send it elsewhere, or make room."
    )
