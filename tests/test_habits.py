"""What contributors, GitHub and PyPI read: workflows, citation, guides."""

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]


def commands(workflow: Path) -> list[str]:
    """What the steps of a workflow run, line by line."""
    jobs: dict[str, Any] = yaml.safe_load(workflow.read_text("utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    return [line for step in steps for line in step.get("run", "").splitlines()]


def environments() -> set[str]:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", "utf-8")
    return {name.removeprefix("testenv:") for name in tox.sections() if name.startswith("testenv:")}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_environments_that_exist(workflow: Path) -> None:
    called = [name for line in commands(workflow) for name in re.findall(r"\btox -e (\S+)", line)]
    assert called
    assert set(called) <= environments()


def test_every_environment_is_run_by_a_workflow() -> None:
    lines = "\n".join(line for workflow in WORKFLOWS for line in commands(workflow))
    assert environments() <= set(re.findall(r"\btox -e (\S+)", lines))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_only_read_and_end(workflow: Path) -> None:
    """A job states more rights itself, and none waits for hours (GitHub's default is six)."""
    content = yaml.safe_load(workflow.read_text("utf-8"))
    assert content["permissions"] == {"contents": "read"}
    for name, job in content["jobs"].items():
        assert job["timeout-minutes"] < 360, name
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step.get("uses", "a/b@v1")), step


def test_files_that_workflows_name_exist() -> None:
    for workflow in WORKFLOWS:
        for name in re.findall(r"\btests/\S+\.py|\.github/\S+\.yml\b", workflow.read_text("utf-8")):
            assert (ROOT / name).exists(), f"{workflow.name} names {name}"


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PYPROJECT["tool"]["hatch"]["version"]["raw-options"]["fallback_version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["preferred-citation"]["doi"].endswith("2401.06370")


def test_files_that_the_guide_names_exist() -> None:
    """Links are checked with those of all pages; here, names in code."""
    text = re.sub(r"\[[^]]*\]\(([^)]*)\)", r"\1", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    named = re.findall(r"(?:[\w.-]+/)*[\w-]+\.(?:py|txt|toml|cff|yml|md|ini)\b", text)
    named += re.findall(r"\b(?:tests|src|docs)/[\w/]+(?:\.\w+)?", text)
    assert {"constraints.txt", "docs/architecture.md", "tests/graph", "io/atomic.py"} <= set(named)
    places = (ROOT, ROOT / "src" / "napari_grd")
    assert not [name for name in named if not any((place / name).exists() for place in places)]


def test_pre_commit_checks_with_the_ruff_of_the_tests() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    revisions = {repository["repo"].rsplit("/", 1)[-1]: repository.get("rev", "") for repository in repositories}
    pinned = re.findall(r"^ruff==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert revisions["ruff-pre-commit"] == f"v{pinned[0]}"


CONDA = {"torch": "pytorch", "lightning-fabric": "pytorch-lightning", "dask[array]": "dask-core"}
"""Packages that conda-forge names otherwise, or has within others."""


def test_the_recipe_of_conda_asks_for_what_the_package_asks_for() -> None:
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text("utf-8"))
    asked = [re.fullmatch(r"([\w\[\]-]+)(.*)", line.split(";")[0].strip()) for line in PROJECT["dependencies"]]
    run, host = recipe["requirements"]["run"], recipe["requirements"]["host"]
    assert run == ["python >=${{ python_min }}"] + [f"{CONDA.get(it[1], it[1])} {it[2]}" for it in asked if it]
    assert [line.replace(" ", "") for line in host[2:]] == PYPROJECT["build-system"]["requires"]
    assert PROJECT["requires-python"] == f">={recipe['context']['python_min']}"
    scripts = [f"{name} = {target}" for name, target in PROJECT["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    about = recipe["about"]
    assert (about["license"], about["license_file"]) == (PROJECT["license"], PROJECT["license-files"])
    assert about["summary"] == PROJECT["description"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert recipe["context"]["version"] == citation["version"]
