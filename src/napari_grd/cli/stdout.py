"""Robust standard output: full disks, closed pipes, limited encodings."""

import io
import os
import sys
from pathlib import Path

from napari_grd.errors import OutputError


class OutputFull(OutputError):
    """The standard output cannot be written."""


class _Guarded(io.TextIOWrapper):
    """Raises an error with the cause; a pipe without a reader stays a BrokenPipeError."""

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
    """Escape characters that an output cannot encode, and raise specific errors of the standard output."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    stream = sys.stdout
    if type(stream) is io.TextIOWrapper:  # not a replacement by a test or a notebook
        sys.stdout = _Guarded(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )


def give_up_output(descriptor: int = 1) -> None:
    """Redirect it to the null device, so that the final flush does not fail again.

    Parameters
    ----------
    descriptor : int, default 1
        1 is the standard output, 2 the error output.
    """
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)


def _full(error: OSError) -> OutputFull:
    return OutputFull(f"The standard output cannot be written ({error.strerror}).", "Redirect it, or free disk space.")
