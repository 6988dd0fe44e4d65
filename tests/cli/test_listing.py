"""Help, info, models, teachers, and how errors look."""

import inspect
import io
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from napari_grd.cli.app import app

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
VERBS = [name for name, command in COMMANDS.items() if not command.hidden]


def test_help_lists_the_verbs_without_importing_torch() -> None:
    script = """
import sys
from napari_grd.cli.app import main
try:
    main(["--help"])
finally:
    assert not {"torch", "numba", "matplotlib"} & set(sys.modules), "a heavy import"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_wraps_paragraphs_and_keeps_every_character(verb: str, call, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    shown = call(verb, "--help")
    assert shown.code == 0
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    for paragraph in inspect.cleandoc(COMMANDS[verb].help).split("\n\n"):
        assert " ".join(paragraph.split()) in lines
    for option in COMMANDS[verb].params:
        assert " ".join(option.help.split()).replace("\\[", "[") in " ".join(lines)


def test_flags_show_description_and_default_of_the_field(call) -> None:
    shown = call("distill", "--help").out
    assert "optimizer steps [default: 2000]" in shown
    assert "(optim.lr) [default: 0.002]" in shown
    assert "optimizer steps [default: 2000]" not in call("demo", "--help").out


def test_info_prints_card_and_config(call, model_file: Path) -> None:
    shown = call("info", model_file)
    assert shown.code == 0
    assert "name: a-model" in shown.out
    assert "in_channels: 1" in shown.out


def test_a_model_is_fetched_only_after_a_yes(call, monkeypatch, tmp_path) -> None:
    url, path = "https://models.example/mine", tmp_path / "models.txt"
    path.write_text(f"mine {'0' * 64} {url}")
    monkeypatch.setenv("NAPARI_GRD_MODELS", str(path))
    asked: list[str] = []
    monkeypatch.setattr("napari_grd.hub.fetch_model", lambda name: asked.append(name) or tmp_path / name)
    assert url in call("models").out
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    refused = call("fetch", "mine")
    assert f"Download mine from {url}?" in refused.out
    assert (refused.code, asked) == (1, [])
    assert "mine is at" in call("fetch", "mine", "--yes").out
    assert asked == ["mine"]


def test_models_and_teachers_are_listed(call) -> None:
    assert call("models").code == 0
    assert "labels" in call("teachers").out


def test_the_options_of_a_teacher_are_listed(call) -> None:
    shown = call("teachers", "labels")
    assert "folder" in shown.out
    assert "needed" in shown.out
    assert "There is no teacher named 'nobody'" in call("teachers", "nobody").err


def test_an_error_is_one_line_with_its_remedy(call) -> None:
    shown = call("info", "nothing.grd.safetensors")
    assert shown.code == 2
    assert shown.err.startswith("Error: There is no built-in model and no file named 'nothing.grd.safetensors'.")
    assert len(shown.err.splitlines()) == 1


def test_debug_raises_the_error() -> None:
    from napari_grd.cli.app import main
    from napari_grd.errors import ModelFileError

    with pytest.raises(ModelFileError):
        main(["--debug", "info", "nothing"])
