"""Networks are found by name, here and in other packages, and wrong requests say what was wrong."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

from napari_grd.config import NetworkConfig
from napari_grd.errors import ConfigError
from napari_grd.models import networks, registry
from napari_grd.models.mobilenet import WIDTHS, scaled_widths
from napari_grd.models.model import Model, ModelConfig
from napari_grd.models.networks import build, names
from napari_grd.models.registry import register


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "registered", dict(registry.registered))
    networks._load_plugins.cache_clear()
    yield
    networks._load_plugins.cache_clear()


def provide(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    found = [EntryPoint(name, value, networks.ENTRY_POINTS) for name, value in points.items()]
    monkeypatch.setattr(networks, "entry_points", lambda group: found if group == networks.ENTRY_POINTS else [])


def test_a_network_registers_in_one_entry() -> None:
    @register("pointwise", stride=1)
    def pointwise(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = ()) -> nn.Module:
        """One 1x1 convolution."""
        return nn.Conv2d(in_channels, out_channels, 1)

    model = Model.create(ModelConfig(network=NetworkConfig(name="pointwise", embedding=3), in_channels=2))
    assert model.network(torch.zeros(1, 2, 5, 7)).shape == (1, 4, 5, 7)
    assert model.stride == 1
    assert networks.entry("pointwise").summary == "One 1x1 convolution."


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="resunet"):
        register("resunet", stride=16)(lambda in_channels, out_channels: nn.Identity())


def test_strides_and_margins_are_stated_per_axis() -> None:
    @register("valid", stride=(1, 4, 6), ndim=3, margin=(1, 8, 9), smallest=(3, 20, 24), halo=(1, 11, 14))
    def valid(in_channels: int, out_channels: int) -> nn.Module:
        return nn.Conv3d(in_channels, out_channels, (3, 17, 19))

    model = Model.create(ModelConfig(network=NetworkConfig(name="valid"), ndim=3))
    assert (model.strides, model.stride, model.margin) == ((1, 4, 6), 12, (1, 8, 9))
    assert model.entry.input_size((1, 1, 1)) == (3, 20, 24)
    assert model.entry.input_size((4, 5, 7)) == (6, 24, 30)
    assert networks.entry("resunet").strides == (16, 16)
    assert networks.entry("resunet").input_size((1, 17)) == (16, 32)
    assert "valid" in names(3)
    assert "valid" not in names(2)


@pytest.mark.parametrize("wrong", [{"stride": (2, 2)}, {"stride": 2, "margin": (1, 1)}, {"stride": 2, "halo": (1,)}])
def test_each_axis_needs_its_number(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"'valid'.*3 axes"):
        register("valid", ndim=3, **wrong)


@pytest.mark.parametrize(("name", "ndim"), [("resunet", 3), ("mala", 2)])
def test_a_network_for_other_dimensions_is_refused(name: str, ndim: int) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' is for {5 - ndim}D.*for {ndim}D"):
        Model.create(ModelConfig(network=NetworkConfig(name=name), ndim=ndim))


def test_other_packages_provide_networks(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("site")
    (folder / "grd_test_plugin.py").write_text(
        "from torch import nn\n"
        "from napari_grd.models.registry import register\n"
        "@register('plugged', stride=2)\n"
        "def plugged(in_channels, out_channels):\n"
        "    return nn.Conv2d(in_channels, out_channels, 1)\n"
    )
    monkeypatch.syspath_prepend(folder)
    provide(monkeypatch, plugged="grd_test_plugin")
    assert networks.entry("plugged").stride == 2
    assert "plugged" in names()


def test_a_broken_package_breaks_its_own_network_only(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, broken="no_such_module_of_anybody")
    assert "resunet" in names()
    assert "broken" not in names()
    with pytest.raises(ConfigError, match=r"'broken'.*no_such_module_of_anybody"):
        build("broken", in_channels=1)


def test_built_in_networks_import_no_other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(group: str) -> list[EntryPoint]:
        raise AssertionError("entry points were read")

    monkeypatch.setattr(networks, "entry_points", refuse)
    networks.entry("resunet")


@pytest.mark.parametrize(
    ("name", "options", "value"),
    [
        ("resnet", {}, "'resnet'"),
        ("resunet", {"in_channels": 0}, "in_channels is 0"),
        ("resunet", {"embedding": -1}, "embedding is -1"),
        ("resunet", {"depth": 3}, "'depth': 3"),
        ("resunet", {"widths": (4, 8)}, r"\(4, 8\)"),
        ("mobilenetv2", {"widths": (4, 8)}, r"\(4, 8\)"),
        ("unet++", {"widths": (4, 8, 16, 32, 0)}, r"\(4, 8, 16, 32, 0\)"),
        ("subpixel_unet", {"widths": (4, 8, 16, 32, 64)}, r"\(4, 8, 16, 32, 64\).*4 whole numbers"),
        ("refined_unet", {"widths": (4, 8, 16)}, r"\(4, 8, 16\)"),
        ("espnet", {"widths": (4, 4, 4)}, r"\(4, 4, 4\).*at least 5"),
        ("enet", {"widths": (64, 16, 128)}, r"\(64, 16, 128\)"),
    ],
)
def test_wrong_requests_name_the_value(name: str, options: dict[str, object], value: str) -> None:
    with pytest.raises(ConfigError, match=value):
        build(name, **{"in_channels": 1, **options})


@pytest.mark.parametrize("name", ["resunet", "mobilenetv2", "espnet", "enet", "subpixel_unet", "refined_unet"])
def test_without_widths_a_network_has_its_own(name: str) -> None:
    model = Model.create(ModelConfig(network=NetworkConfig(name=name)))
    assert model.card.parameters > 0
    assert model.network(torch.zeros(1, 1, 32, 32)).shape == (1, 17, 32, 32)


def test_the_default_is_the_tiny_student() -> None:
    assert Model.create(ModelConfig(in_channels=3, foreground=False)).card.parameters == 295_884


def test_widths_below_one_are_refused_in_the_settings() -> None:
    with pytest.raises(ConfigError, match="widths"):
        NetworkConfig(widths=(4, 0))


def test_multiplier_scales_mobilenet() -> None:
    assert scaled_widths(1) == WIDTHS
    assert scaled_widths(1.4)[-1] == 1792
    assert all(width % 8 == 0 for width in scaled_widths(0.35))
    build("mobilenetv2", in_channels=1, widths=scaled_widths(0.35))
