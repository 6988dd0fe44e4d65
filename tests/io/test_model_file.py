"""A model survives its file bit by bit; every other file is refused with a reason."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_grd.config import NetworkConfig
from napari_grd.errors import ModelFileError
from napari_grd.hub import TEACHER, builtin_paths, resolve_model
from napari_grd.io.model_file import read_card, read_model, save_model
from napari_grd.io.names import MODEL_SUFFIX
from napari_grd.models.model import Model, ModelCard, ModelConfig


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    config = ModelConfig(network=NetworkConfig(widths=(2, 2, 3, 3, 4), embedding=4), in_channels=2, pixel_size=0.5)
    card = ModelCard(
        name="tiny", scores={"ap50": 0.9, "sbd": float("nan")}, recipe={"steps": 3}, trained_on=("made up",)
    )
    created = Model.create(config, card)
    for buffer in created.network.buffers():  # as if trained: running statistics are not at their start
        buffer.copy_(torch.rand(buffer.shape) * 10)
    return Model(created.network, config, created.card, pca=torch.randn(4, 4))


@pytest.fixture
def path(model: Model, tmp_path: Path) -> Path:
    return save_model(model, tmp_path / "tiny")


def rewrite(path: Path, tensors: dict[str, torch.Tensor] | None = None, **metadata: str | None) -> Path:
    """Change tensors or header entries of a model file."""
    config, card = read_card(path)
    header: dict[str, str | None] = {
        "napari_grd": "1",
        "config": config.model_dump_json(),
        "card": card.model_dump_json(),
    }
    header["card"] = ModelCard().model_dump_json()
    header |= metadata
    save_file(load_file(path) if tensors is None else tensors, path, {k: v for k, v in header.items() if v is not None})
    return path


def test_round_trip_is_exact(model: Model, path: Path) -> None:
    loaded = read_model(path)
    assert path.name == "tiny.grd.safetensors"
    assert loaded.config == model.config
    assert repr(loaded.card) == repr(model.card)  # repr, as a score is nan
    assert not loaded.network.training
    assert loaded.pca is not None
    assert torch.equal(loaded.pca, model.pca)
    expected = model.network.state_dict()
    for name, value in loaded.network.state_dict().items():
        assert value.dtype == expected[name].dtype
        assert torch.equal(value, expected[name]), name


def test_without_pca(model: Model, tmp_path: Path) -> None:
    path = save_model(Model(model.network, model.config), tmp_path / "a")
    assert read_model(path).pca is None


def test_half_precision_halves_the_weights(tmp_path: Path) -> None:
    model = Model.create(ModelConfig())
    full, half = save_model(model, tmp_path / "full"), save_model(model, tmp_path / "half", half=True)
    assert half.stat().st_size < 0.55 * full.stat().st_size
    expected = model.network.state_dict()
    for name, value in read_model(half).network.state_dict().items():
        assert value.dtype == expected[name].dtype
        if value.ndim > 1:
            torch.testing.assert_close(value, expected[name], rtol=5e-4, atol=1e-7)
        else:
            assert torch.equal(value, expected[name]), name


def test_the_callers_random_numbers_are_left_alone(path: Path) -> None:
    before = torch.get_rng_state()
    read_model(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_saving_leaves_the_model_as_it_is(model: Model, tmp_path: Path) -> None:
    model.network.train()
    save_model(model, tmp_path / "a", half=True)
    assert model.network.training
    assert next(model.network.parameters()).dtype == torch.float32


@pytest.mark.parametrize("name", ["v1.2", "v1.2.safetensors", "v1.2.grd.safetensors"])
def test_the_suffix_is_added(model: Model, tmp_path: Path, name: str) -> None:
    assert save_model(model, tmp_path / name).name == f"v1.2{MODEL_SUFFIX}"


def test_the_header_alone_gives_config_and_card(model: Model, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "create", lambda *_: pytest.fail("a network was built"))
    config, card = read_card(path)
    assert config == model.config
    assert card.name == "tiny"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model file.*none.*Check the path"):
        read_model(tmp_path / "none")


@pytest.mark.parametrize("keep", [0, 5, 40, 0.5, 0.999])
def test_a_cut_off_file(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    for read in (read_model, read_card):
        with pytest.raises(ModelFileError, match=r"tiny.*cut off.*Copy or download"):
            read(path)


def test_a_file_that_is_something_else(path: Path) -> None:
    path.write_text("this is no safetensors file at all")
    with pytest.raises(ModelFileError, match=r"tiny.*is not a safetensors file"):
        read_model(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"napari_grd": "yes"}])
def test_a_safetensors_file_of_somebody_else(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(ModelFileError, match=r"not a model of napari-grd.*\.grd\.safetensors"):
        read_model(tmp_path / "a.safetensors")


@pytest.mark.parametrize("version", ["2", "9" * 5000])
def test_a_newer_format(path: Path, version: str) -> None:
    with pytest.raises(ModelFileError, match=r"format (2|9{20}); this version reads up to 1\. Update napari-grd"):
        read_model(rewrite(path, napari_grd=version))


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_config_that_is_no_json_object(path: Path, text: str | None) -> None:
    with pytest.raises(ModelFileError, match=r"config in the model file .*tiny"):
        read_model(rewrite(path, config=text))


def test_an_unknown_setting_is_refused_as_it_may_change_results(path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"tiny.*smoothing.*Update napari-grd"):
        read_model(rewrite(path, config=json.dumps({"smoothing": 3})))


def test_an_unknown_field_of_the_card_is_passed_over(path: Path) -> None:
    rewrite(path, card=json.dumps({"name": "later", "doi": "10.1/2"}))
    assert read_model(path).card.name == "later"


def test_an_invalid_card_is_refused(path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"tiny.*parameters"):
        read_model(rewrite(path, card=json.dumps({"parameters": "many"})))


def test_an_unknown_network(path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"tiny.*'mynet'.*plugin"):
        read_model(rewrite(path, config=json.dumps({"network": {"name": "mynet"}})))


def test_tensors_that_do_not_fit(path: Path) -> None:
    tensors = load_file(path)
    del tensors["network.head.bias"]
    tensors["network.head.weight"] = torch.zeros(1)
    tensors["network.tail.weight"] = torch.zeros(1)
    words = r"1 tensor\(s\) missing \(head.bias\); 1 .*unexpected \(tail.weight\); 1 .*another shape \(head.weight\)"
    with pytest.raises(ModelFileError, match=words):
        read_model(rewrite(path, tensors))


def test_many_tensors_that_do_not_fit_are_listed_in_short(path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"missing \(.*, \.\.\.\)\. Save") as caught:
        read_model(rewrite(path, {"network.head.bias": load_file(path)["network.head.bias"]}))
    assert len(str(caught.value)) < 500


def test_builtin_models_carry_their_own_name_and_are_small() -> None:
    for name, path in builtin_paths().items():
        card = read_card(path)[1]
        assert card.name == name
        assert path.stat().st_size <= (12e6 if card.kind == "teacher" else 1.3e6)


def test_the_first_builtin_model_is_a_student_and_one_can_teach() -> None:
    cards = [read_card(path)[1] for path in builtin_paths().values()]
    assert cards[0].kind == "student"
    assert read_card(builtin_paths()[TEACHER])[1].kind == "teacher"


def test_a_name_or_a_path_is_resolved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_grd.hub.builtin_paths", lambda: {"tiny": Path("/builtin/tiny")})
    monkeypatch.chdir(path.parent)
    Path("tiny").touch()
    assert resolve_model("tiny") == Path("/builtin/tiny")
    assert resolve_model("./tiny") == Path("tiny")
    assert resolve_model(str(path)) == path
    with pytest.raises(ModelFileError, match=r"'tinny'.*Models: tiny"):
        resolve_model("tinny")
