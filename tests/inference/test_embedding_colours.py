"""Colours of embeddings."""

import numpy as np

from napari_grd.inference.colours import embedding_colours


def test_the_same_embedding_has_the_same_colour_everywhere() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(16, 4)))[0].T.astype(np.float32)
    embedding = rng.normal(size=(16, 6, 6)).astype(np.float32)
    whole = embedding_colours(embedding, basis)
    np.testing.assert_allclose(embedding_colours(3 * embedding[:, :2], basis), whole[:2], rtol=1e-5)
    assert whole.shape == (6, 6, 3)
