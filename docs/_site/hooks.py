"""Pages of the site that lie outside of docs: README, CHANGELOG, CONTRIBUTING and SECURITY."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
}
_MARK = re.compile(r"^ *<!-- only parsed: .* -->\n", re.MULTILINE)  # for tests/test_code_blocks.py
_LINK = re.compile(r"\]\(([^)\s#]+)([^)\s]*)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie in the root of the repository, with links as from docs."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text("utf-8")
        files.append(File.generated(config, page, content=_LINK.sub(_from_root, text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to the root of the repository lead to the pages made of it, and leave out marks of code blocks."""
    return _LINK.sub(_from_docs, _MARK.sub("", markdown))


def _from_root(link: re.Match[str]) -> str:
    target = link[1].removeprefix("docs/")
    return f"]({PAGES.get(target, target)}{link[2]})"


def _from_docs(link: re.Match[str]) -> str:
    name = link[1].removeprefix("../")
    return f"]({PAGES[name]}{link[2]})" if link[1].startswith("../") and name in PAGES else link[0]
