"""Errors and warnings, each with the offending value and the remedy.

Every error a user can cause is a :class:`GrdError`. Its message has two
parts: the problem and the remedy. Front ends show only the message, so it must be self-contained.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class GrdError(Exception):
    """Base of all errors that a user can cause and correct.

    Parameters
    ----------
    problem : str
        The problem, with the offending value.
    remedy : str
        How to correct it.

    Examples
    --------
    >>> str(GrdError("The folder 'x' has no images.", "Point to a folder with .tif files."))
    "The folder 'x' has no images. Point to a folder with .tif files."
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # The default reduction passes the joined message as one argument, so errors could not be passed between
        # processes.
        return (type(self), (self.problem, self.remedy))


@contextmanager
def naming(subject: str, remedy: str = "") -> Iterator[None]:
    """Let errors begin with what they are about.

    Parameters
    ----------
    subject : str
        E.g. the image or the line of a file.
    remedy : str
        Added to the remedy.

    Examples
    --------
    >>> with naming("Image 3"):
    ...     raise ImageError("it has no pixels.", "Pass another one.")
    Traceback (most recent call last):
        ...
    napari_grd.errors.ImageError: Image 3: it has no pixels. Pass another one.
    """
    try:
        yield
    except GrdError as error:
        raise type(error)(f"{subject}: {error.problem}", f"{error.remedy} {remedy}".strip()) from error


class ImageError(GrdError, ValueError):
    """An image has the wrong shape, type or values."""


class LabelError(GrdError, ValueError):
    """Labels are invalid, or do not fit their image."""


class ConfigError(GrdError, ValueError):
    """A setting has an invalid value."""


class DataError(GrdError):
    """A folder or file of images cannot be used."""


class ModelFileError(GrdError):
    """A model file cannot be read."""


class CorrectionError(GrdError, ValueError):
    """A correction, or a file of them, cannot be used, or is of another image."""


class OutputError(GrdError):
    """A result cannot be written."""


class OutOfMemory(GrdError, MemoryError):
    """There is not enough memory."""


_SHORT = (
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "cannot allocate",
)


def out_of_memory(error: BaseException) -> OutOfMemory | None:
    """The error to raise in place of an out-of-memory error; None for any other error.

    Parameters
    ----------
    error : BaseException
        From Python, NumPy, torch (of any device), OpenVINO or ONNX: all but the first two raise a RuntimeError.

    Examples
    --------
    >>> out_of_memory(MemoryError("Unable to allocate 22.4 GiB")).problem
    'Memory has run out (Unable to allocate 22.4 GiB).'
    >>> out_of_memory(RuntimeError("The sizes do not match")) is None
    True
    """
    text = str(error)
    short = isinstance(error, RuntimeError) and any(words in text.lower() for words in _SHORT)
    if isinstance(error, GrdError) or not (short or isinstance(error, MemoryError)):
        return None
    detail = next((f" ({line.strip()[:200]})" for line in text.splitlines() if line.strip()), "")
    return OutOfMemory(
        f"Memory has run out{detail}.",
        "Close other programs, or do less at once: a crop or fewer planes, a smaller tile when segmenting, a smaller"
        " batch or patch when training.",
    )


class Cancelled(GrdError):
    """The user stopped a job; progress so far is kept.

    Attributes
    ----------
    checkpoint : Path or None
        Checkpoint to resume from, if the job keeps checkpoints.
    """

    def __init__(self, checkpoint: Path | None = None) -> None:
        remedy = (
            f"Resume with the same call and out_dir={str(checkpoint.parent)!r}."
            if checkpoint
            else "Start again when you are ready."
        )
        super().__init__("Stopped on request.", remedy)
        self.checkpoint = checkpoint

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.checkpoint,))


class GrdWarning(UserWarning):
    """Base of all warnings: a result was computed, but the user should check something."""


class NothingStandsOut(GrdWarning):
    """Nothing in an image exceeds its noise, so no object was found."""
