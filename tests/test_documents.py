"""What code and documents refer to is there."""

import importlib
import re
from pathlib import Path

import pytest

from napari_grd import builtin_models

ROOT = Path(__file__).parent.parent
PAGES = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
CODE = [path for folder in ("src", "tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")]


def anchors(text: str) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            wrong.append(link)
    assert not wrong


def test_names_that_pages_and_code_import_are_there() -> None:
    """Also in scripts that are text within the code, which no type checker reads."""
    wrong, statement = [], r"from (napari_grd[.\w]*) import (\([\w\s,]+\)|[\w ,]+)"
    for path in [*PAGES, *CODE]:
        for module, names in re.findall(statement, path.read_text("utf-8")):
            for name in (each.split(" as ")[0].strip() for each in names.strip("()").split(",")):
                if name and not _is_there(module, name):
                    wrong.append(f"{path.relative_to(ROOT)}: {name} of {module}")
    assert not wrong


def _is_there(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name) or bool(importlib.import_module(f"{module}.{name}"))
    except ImportError:
        return False


def test_sections_of_the_method_that_are_cited_exist() -> None:
    sections = set(re.findall(r"^## (\d+) ", (ROOT / "docs" / "method.md").read_text("utf-8"), re.MULTILINE))
    cited = set()
    for path in CODE:
        for first, second in re.findall(
            r"method\.md, sections? (\d+)(?:\.\d)?(?: (?:and|to) (\d+))?", path.read_text("utf-8")
        ):
            cited |= {first, second} - {""}
    assert len(cited) > 5
    assert cited <= sections


def test_files_and_packages_that_the_architecture_names_exist() -> None:
    """A path as ``inference/view.py`` exists; a bare name as ``view.py`` exists in some package."""
    package = ROOT / "src" / "napari_grd"
    names = {path.name for path in package.rglob("*.py")}
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    wrong = [
        name
        for name in re.findall(r"`([\w/]+\.pyi?)\b", text)
        if not ((package / name).exists() if "/" in name or name.endswith(".pyi") else name in names)
    ]
    wrong += [name for name in re.findall(r"`([\w/]+)/`", text) if not (package / name).is_dir()]
    assert not wrong
    layers = re.search(r"## Layers.*?\n\n## ", text, re.DOTALL)
    assert layers is not None
    for name in re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", layers[0], re.MULTILINE))):
        assert (package / name).is_dir() or (package / f"{name}.py").exists(), name


def test_licenses_of_training_data_are_in_the_notice() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    asked = [
        data
        for card in builtin_models()
        for data in card.trained_on
        if "CC0" not in data and not data.startswith("simulated")
    ]
    assert asked
    for data in asked:
        name = re.split(r"[ (,]", data)[0]
        assert name in notice, f"The license of {data!r} asks for its notice."
    assert '"NOTICE"' in (ROOT / "pyproject.toml").read_text("utf-8")
