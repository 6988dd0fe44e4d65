"""A standard output that takes nothing, or not every letter, ends with one line and a status that says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "from napari_grd.cli.app import main; main()"]


def run(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    options = {"stdout": subprocess.PIPE, **options}
    return subprocess.run([*PROGRAM, *arguments], stderr=subprocess.PIPE, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", [["--version"], ["models"], ["info", "nuclei"], ["train", "--help"]])
def test_a_full_output(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(*arguments, stdout=full)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: The standard output cannot be written (No space left")


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX here")
@pytest.mark.parametrize("arguments", [["--version"], ["models"]])
def test_an_output_that_nobody_reads(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*arguments, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_output_that_is_closed() -> None:
    command = "import os; os.close(1); os.execv({!r}, {!r})".format(PROGRAM[0], [*PROGRAM, "models"])
    done = subprocess.run([sys.executable, "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_of_few_letters() -> None:
    done = run("models", env={**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "200"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "nuclei" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_an_error_output_that_is_full() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, "info", "no such model"], stderr=full, check=False)
    assert done.returncode == 2
