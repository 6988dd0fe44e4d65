"""Fuzzers: each mutated input is opened in a process of its own kind, within bounds of time and memory."""

import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SECONDS = 10.0
FEW, MANY = 10, 500


def _module(name: str, room: str = "hostile") -> ModuleType:
    path = Path(__file__).parents[1] / room / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"hostile_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Opener:
    """A process that opens inputs; another one is started after one that crashed or hung."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: Any = None
        (folder / "cwd").mkdir()
        (folder / "cwd" / "numpy.py").write_text("open('ran', 'w').close()")

    def good(self, door: str, path: Path) -> None:
        """Open a good input, which loads what is needed and sets the limit of memory.

        Raises
        ------
        AssertionError
            If it is none.
        """
        if self._process is None:
            self._start()
        answer = self._ask(door, path, 120, is_good=True)
        assert answer == ["ok", ""], f"the good input is none: {answer}"

    def __call__(self, door: str, path: Path, good: Path) -> tuple[str, str]:
        """How opening a path ended: "ok", "GrdError", "fault", "crash" or "hang", and what was said."""
        if self._process is None:
            self.good(door, good)
        return self._ask(door, path, SECONDS)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                pipe.close()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).parent / "doors.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd=self.folder / "cwd",
                env=environment,
                text=True,
            )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process.stdout, self._answers), daemon=True).start()

    @staticmethod
    def _listen(pipe: Any, answers: "queue.Queue[str]") -> None:
        try:
            for line in pipe:
                answers.put(line)
        except ValueError:  # it was closed
            return
        answers.put("")

    def _ask(self, door: str, path: Path, seconds: float, *, is_good: bool = False) -> Any:
        self._process.stdin.write(json.dumps([door, str(path), is_good]) + "\n")
        self._process.stdin.flush()
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            self.close()
            return "hang", f"more than {seconds} s"
        if not line:
            code = self._process.wait()
            self.close()
            return "crash", f"exit status {code}"
        return json.loads(line)


@pytest.fixture(scope="session")
def mutated() -> Callable[..., Iterable[bytes]]:
    """``mutated(good, count, structured=False)``, see ``mutations.py``."""
    found: Callable[..., Iterable[bytes]] = _module("mutations").mutated
    return found


@pytest.fixture(scope="session")
def mutation() -> Callable[..., bytes]:
    """``mutation(good, number, structured=False)``, see ``mutations.py``."""
    found: Callable[..., bytes] = _module("mutations").mutation
    return found


@pytest.fixture(scope="session")
def write_zoo_model() -> Callable[..., Path]:
    """``write_zoo_model(folder, ...)``, see ``tests/teaching/zoo_model.py``."""
    found: Callable[..., Path] = _module("zoo_model", "teaching").write_zoo_model
    return found


@pytest.fixture(scope="session")
def how_many(hostile_long: bool) -> int:
    """Mutated inputs of a format."""
    return MANY if hostile_long else FEW


@pytest.fixture(scope="session")
def opener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opener]:
    """The process that opens inputs: one for all tests, as it takes seconds to start."""
    made = Opener(tmp_path_factory.mktemp("opener"))
    yield made
    made.close()


@pytest.fixture
def fuzz(tmp_path: Path, request: pytest.FixtureRequest, opener: Opener) -> Any:
    """``fuzz(door, good, inputs)``: opens each input, and fails with those that did not end as they should.

    ``inputs`` yields after each change what is to be opened, in ``tmp_path / "inputs"``; or it yields the content of
    ``file``. The folder that the process works in, and what lies beside the inputs, has to be as it was.
    """

    def written(file: Path, contents: Iterable[Any]) -> Iterator[Path]:
        for content in contents:
            file.write_bytes(content)
            yield file

    def run(
        door: str, good: Path, inputs: Iterable[Any], *, file: Path | None = None, refused: bool = True
    ) -> Counter[str]:
        opener.good(door, good)
        counts: Counter[str] = Counter()
        faults = []
        for number, path in enumerate(inputs if file is None else written(file, inputs)):
            kind, text = opener(door, path, good)
            counts[kind] += 1
            if kind not in ("ok", "GrdError"):
                faults.append(f"input {number}: {kind}: {text[-1500:]}")
        print(f"{request.node.name}: {dict(counts)}")
        assert not faults, f"{len(faults)} of {sum(counts.values())}:\n" + "\n".join(faults[:5])
        assert [path.name for path in (opener.folder / "cwd").iterdir()] == ["numpy.py"]
        assert [path.name for path in tmp_path.iterdir()] == ["inputs"]
        assert counts["GrdError"] or not refused, "no input was refused: the mutations change nothing"
        return counts

    (tmp_path / "inputs").mkdir(exist_ok=True)
    return run
