import numpy as np
import pytest


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_recipe_makes_the_stored_inputs(recipe, full_goldens, ndim):
    if full_goldens is None:
        pytest.skip("set GRD_GOLDENS to the folder with all golden numbers to run this test")
    inputs = recipe.make_inputs(ndim)
    with np.load(full_goldens / f"g{ndim}d_inputs.npz") as stored:
        for key, made in (
            ("emb_s", inputs.student),
            ("emb_t", inputs.teacher),
            ("labels", inputs.labels),
            ("bank_emb", inputs.bank),
            ("bank_labels", inputs.bank_labels),
        ):
            np.testing.assert_array_equal(made.numpy(), stored[key])
        np.testing.assert_array_equal(inputs.offsets, stored["offsets"])
