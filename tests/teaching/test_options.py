"""Options of teachers, as a form or a command line asks for them."""

from pathlib import Path
from typing import Any

import pytest

from napari_grd.errors import ConfigError
from napari_grd.teaching.base import TeacherInfo
from napari_grd.teaching.options import TeacherOption, parse_options, teacher_options


class Source:
    """What an entry point of another package might name."""

    @staticmethod
    def info() -> TeacherInfo:
        described = {
            "weights": "a file",
            "diameter": "in pixels",
            "channels": "which ones",
            "download": "whether to",
            "untyped": "anything",
        }
        return TeacherInfo("mine", "", options=described)

    @staticmethod
    def load(
        weights: str | Path,
        diameter: float | None = None,
        channels: tuple[int, ...] | None = None,
        download: bool = False,
        untyped=None,  # type: ignore[no-untyped-def]  # noqa: ANN001, RUF100
        for_programs: object = None,
    ) -> Any:
        raise NotImplementedError


OPTIONS = teacher_options(Source())


def test_options_are_those_that_are_described() -> None:
    assert [option.name for option in OPTIONS] == ["weights", "diameter", "channels", "download", "untyped"]
    assert [option.required for option in OPTIONS] == [True, False, False, False, False]
    assert OPTIONS[3] == TeacherOption("download", "whether to", bool, False, False)


def test_texts_become_values() -> None:
    texts = {"weights": " a.pt ", "diameter": "30", "channels": "0, 2", "download": "yes", "untyped": "x"}
    assert parse_options("mine", OPTIONS, texts) == {
        "weights": "a.pt",
        "diameter": 30.0,
        "channels": (0, 2),
        "download": True,
        "untyped": "x",
    }


def test_an_empty_text_leaves_the_default() -> None:
    assert parse_options("mine", OPTIONS, {"weights": "a.pt", "diameter": "  "}) == {"weights": "a.pt"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"weights": "a", "size": "3"}, "has no option 'size'.*It takes: weights, diameter"),
        ({"diameter": "30"}, "needs weights: a file"),
        ({"weights": "a", "diameter": "large"}, "'diameter' of the teacher 'mine' cannot be 'large'.*in pixels"),
        ({"weights": "a", "download": "perhaps"}, "'download'.*cannot be 'perhaps'"),
    ],
)
def test_what_does_not_fit_is_named(texts: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_options("mine", OPTIONS, texts)
