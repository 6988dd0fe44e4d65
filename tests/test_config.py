"""Settings are validated at the edge, with the field and the value in the message."""

from pathlib import Path
from typing import Any

import pytest

from napari_grd.config import (
    AugmentConfig,
    DistillConfig,
    FineTuneConfig,
    NetworkConfig,
    PartitionConfig,
    SegmentConfig,
    TrainConfig,
)
from napari_grd.config_base import Config
from napari_grd.errors import ConfigError

ALL = [AugmentConfig, DistillConfig, NetworkConfig, PartitionConfig, SegmentConfig, TrainConfig]


@pytest.mark.parametrize("config", ALL)
def test_defaults_survive_yaml(config: type[Config], tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(config().to_yaml())
    assert config.from_yaml(path) == config()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainConfig().steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, r"steps: .*greater than or equal to 1 \(got 0\)"),
        ({"stepps": 5}, r"stepps: Extra inputs are not permitted \(got 5\)"),
        ({"optim": {"lr": -1}}, r"optim\.lr: .*greater than 0 \(got -1\)"),
        ({"augment": {"scale_range": (2, 1)}}, r"augment\.scale_range must be .* got \(2\.0, 1\.0\)"),
        ({"background": "sky"}, r"background: .*'sky'"),
    ],
)
def test_messages_name_field_and_value(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**values)


def test_several_problems_at_once() -> None:
    with pytest.raises(ConfigError, match=r"(?s)steps.*batch"):
        TrainConfig(steps=0, batch=0)


def test_replace_reaches_nested_fields_and_validates() -> None:
    changed = DistillConfig().replace(steps=5, **{"optim.lr": 0.1, "assistant.network.widths": (1, 2)})
    assert (changed.steps, changed.optim.lr, changed.assistant.network.widths) == (5, 0.1, (1, 2))
    with pytest.raises(ConfigError, match=r"optim\.lr"):
        changed.replace(**{"optim.lr": 0})


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
ODD = {
    "open": (b"steps: [", "is not YAML"),
    "list": (b"- 1\n- 2", "contains a list"),
    "word": (b"steps: many", r"steps: .*'many'"),
    "bomb": (BOMB.encode(), "expands to more than"),
    "ring": (b"steps: &a [*a]", "expands to more than"),
    "deep": (b"[" * 500 + b"]" * 500, "deeper than"),
    "deep names": (b"? " * 3000, "deeper than"),
    "long": (b"steps: 1 #" + b"x" * 2**18, "longer than"),
    "date": (b"steps: 2001-02-30", "2001-02-30"),
    "digits": (b"steps: " + b"9" * 5000, r"999\.\.\."),
    "tag": (b'steps: !!int ""', "has the tag .*int"),
    "bool": (b"steps: !!bool x", "has the tag"),
    "code": (b"steps: !!python/object/apply:os.system [ls]", "has the tag"),
    "number for a name": (b"1: 2", "has 1 as the name"),
    "nothing for a name": (b"~: 2", "has None as the name"),
    "nested number": (b"optim: {1: 2}", "name of a setting is not a text"),
    "twice": (b"steps: 1\nsteps: 2", r"'steps' twice \(line 2\)"),
    "list for a name": (b"? [a]\n: 1", "has a key that is not a text"),
    "self": (b"self: 1", "self: Extra"),
    "infinite": (b"optim: {lr: .inf}", r"optim\.lr: .*finite"),
    "binary": (b"\x80\x04\x95", "is not YAML"),
    "wide": (b"\xff\xfea", "is not YAML"),
    "zeros": (bytes(100), "is not YAML"),
    "half a letter": (b"steps: \xc3", "is not YAML"),
    "surrogate": (b'"\\ud800": 1', "."),
    "anchor": (b"steps: *a", "is not YAML"),
    "directive": (b"%YAML 9.9\n---\nsteps: 1", "is not YAML"),
    "two": (b"steps: 1\n---\nsteps: 2", "is not YAML"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_yaml_is_one_line_that_names_the_file(name: str, tmp_path: Path) -> None:
    content, message = ODD[name]
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        TrainConfig.from_yaml(path)
    text = str(caught.value)
    assert "settings.yaml" in text
    assert len(text) < 800
    text.encode()


@pytest.mark.parametrize("path", ["/dev/zero", "a\0b", ".", "x" * 300])
def test_what_is_no_file_of_settings(path: str) -> None:
    with pytest.raises(ConfigError, match="settings file"):
        TrainConfig.from_yaml(path)


@pytest.mark.parametrize("name", ["nothing", "optim.nothing.deep", "steps.deep", "optim..lr", "optim.lr.x"])
def test_replacing_what_there_is_none_of(name: str) -> None:
    with pytest.raises(ConfigError, match=r"nothing|steps\.deep|optim"):
        TrainConfig().replace(**{name: 1})


def test_missing_yaml_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        TrainConfig.from_yaml("nowhere.yaml")


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("")
    assert TrainConfig.from_yaml(path) == TrainConfig()


def test_names_of_earlier_versions_are_read_and_stay_in_files() -> None:
    assert PartitionConfig(**{"crumb": 0.1}).fragment_ratio == 0.1
    nested = SegmentConfig(**{"partition": {"crumb": 0.2}})
    assert nested.partition == PartitionConfig(fragment_ratio=0.2)
    assert nested.on_disk()["partition"]["crumb"] == 0.2
    assert FineTuneConfig(**{"replay": 0.25}).rehearsal == 0.25
    assert DistillConfig(**{"labelled_share": 0.1}).on_disk()["labelled_share"] == 0.1
    with pytest.raises(ConfigError, match="fragment_ratio is given twice, also by its earlier name crumb"):
        PartitionConfig().replace(crumb=0.1)
