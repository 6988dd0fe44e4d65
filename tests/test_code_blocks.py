"""Code in the documents: Python calls what exists, commands have the options that are written, and both run.

A block below a comment ``<!-- only parsed: reason -->`` does not run: it installs, fetches, trains, takes minutes or
needs what a test has not. All others run in a folder with the files that the pages name: Python page by page, commands
block by block.
"""

import ast
import inspect
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import typer
import yaml
import zarr
from PIL import Image

import napari_grd as grd
from napari_grd.cli.app import app, main
from napari_grd.config import DistillConfig
from napari_grd.io.label_tiff import write_labels
from napari_grd.teaching.function import FunctionTeacher

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
COMMANDS: Any = typer.main.get_command(app)


REASONS = {
    "installs",
    "fetches",
    "trains",
    "fetches and trains",
    "takes minutes",
    "the tests themselves",
    "needs Docker",
    "needs SLURM",
    "needs a cluster",
    "needs a stack",
    "needs a model of the zoo",
    "needs the exported file",
    "ends the process",
}
BLOCK = re.compile(r"(?:^ *<!-- only parsed: ([^\n]*) -->\n)?^( *)```(\w*)\n(.*?)^\2```", re.MULTILINE | re.DOTALL)


def blocks(*languages: str, of: Path | None = None, run: bool = False) -> Iterator[tuple[str, str]]:
    """Name of the page and content of each fenced block, also within lists; with ``run``, of those that run."""
    for page in [of] if of else PAGES:
        for reason, indent, language, content in BLOCK.findall(page.read_text("utf-8")):
            assert not reason or reason in REASONS, f"{page.name}: {reason}"
            if language in languages and not (run and reason):
                yield page.name, "".join(line.removeprefix(indent) for line in content.splitlines(keepends=True))


def running(language: str) -> list[Path]:
    return [page for page in PAGES if any(blocks(language, of=page, run=True))]


def commands() -> Iterator[tuple[str, list[str]]]:
    for page, content in blocks("sh"):
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


@pytest.fixture(scope="module")
def scene() -> tuple[Any, Any]:
    """Nuclei: number 7 at (40, 52), and two that touch, one at (120, 88), the other at (131, 97)."""
    labels = np.zeros((160, 160), np.int32)
    y, x = np.mgrid[:160, :160]
    centers = [(30, 120), (60, 20), (70, 90), (90, 140), (120, 88), (133, 97), (40, 52), (140, 30)]
    for number, (top, left) in enumerate(centers, start=1):
        labels[(y - top) ** 2 + (x - left) ** 2 < 81] = number
    noise = np.random.default_rng(0).normal(0, 10, labels.shape)
    return (200 + 800 * (labels > 0) + noise).astype(np.uint16), labels


@pytest.fixture
def folder(scene: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with what the pages name."""
    image, labels = scene
    for name in ("plate3", "plate1/a", "plate1/row/b", "plate/a_w1", "plate/row/b_w1", "plate 7/a_ch1", "cells"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    for name in ("masks/a", "masks/row/b", "reference-masks/a", "reference-masks/row/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        write_labels(tmp_path / f"{name}.tif", labels.astype(np.uint16))
    shutil.copytree(tmp_path / "plate1", tmp_path / "new-images")
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "truth.png")
    zarr.create_array(tmp_path / "slide.ome.zarr", data=image)
    channels = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    with tifffile.TiffWriter(tmp_path / "positions.ome.tif") as file:
        for position in range(3):
            file.write(np.stack([labels.astype(np.uint16), image]), metadata={**channels, "Name": f"pos {position}"})
    tifffile.imwrite(tmp_path / "stack.ome.tif", np.stack([labels] * 2).astype(np.uint16), metadata={"axes": "ZYX"})
    grd.save_model(grd.load_model("nuclei"), tmp_path / "mine.grd.safetensors")
    mine = grd.Corrections(grd.ImageRef.of(image), [grd.Merge([(120, 88), (133, 97)])])
    for name in ("from-ada", "plate3"):
        grd.save_corrections(mine, tmp_path / f"{name}.grd-corrections.geojson")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.mark.parametrize("page", running("python"), ids=lambda page: page.name)
def test_python_runs(page: Path, scene: tuple[Any, Any], folder: Path) -> None:
    image, labels = scene
    nuclei = grd.load_model("nuclei")
    names: dict[str, Any] = {"grd": grd, "image": image, "images": [image], "labels": labels, "unseen": [image[None]]}
    names |= dict.fromkeys(("model", "student", "start", "tuned"), nuclei)
    names["teacher"] = FunctionTeacher(lambda plane: labels)
    names |= {"other_image": image, "other_labels": labels}
    names["other_corrections"] = grd.Corrections(
        grd.ImageRef.of(image), [grd.Accept((40, 52), grd.Region.from_mask(labels == 7))]
    )
    for _, content in blocks("python", of=page, run=True):
        exec(compile(content, page.name, "exec"), names)


@pytest.mark.parametrize("content", [pytest.param(content, id=page) for page, content in blocks("sh", run=True)])
def test_commands_run(content: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in content.splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "napari-grd", f"{line}: run by no test, and not marked as only parsed"
        with pytest.raises(SystemExit) as end:
            main(words[1:])
        assert not end.value.code, f"{line}: {capsys.readouterr().err}"


def test_the_test_command_is_the_one_of_the_readme() -> None:
    """What continuous integration runs stands in the README as it is."""
    command = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()[-1]
    assert command in [content.strip() for _, content in blocks("sh", of=ROOT / "README.md")]


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
