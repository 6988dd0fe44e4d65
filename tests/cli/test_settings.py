"""Flags, --set and files become the config object."""

from pathlib import Path

import pytest

from napari_grd.cli.settings import Settings
from napari_grd.config import DistillConfig, SegmentConfig
from napari_grd.errors import ConfigError


def build(*assignments: str, file: Path | None = None, **flags: object) -> DistillConfig:
    fields = {name.replace("__", "."): value for name, value in flags.items()}
    return Settings(DistillConfig, file, assignments, fields).build()


def test_nothing_given_is_the_default() -> None:
    assert build() == DistillConfig()


def test_flags_win_over_set_and_set_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("steps: 1\nbatch: 1\npatch: 32\n")
    config = build("batch=2", "patch=64", file=file, patch=96)
    assert (config.steps, config.batch, config.patch) == (1, 2, 96)


@pytest.mark.parametrize(
    ("assignment", "name", "value"),
    [
        ("optim.lr=1e-3", ("optim", "lr"), 1e-3),
        ("network.widths=[8, 16]", ("network", "widths"), (8, 16)),
        ("network.widths=null", ("network", "widths"), None),
        ("augment.flip=false", ("augment", "flip"), False),
        ("assistant.network.name=unet++", ("assistant", "network", "name"), "unet++"),
    ],
)
def test_set_reaches_every_field(assignment: str, name: tuple[str, ...], value: object) -> None:
    found: object = build(assignment)
    for part in name:
        found = getattr(found, part)
    assert found == value


def test_a_part_of_a_nested_setting_leaves_the_rest_of_the_base() -> None:
    base = SegmentConfig().replace(partition={"min_size": 99})
    config = Settings(SegmentConfig, None, ["partition.bias=0.2"], {}).build(base)
    assert config.partition is not None
    assert (config.partition.min_size, config.partition.bias) == (99, 0.2)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("optm.lr=1", "optm"),
        ("optim.lr=-1", r"optim\.lr.*-1"),
        ("optim.lr", "no '='"),
        ("widths=[", "widths=.*is not YAML"),
        ("steps=2001-02-30", "2001-02-30"),
        ("steps=" + "9" * 5000, r"steps: .*999\.\.\."),
        ("steps=!!int ''", "has the tag"),
        ("steps=&a [*a]", "expands"),
        ("steps=" + "[" * 5000, "deeper"),
        ("." * 100_000 + "=1", "no setting name"),
        ("=1", "no setting name"),
        ("optim..lr=1", "no setting name"),
        ("optim.lr.x=1", r"optim\.lr"),
        ("optim=3", "optim"),
        ("a b=\0", "no setting name"),
        ("steps=\udcff", "steps"),
    ],
)
def test_what_is_wrong_is_named(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(assignment)
