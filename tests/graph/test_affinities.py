import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.errors import ConfigError
from napari_grd.graph.affinities import affinities_from_embedding, affinities_from_labels, class_weights, valid_mask
from napari_grd.graph.offsets import OFFSETS_2D, OFFSETS_3D, offsets_2d


def pairs(shape, offset):
    """Every pixel with a partner inside, and the partner, one by one."""
    for p in torch.cartesian_prod(*(torch.arange(n) for n in shape)).tolist():
        q = [a + o for a, o in zip(p, offset, strict=True)]
        if all(0 <= a < n for a, n in zip(q, shape, strict=True)):
            yield tuple(p), tuple(q)


geometry = st.integers(2, 3).flatmap(
    lambda ndim: st.tuples(
        st.tuples(*[st.integers(1, 5)] * ndim),
        st.lists(st.tuples(*[st.integers(-6, 6)] * ndim), min_size=1, max_size=3),
    )
)


@settings(deadline=None, max_examples=25)
@given(geometry)
def test_every_pair_is_compared_with_its_partner(case):
    shape, offsets = case
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(2, 3, *shape, generator=generator)
    labels = torch.randint(0, 3, (2, *shape), generator=generator)
    valid = valid_mask(shape, offsets)
    affinities = affinities_from_embedding(embedding, offsets)
    equal = affinities_from_labels(labels, offsets)
    different = affinities_from_labels(labels, offsets, background="different")

    expected_valid = torch.zeros_like(valid)
    for k, offset in enumerate(offsets):
        for p, q in pairs(shape, offset):
            expected_valid[(k, *p)] = True
            cosine = torch.cosine_similarity(embedding[(..., *p)], embedding[(..., *q)], dim=1)
            torch.testing.assert_close(affinities[(slice(None), k, *p)], cosine)
            a, b = labels[(..., *p)], labels[(..., *q)]
            assert torch.equal(equal[(slice(None), k, *p)], (a == b).float())
            assert torch.equal(different[(slice(None), k, *p)], ((a == b) & (a != 0)).float())
    assert torch.equal(valid, expected_valid)
    for result in (affinities, equal, different):
        assert not result[~valid.expand_as(result)].any()


@pytest.mark.parametrize(
    ("shape", "offsets"), [((4, 5), offsets_2d((1, 3), neighbors=8)), ((3, 4, 4), OFFSETS_3D[:6])], ids=["2d", "3d"]
)
def test_gradient_is_that_of_the_cosine(shape, offsets):
    embedding = torch.randn(2, 3, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda e: affinities_from_embedding(e, offsets), embedding)


def test_wrapping_takes_the_partner_from_the_other_border():
    embedding = torch.tensor([[[[1.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]]]])
    assert affinities_from_embedding(embedding, [(0, -1)], wrap=True).tolist() == [[[[1.0, 0.0, 0.0]]]]


def test_affinities_are_float32_under_autocast_and_for_half_precision_input():
    embedding = torch.randn(1, 16, 8, 8)
    expected = affinities_from_embedding(embedding, OFFSETS_2D)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(affinities_from_embedding(embedding, OFFSETS_2D), expected)
        assert affinities_from_embedding(embedding.bfloat16(), OFFSETS_2D).dtype == torch.float32


def test_a_zero_embedding_has_a_finite_gradient():
    embedding = torch.zeros(1, 4, 3, 3, requires_grad=True)
    affinities_from_embedding(embedding, OFFSETS_2D).sum().backward()
    assert embedding.grad.isfinite().all()


def test_an_offset_with_too_many_axes_is_refused():
    with pytest.raises(ConfigError, match=r"\(-1, 0, 0\) has 3 components.*2 axes"):
        valid_mask((4, 4), OFFSETS_3D)


@pytest.mark.parametrize(
    ("joined", "weight_joined", "weight_separated"),
    [(100, 1, None), (0, None, 1), (75, 1, 3), (25, 3, 1), (50, 1, 1), (1, 19, 1)],
)
def test_the_rarer_kind_weighs_more(joined, weight_joined, weight_separated):
    target = (torch.arange(100) < joined).float().reshape(1, 1, 10, 10)
    weight = class_weights(target, torch.ones(1, 10, 10, dtype=torch.bool))
    for kind, expected in ((1, weight_joined), (0, weight_separated)):
        if expected is not None:
            torch.testing.assert_close(weight[target == kind].unique(), torch.tensor([float(expected)]))


def test_weights_count_valid_pairs_only_per_image_or_per_offset():
    target = torch.tensor([[[1, 1, 0, 0], [0, 0, 0, 1]], [[1, 1, 1, 1], [1, 1, 1, 1]]]).float()
    valid = torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1]]).bool()
    joint = class_weights(target, valid)
    each = class_weights(target, valid, per_offset=True)
    torch.testing.assert_close(joint[0, 0], torch.tensor([1.0, 1.0, 1.5, 1.5]))
    torch.testing.assert_close(each[0], torch.tensor([[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]]))
    assert (joint[1] == 1).all()
    assert (class_weights(target, torch.zeros_like(valid)) == 1).all()
