"""Settings are validated at the edge, with the field and the value in the message."""

from pathlib import Path
from typing import Any

import pytest

from napari_grd.config import (
    AugmentConfig,
    Config,
    DistillConfig,
    NetworkConfig,
    PartitionConfig,
    SegmentConfig,
    TrainConfig,
)
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


@pytest.mark.parametrize("text", ["steps: [", "- 1\n- 2", "steps: many"])
def test_bad_yaml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        TrainConfig.from_yaml(path)


def test_missing_yaml_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        TrainConfig.from_yaml("nowhere.yaml")


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("")
    assert TrainConfig.from_yaml(path) == TrainConfig()
