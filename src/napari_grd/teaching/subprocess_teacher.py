"""A teacher in a subprocess.

TensorFlow and graphics drivers each contain an LLVM. In a process with an open window, TensorFlow crashes or hangs, and
napari with it. Therefore such a teacher runs in a subprocess::

    SubprocessTeacher ── (length, pickle) ──> stdin   python -P -m napari_grd.teaching.subprocess_teacher MODULE
                 <── (length, pickle) ── stdout  └─ MODULE.load_here(**options) and its predict()

Both ends belong to this package and communicate by private pipes, so pickle is safe here.
"""

import importlib
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from typing import Any, BinaryIO

from numpy.typing import NDArray

from napari_grd import errors
from napari_grd.errors import GrdError
from napari_grd.teaching.base import TeacherPrediction

_LENGTH = struct.Struct(">Q")
_LAST_WORDS = 2000  # last characters of the error output of a process that ended


class SubprocessTeacher:
    """Runs a teacher in a subprocess, which is started on creation and ends with this object.

    Parameters
    ----------
    module : str
        Has a function ``load_here(**options)`` that creates the teacher; imported in the subprocess only.
    options : mapping of str to object
        Arguments of that function.

    Raises
    ------
    GrdError
        The error raised on loading, or if the process ended.
    """

    gives_embeddings = False

    def __init__(self, module: str, options: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            # -P: else the working folder comes first on the path, and a numpy.py in it would be imported.
            [sys.executable, "-P", "-m", "napari_grd.teaching.subprocess_teacher", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
        )
        self._end = weakref.finalize(self, _end, self._process, self._words)
        self.name, self.fingerprint, self.restrictions = self._ask(dict(options))

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Return the subprocess's prediction of an image ``(C, *S)``.

        Raises
        ------
        GrdError
            The teacher's error, or if its process ended.
        """
        prediction: TeacherPrediction = self._ask(image)
        return prediction

    def _ask(self, question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            try:
                _send(self._process.stdin, question)
                kind, answer = _receive(self._process.stdout)
            except (OSError, EOFError):
                raise GrdError(
                    f"The teacher's process has ended (code {self._process.wait()}): {self._last_words()}",
                    "Choose another teacher, or reduce its memory use: smaller images, fewer open programs.",
                ) from None
        if kind == "answer":
            return answer
        name, problem, remedy = answer
        raise getattr(errors, name, GrdError)(problem, remedy)

    def _last_words(self) -> str:
        self._words.seek(0)
        return self._words.read().decode(errors="replace")[-_LAST_WORDS:].strip() or "it wrote no message"


def _end(process: "subprocess.Popen[bytes]", words: BinaryIO) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()
    words.close()


def _send(pipe: Any, message: Any) -> None:
    content = pickle.dumps(message)
    pipe.write(_LENGTH.pack(len(content)) + content)
    pipe.flush()


def _receive(pipe: Any) -> Any:
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(header)
    return pickle.loads(pipe.read(length))


def _serve(module: str) -> None:
    """The subprocess: load the teacher of the first message, then return a prediction for each image."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of libraries must not mix with the predictions
    questions = sys.stdin.buffer
    teacher: Any = None
    while True:
        try:
            question = _receive(questions)
        except EOFError:
            return
        try:
            if teacher is None:
                teacher = importlib.import_module(module).load_here(**question)
                answer: Any = (teacher.name, teacher.fingerprint, getattr(teacher, "restrictions", ""))
            else:
                answer = teacher.predict(question)
            message = ("answer", answer)
        except GrdError as error:
            message = ("error", (type(error).__name__, error.problem, error.remedy))
        except Exception as error:  # any error of another program
            message = (
                "error",
                ("GrdError", f"The teacher fails with {type(error).__name__}: {error}", "See its docs."),
            )
        _send(answers, message)


if __name__ == "__main__":
    _serve(sys.argv[1])
