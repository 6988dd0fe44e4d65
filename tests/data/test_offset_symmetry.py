"""A turned image's affinities are the affinities of the turned image."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.data.offset_symmetry import order_and_flips, transform_affinities
from napari_grd.errors import ConfigError
from napari_grd.graph.affinities import affinities_from_labels, valid_mask
from napari_grd.graph.offsets import OFFSETS_2D, offsets_2d


def affinities(labels: np.ndarray, offsets: tuple) -> np.ndarray:
    return affinities_from_labels(torch.from_numpy(labels.copy())[None], offsets)[0].numpy()


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    turns=st.integers(-3, 6),
    flip=st.booleans(),
    offsets=st.sampled_from([OFFSETS_2D, offsets_2d((1, 2), neighbors=8)]),
)
def test_turning_commutes_with_comparing(seed, shape, turns, flip, offsets) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, shape)
    there = np.rot90(labels, turns)
    there = there[:, ::-1] if flip else there
    got = transform_affinities(affinities(labels, offsets), offsets, *order_and_flips(turns, flip))
    valid = valid_mask(there.shape, offsets).numpy()
    np.testing.assert_array_equal(got[valid], affinities(there, offsets)[valid])
    assert np.isnan(got[~valid]).all()


def test_offsets_that_a_turn_leaves_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(-1, 0\) has no counterpart"):
        transform_affinities(np.zeros((1, 4, 4), np.float32), [(-1, 0)], (1, 0), (True, False))
