"""Code in the documents: Python parses and calls what exists, and commands have the options that are written."""

import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import napari_grd as grd
from napari_grd.cli.app import app
from napari_grd.config import DistillConfig

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
COMMANDS: Any = typer.main.get_command(app)


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """Name of the page and content of each fenced block, also of those within lists."""
    for page in PAGES:
        for indent, language, content in re.findall(
            r"^( *)```(\w*)\n(.*?)^\1```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        ):
            if language in languages:
                yield page.name, "".join(line.removeprefix(indent) for line in content.splitlines(keepends=True))


def commands() -> Iterator[tuple[str, list[str]]]:
    for page, content in blocks("sh", "bash", ""):
        for line in content.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;", line.split(" #")[0]):
                words = shlex.split(part, comments=True) if "napari-grd " in part else []
                if "napari-grd" in words and words[0] not in {"pip", "docker", "conda"}:
                    yield page, words[words.index("napari-grd") + 1 :]


def test_python_parses_and_uses_names_and_arguments_that_exist() -> None:
    wrong, calls = [], 0
    for page, content in blocks("python"):
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "grd" and not hasattr(grd, node.attr):
                wrong.append(f"{page}: grd.{node.attr}")
            if isinstance(node, ast.Call) and re.fullmatch(r"grd\.\w+", ast.unparse(node.func)):
                function = getattr(grd, ast.unparse(node.func)[4:], None)
                calls += 1
                if inspect.isfunction(function):
                    try:
                        given = {each.arg: None for each in node.keywords if each.arg}
                        inspect.signature(function).bind(*node.args, **given)
                    except TypeError as error:
                        wrong.append(f"{page}: {ast.unparse(node)}: {error}")
    assert not wrong
    assert calls > 20


def test_commands_and_their_options_exist() -> None:
    wrong, count = [], 0
    for page, words in commands():
        count += 1
        command = COMMANDS if words[0].startswith("-") else COMMANDS.commands.get(words[0])
        if command is None:
            wrong.append(f"{page}: napari-grd {words[0]}")
            continue
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        known |= {"--help"}
        for word in words:
            if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known:
                wrong.append(f"{page}: napari-grd {words[0]} {word}")
    assert not wrong
    assert count > 25


def test_settings_in_yaml_are_read() -> None:
    files = [content for page, content in blocks("yaml") if page == "headless.md"]
    assert files
    for content in files:
        assert DistillConfig.model_validate(yaml.safe_load(content)).steps == 2000


@pytest.mark.parametrize("name", grd.__all__)
def test_every_public_name_is_on_one_page_of_the_reference(name: str) -> None:
    pages = [path.name for path in (ROOT / "docs" / "reference").glob("*.md")]
    found = [
        page
        for page in pages
        if re.search(rf"^::: napari_grd\.api\.{name}$", (ROOT / "docs/reference" / page).read_text("utf-8"), re.M)
    ]
    assert len(found) == (name != "__version__")
