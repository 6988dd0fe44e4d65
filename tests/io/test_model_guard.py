"""Hostile model files are refused before memory is taken or a network is built."""

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_grd.config import NetworkConfig
from napari_grd.errors import ModelFileError
from napari_grd.io import model_file, model_guard
from napari_grd.io.model_file import read_card, read_model, save_model
from napari_grd.models.model import Model, ModelConfig

TINY = NetworkConfig(widths=(2, 2, 2, 2, 2), embedding=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_model(Model.create(ModelConfig(network=TINY)), tmp_path / "tiny")


@pytest.fixture
def unbuilt(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, networks may be laid out on the meta device only."""
    create = Model.create

    def watched(config: ModelConfig, card: Any = None) -> Model:
        assert torch.empty(0).device.type == "meta", "a network was built"
        return create(config, card)

    monkeypatch.setattr(model_file.Model, "create", watched)


def rewrite(path: Path, tensors: dict[str, torch.Tensor] | None = None, **changes: Any) -> Path:
    """Change tensors, or settings, of a model file."""
    config, card = read_card(path)
    settings = json.loads(config.model_dump_json())
    metadata = {"napari_grd": "1", "card": card.model_dump_json()}
    metadata["config"] = changes.pop("config", None) or json.dumps(settings | changes)
    save_file(load_file(path) | (tensors or {}), path, metadata)
    return path


def refused(path: Path, match: str) -> None:
    with pytest.raises(ModelFileError, match=match) as caught:
        read_model(path)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("length", [2**63, 10**9, 1])
def test_a_header_of_another_length_than_the_file_can_hold(path: Path, length: int) -> None:
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    refused(path, f"header would take {length} of .* bytes.*Copy or download")


def test_a_huge_header(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 5 << 20))
        file.truncate(20 << 20)
    monkeypatch.setattr(model_guard.json, "loads", lambda *_, **__: pytest.fail("it was parsed"))
    refused(path, r"header .* has 5242880 bytes; .* at most 4194304\. Do not use")


def test_a_file_that_is_replaced_while_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, other = read_model(path), path.with_name("other")
    content = path.read_bytes()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    other.write_bytes(content[:begin] + bytes(len(content) - begin))

    def replaced(*arguments: Any, **more: Any) -> None:
        other.replace(path)
        model_guard.check_tensors(*arguments, **more)

    monkeypatch.setattr(model_file, "check_tensors", replaced)
    weights = read_model(path).network.state_dict()
    assert not other.exists()
    assert all(torch.equal(weights[name], value) for name, value in before.network.state_dict().items())


def header(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


@pytest.mark.parametrize(
    "text",
    [
        "[]", "{}{}", '{"a": 1}', '{"a": {"dtype": "F32", "shape": [1]}}', '{"__metadata__": [1]}',
        '{"__metadata__": {"napari_grd": 1}}', '{"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 4]}}',
        '{"a": {"dtype": [], "shape": [1], "data_offsets": [0, 4]}}', '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}",
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4e9]}}', "\ud800" * 2,
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 40]}}',
    ],
)  # fmt: skip
def test_a_header_that_is_none(path: Path, text: str) -> None:
    path.write_bytes(header(text.encode(errors="surrogatepass").decode("latin-1")) + bytes(4))
    refused(path, "is cut off, or is not a safetensors file")


@pytest.mark.parametrize("last", [True, False])
def test_a_tensor_that_is_named_twice(path: Path, last: bool) -> None:
    before, content = read_model(path), path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    text = content[8 : 8 + length].decode().rstrip()
    name, tensor = next(pair for pair in json.loads(text).items() if pair[0] != "__metadata__")
    again = json.dumps({name: tensor | {"shape": [*tensor["shape"], 1]}})
    path.write_bytes(header(f"{text[:-1]},{again[1:]}" if last else f"{again[:-1]},{text[1:]}") + content[8 + length :])
    if last:
        refused(path, "of another shape")
    else:
        weights = read_model(path).network.state_dict()
        assert all(torch.equal(weights[name], value) for name, value in before.network.state_dict().items())


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("the pickle was opened",))


@pytest.mark.parametrize("new", [True, False])
def test_a_pickle_of_that_name(path: Path, new: bool) -> None:
    torch.save(Evil(), path, _use_new_zipfile_serialization=new)
    refused(path, "is a PyTorch file .a pickle.*was not opened.*contains numbers only")
    path.write_bytes(pickle.dumps(Evil()))
    refused(path, "is a PyTorch file")


@pytest.mark.parametrize("depth", [40, 5000, 200_000])
def test_deep_settings(path: Path, depth: int) -> None:
    refused(rewrite(path, config='{"a":' * depth + "1" + "}" * depth), "config .*nested deeper than 32")


def test_a_deep_header(path: Path) -> None:
    header = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    refused(path, "is not a safetensors file")


def test_a_number_of_many_digits(path: Path) -> None:
    refused(rewrite(path, config='{"in_channels": ' + "9" * 10_000 + "}"), "config .*cannot be read")


def test_long_values_are_not_repeated_in_the_message(path: Path) -> None:
    refused(rewrite(path, network={"name": "resunet", "widths": "w" * 100_000}), "not valid here")


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize(
    ("network", "match"),
    [
        ({"widths": (60_000,) * 5}, "does not fit its network"),  # 6 TB
        ({"widths": (10**30,) * 5}, "network of 1000.* channels"),
        ({"embedding": 10**9}, "network of 1000000000 channels"),
        ({"name": "mobilenetv2"}, "cannot be built here"),
    ],
)
def test_a_network_beyond_what_the_file_holds(path: Path, network: dict[str, Any], match: str) -> None:
    refused(rewrite(path, network=TINY.model_dump() | network), match)


@pytest.mark.usefixtures("unbuilt")
def test_more_channels_than_the_file_holds(path: Path) -> None:
    refused(rewrite(path, in_channels=60_000), r"another shape \(stem")


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize(
    ("name", "tensor", "match"),
    [
        ("network.head.bias", torch.zeros(7), r"another shape \(head.bias\)"),
        ("network.head.bias", torch.zeros(3, dtype=torch.bool), r"another type \(head.bias\)"),
        ("network.head.bias", torch.zeros(3, dtype=torch.complex64), r"another type \(head.bias\)"),
        ("pca", torch.zeros(4, 99), r"another shape \(pca\)"),
        ("x" * 1000, torch.zeros(1), "unexpected"),
    ],
)
def test_tensors_of_another_kind(path: Path, name: str, tensor: torch.Tensor, match: str) -> None:
    refused(rewrite(path, {name: tensor}), match)


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(path: Path, value: float) -> None:
    bad = {"network.head.bias": torch.full((3,), value)}
    refused(rewrite(path, bad), r"NaN or infinite values in 1 tensor\(s\), e.g. network.head.bias.*diverged")


@pytest.mark.parametrize(
    ("offsets", "match"),
    [
        ([[-1, 0], [0, -(10**9)]], "the offset"),
        ([[-1, 0], []], "the offset"),
        ([[-1, 0, 0]] * 3, "the offset"),
        ([[-1, 0]] * 1000, "1000 offsets"),
        ([], "0 offsets"),
    ],
)
def test_offsets_beyond_any_image(path: Path, offsets: list[list[int]], match: str) -> None:
    refused(rewrite(path, offsets=offsets), f"{match}.*2 to 256")


@pytest.mark.parametrize("value", ["1e400", "1e-9"])
def test_sizes_beyond_any_object(path: Path, value: str) -> None:
    refused(rewrite(path, config=f'{{"object_diameter": {value}}}'), "object_diameter")
