"""What can go wrong, each with the value that was wrong and the remedy.

Every error a user can cause is a :class:`GrdError`. Its message has two
halves: what was found, and what to do about it. Front ends show the message
and nothing else, so it has to stand on its own.
"""

from pathlib import Path


class GrdError(Exception):
    """Base of all errors that a user can cause and mend.

    Parameters
    ----------
    problem : str
        What was found, with the offending value.
    remedy : str
        What to do about it.

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
        # The default reduction passes the joined message as one argument, so
        # errors would not survive the trip between processes.
        return (type(self), (self.problem, self.remedy))


class ImageError(GrdError, ValueError):
    """An image has the wrong shape, type or values."""


class LabelError(GrdError, ValueError):
    """A label image is not one, or does not fit its image."""


class ConfigError(GrdError, ValueError):
    """A setting has a value that cannot work."""


class DataError(GrdError):
    """A folder or file of images cannot be used."""


class ModelFileError(GrdError):
    """A model file cannot be read."""


class CorrectionError(GrdError, ValueError):
    """A correction, or a file of them, cannot be used, or is of another image."""


class OutputError(GrdError):
    """A result cannot be written."""


class OutOfMemory(GrdError, MemoryError):
    """Something takes more memory than there is."""


_SHORT = (
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "cannot allocate",
)


def out_of_memory(error: BaseException) -> OutOfMemory | None:
    """What is told in place of an error that says that memory has run out; None for any other error.

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
    said = next((f" ({line.strip()[:200]})" for line in text.splitlines() if line.strip()), "")
    return OutOfMemory(
        f"Memory has run out{said}.",
        "Close other programs, or do less at once: a crop or fewer planes, a smaller tile when segmenting, a smaller"
        " batch or patch when training.",
    )


class Cancelled(GrdError):
    """The user stopped a job; what was done so far is kept.

    Attributes
    ----------
    checkpoint : Path or None
        Where the job can be taken up again, if it keeps checkpoints.
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
    """Base of all warnings: a result was computed, but the user should look at something."""


class NothingStandsOut(GrdWarning):
    """Nothing in an image stands out of its noise, so nothing was found in it."""
