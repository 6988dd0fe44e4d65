"""MALA against the numbers of the method's reference implementation."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from napari_grd.errors import ConfigError
from napari_grd.models.mala import MALA, TEACHER_WIDTHS
from napari_grd.models.model import count_parameters
from napari_grd.models.networks import build, entry

Goldens = Callable[[str], Mapping[str, np.ndarray]]


def in_the_reference_s_order(network: MALA) -> list[torch.nn.Parameter]:
    # Ours are grouped by kind of layer, the reference's follow the data.
    decoder = (part for pair in zip(network.up, network.merge, strict=True) for part in pair)
    return [p for part in (network.down, *decoder, network.head) for p in part.parameters()]


def test_embedding_is_the_reference_s(goldens: Goldens) -> None:
    network = MALA(1, 16)
    stored = goldens("net_forward.npz")
    parameters = in_the_reference_s_order(network)
    assert ["x".join(map(str, p.shape)) for p in parameters] == stored["mala_param_shapes"].tolist()
    for i, parameter in enumerate(parameters):
        wave = torch.cos(0.37 * i + 0.73 * torch.arange(parameter.numel(), dtype=torch.float64))
        scale = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.05
        parameter.data = (scale * wave).reshape(parameter.shape).float()
    image = np.random.default_rng(6).random((1, 1, 31, 214, 214)).astype(np.float32)
    with torch.no_grad():
        embedding = network(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(embedding, stored["mala_tiny_emb"], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        (None, 367_648),
        (TEACHER_WIDTHS, 84_020_644),
        ((12, 60, 120, 300), 5_625_724),
        ((6, 30, 150, 500), 11_520_452),
        ((10, 20, 40, 80), 519_416),
        ((12, 24, 48, 96), 747_424),
        ((4, 8, 16, 32, 16, 16, 4), 92_408),
    ],
)
def test_parameters_match_the_method(widths: tuple[int, ...] | None, expected: int) -> None:
    with torch.device("meta"):
        options = {} if widths is None else {"widths": widths}
        network = build("mala", in_channels=1, embedding=16, foreground=False, **options)
    assert count_parameters(network) == expected


@pytest.mark.parametrize("size", [(29, 214, 241), (53, 268, 268), (84, 268, 214)])
def test_output_is_smaller_by_the_margin(size: tuple[int, ...]) -> None:
    margin = entry("mala").margin
    with torch.device("meta"):
        output = build("mala", in_channels=2, embedding=3)(torch.zeros(1, 2, *size))
    assert output.shape == (1, 4, *(n - 2 * m for n, m in zip(size, margin, strict=True)))


def test_input_sizes_are_the_method_s() -> None:
    size = entry("mala").input_size
    assert size((25, 56, 56)) == (53, 268, 268)
    assert size((56, 56, 56)) == (84, 268, 268)
    assert size((1, 1, 2)) == (29, 214, 214)
    assert size((2, 3, 30)) == (30, 241, 268)


@pytest.mark.parametrize("widths", [(8, 16, 32), (8, 16, 32, 64, 32), (8, 16, 32, 0)])
def test_wrong_widths_are_named(widths: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=str(widths)[1:-1]):
        build("mala", in_channels=1, widths=widths)
