"""Unit vectors, as torch's own normalization makes them, with a gradient that is finite everywhere."""

import pytest
import torch
from torch.nn.functional import normalize

from napari_grd.graph.precision import SMALLEST_NORM, unit_vectors


@pytest.mark.parametrize("dim", [1, -1])
@pytest.mark.parametrize("length", [1e-12, SMALLEST_NORM, 1e-6, 1.0, 1e9])
def test_vectors_of_any_length_are_those_of_torch(dim: int, length: float) -> None:
    vectors = length * torch.randn(2, 5, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(unit_vectors(vectors, dim), normalize(vectors, dim=dim, eps=SMALLEST_NORM))


def test_the_gradient_is_that_of_torch_and_finite_at_zero() -> None:
    given = torch.randn(2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    given[0, :, 0] = 0
    factor = torch.arange(30.0, dtype=torch.float64).reshape(5, 6)
    gradients = []
    for function in (unit_vectors, lambda vectors, dim: normalize(vectors, dim=dim, eps=SMALLEST_NORM)):
        vectors = given.clone().requires_grad_()
        (function(vectors, 1) * factor).sum().backward()
        assert vectors.grad is not None
        assert vectors.grad.isfinite().all()
        gradients.append(vectors.grad)
    torch.testing.assert_close(*gradients)


def test_half_precision_becomes_single() -> None:
    assert unit_vectors(torch.ones(1, 3, dtype=torch.bfloat16), 1).dtype == torch.float32
