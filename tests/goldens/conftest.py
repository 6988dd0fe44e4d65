"""Inputs of the golden numbers, and comparisons with stored maps."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def recipe() -> ModuleType:
    """The module that makes the inputs; this folder is not a package to import it from."""
    spec = importlib.util.spec_from_file_location("golden_recipe", Path(__file__).parent / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass looks for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def full_goldens() -> Path | None:
    """The folder with all golden numbers, where ``GRD_GOLDENS`` names one."""
    folder = os.environ.get("GRD_GOLDENS")
    assert folder is None or Path(folder).is_dir(), f"GRD_GOLDENS names {folder!r}, which is not a folder"
    return Path(folder) if folder else None


@pytest.fixture
def check_map(recipe, goldens, full_goldens) -> Callable[[str, str, Tensor], None]:
    """Compares a map with the stored sub-sample, or with the whole where it is at hand."""

    def check(name: str, key: str, result: Tensor) -> None:
        values = result.detach().numpy()
        np.testing.assert_allclose(recipe.subsample(values), goldens("maps.npz")[f"{name}.{key}"], rtol=0, atol=2e-6)
        if full_goldens:
            np.testing.assert_allclose(values, np.load(full_goldens / f"{name}.npz")[key], rtol=0, atol=2e-6)

    return check


@pytest.fixture
def check_gradient(check_map) -> Callable[..., None]:
    """Compares the gradient of a loss with respect to the student's embedding with a stored map."""

    def check(name: str, key: str, loss: Callable[[Tensor], Tensor], embedding: Tensor) -> None:
        leaf = embedding.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf), leaf)
        check_map(name, key, gradient)

    return check
