"""Similarity of all pixels to one."""

import numpy as np
import pytest

from napari_grd.graph.similarity import SimilarityMap


def test_it_is_the_cosine() -> None:
    embedding = np.random.default_rng(0).normal(size=(16, 9, 11)).astype(np.float32)
    unit = embedding / np.linalg.norm(embedding, axis=0)
    answer = SimilarityMap(embedding).to((4, 7))
    np.testing.assert_allclose(answer, np.einsum("cyx,c->yx", unit, unit[:, 4, 7]), atol=1e-6)
    assert answer.dtype == np.float32
    assert answer[4, 7] == pytest.approx(1)


def test_of_a_large_plane_every_so_many_pixels_are_compared() -> None:
    embedding = np.random.default_rng(0).normal(size=(4, 50, 31)).astype(np.float32)
    everything, some = SimilarityMap(embedding), SimilarityMap(embedding, max_pixels=400)
    assert (everything.step, some.step) == (1, 2)
    np.testing.assert_allclose(some.to((3, 5)), everything.to((3, 5))[::2, ::2], atol=1e-6)


def test_a_pixel_without_direction_is_like_none() -> None:
    assert not SimilarityMap(np.zeros((3, 4, 4), np.float32)).to((1, 1)).any()
