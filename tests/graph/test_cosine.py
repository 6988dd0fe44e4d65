import itertools

import numpy as np
import pytest

from napari_grd.errors import ImageError
from napari_grd.graph import parallel
from napari_grd.graph.cosine import affinities_channels_last, warm_up
from napari_grd.graph.offsets import default_offsets


def naive(embedding, offsets):
    """The definition, one pixel at a time, in double precision."""
    embedding = embedding.astype(np.float64)
    shape = embedding.shape[:-1]
    result = np.zeros((len(offsets), *shape))
    for k, offset in enumerate(offsets):
        for p in itertools.product(*map(range, shape)):
            q = tuple(np.add(p, offset))
            if all(0 <= i < n for i, n in zip(q, shape, strict=True)):
                a, b = embedding[p], embedding[q]
                result[(k, *p)] = a @ b / max(np.linalg.norm(a), 1e-12) / max(np.linalg.norm(b), 1e-12)
    return result


@pytest.mark.parametrize(("shape", "channels"), [((31, 34), 16), ((5, 11, 12), 7), ((1, 1), 3)])
def test_agrees_with_the_definition(shape, channels):
    embedding = np.random.default_rng(0).normal(size=(*shape, channels)).astype(np.float32)
    offsets = default_offsets(len(shape))
    result = affinities_channels_last(embedding, offsets)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, naive(embedding, offsets), atol=2e-6)


def test_parts_of_an_array_are_read_where_they_are():
    whole = np.random.default_rng(0).normal(size=(8, 9, 12, 6)).astype(np.float32)
    offsets = default_offsets(3)
    parts = [
        whole[1:6, 2:, 3:11, :4],
        whole[::2, ::-1],
        np.moveaxis(whole, 0, -1),
        np.broadcast_to(whole[3], whole.shape),
    ]
    for part in parts:
        expected = affinities_channels_last(part.copy(), offsets)
        np.testing.assert_array_equal(affinities_channels_last(part, offsets), expected)
    assert affinities_channels_last(whole[:, :0], offsets).shape == (len(offsets), 8, 0, 12)


def test_offsets_may_point_either_way():
    embedding = np.random.default_rng(0).normal(size=(6, 7, 4)).astype(np.float32)
    offsets = ((2, -1), (-1, 2), (0, 3))
    np.testing.assert_allclose(affinities_channels_last(embedding, offsets), naive(embedding, offsets), atol=2e-6)


@pytest.mark.parametrize("shape", [(23, 26), (4, 9, 10)])
def test_mask_and_stride_only_leave_out(shape):
    rng = np.random.default_rng(1)
    embedding = rng.normal(size=(*shape, 16)).astype(np.float32)
    offsets = default_offsets(len(shape))
    everything = affinities_channels_last(embedding, offsets)

    mask = rng.random(shape) < 0.6
    both = np.zeros(everything.shape, bool)
    for k, offset in enumerate(offsets):
        for p in zip(*np.nonzero(mask), strict=True):
            q = tuple(np.add(p, offset))
            both[(k, *p)] = min(q) >= 0 and mask[q]
    np.testing.assert_array_equal(
        affinities_channels_last(embedding, offsets, mask=mask), np.where(both, everything, 0)
    )

    grid = (slice(None), *[slice(None, None, 3)] * len(shape))
    np.testing.assert_array_equal(affinities_channels_last(embedding, offsets, stride=3), everything[grid])


def test_zero_embedding_is_zero_not_nan():
    assert not affinities_channels_last(np.zeros((3, 3, 4), np.float32), ((-1, 0),)).any()


def test_nan_survives():
    embedding = np.ones((3, 3, 16), np.float32)
    embedding[1, 1, 0] = np.nan
    assert np.isnan(affinities_channels_last(embedding, ((-1, 0),))[0, 1:, 1]).all()


def test_threads_do_not_change_a_bit(monkeypatch):
    embedding = np.random.default_rng(0).normal(size=(40, 30, 16)).astype(np.float32)
    offsets = default_offsets(2)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(parallel, "thread_count", lambda threads=threads: threads)
        results.append(affinities_channels_last(embedding, offsets))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize(
    ("shape", "offsets", "mask"),
    [((4, 3), ((-1,),), None), ((4, 4, 3), ((-1, 0, 0),), None), ((4, 4, 3), ((-1, 0),), np.ones((4, 5), bool))],
)
def test_shapes_that_do_not_fit(shape, offsets, mask):
    with pytest.raises(ImageError):
        affinities_channels_last(np.ones(shape, np.float32), offsets, mask=mask)


def test_warm_up_runs():
    warm_up()
