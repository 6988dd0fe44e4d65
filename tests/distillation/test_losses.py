import pytest
import torch

from napari_grd.distillation.losses import (
    affinity_distillation,
    affinity_loss,
    edge_distillation,
    inter_affinity_distillation,
    inter_edge_distillation,
    node_distillation,
)


def random_nodes(*counts, channels=4, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, channels, generator=generator, dtype=dtype) for n in counts]


def cosines(a, b):
    return torch.nn.functional.cosine_similarity(a[:, None], b[None], dim=2)


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 4)], ids=["2d", "3d"])
@pytest.mark.parametrize("per_image", [False, True])
def test_affinity_loss_sums_offsets_and_averages_pixels_or_pairs(shape, per_image):
    generator = torch.Generator().manual_seed(0)
    a, t, w = (torch.rand(2, 3, *shape, generator=generator, dtype=torch.float64) for _ in range(3))
    valid = torch.rand(*((2,) if per_image else ()), 3, *shape, generator=generator) < 0.7
    square = w * valid * (a - t) ** 2
    pixels = square.sum() / (2 * shape.numel() if isinstance(shape, torch.Size) else square[:, 0].numel())
    torch.testing.assert_close(affinity_loss(a, t, w, valid), pixels)
    pairs = sum(square[:, k].sum() / valid.expand_as(a)[:, k].sum() for k in range(3))
    torch.testing.assert_close(affinity_loss(a, t, w, valid, normalize="valid"), pairs)
    torch.testing.assert_close(affinity_distillation(a, t, valid), affinity_loss(a, t, torch.ones_like(w), valid))


def test_an_offset_without_valid_pairs_contributes_zero_even_where_values_are_not_finite():
    a = torch.full((1, 1, 2, 2), torch.nan, requires_grad=True)
    valid = torch.zeros(1, 2, 2, dtype=torch.bool)
    for normalize in ("pixels", "valid"):
        loss = affinity_loss(a, torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), valid, normalize)
        assert loss.item() == 0


def test_node_distillation_averages_distances_over_instances_then_images():
    student, teacher = random_nodes(3, 5), random_nodes(3, 5, seed=1)
    for squared in (False, True):
        expected = torch.stack(
            [(s - t).norm(dim=1).pow(2 if squared else 1).mean() for s, t in zip(student, teacher, strict=True)]
        ).mean()
        torch.testing.assert_close(node_distillation(student, teacher, squared=squared), expected)


def test_edge_distillation_compares_cosines_of_all_pairs():
    student, teacher = random_nodes(3, 5), random_nodes(3, 5, seed=1)
    expected = [(cosines(s, s) - cosines(t, t)).pow(2).mean() for s, t in zip(student, teacher, strict=True)]
    torch.testing.assert_close(edge_distillation(student, teacher), torch.stack(expected).mean())


def test_inter_terms_equal_their_naive_form():
    student, teacher, bank = random_nodes(3, 5), random_nodes(3, 5, seed=1), random_nodes(2, 6, 1, seed=2)
    expected = [
        (cosines(s, u) - cosines(t, u)).pow(2).mean() for s, t in zip(student, teacher, strict=True) for u in bank
    ]
    torch.testing.assert_close(inter_edge_distillation(student, teacher, bank), torch.stack(expected).mean())

    pooled_s, pooled_t, *banks = (torch.randn(2, 4, n, dtype=torch.float64) for n in (7, 7, 5, 9))
    expected = [
        (p.T @ s - p.T @ t).pow(2).mean() for s, t in zip(pooled_s, pooled_t, strict=True) for b in banks for p in b
    ]
    grams, counts = [p @ p.T for b in banks for p in b], [5, 5, 9, 9]
    loss = inter_affinity_distillation(pooled_s, pooled_t, grams, counts)
    torch.testing.assert_close(loss, torch.stack(expected).mean())


def test_an_image_without_instances_contributes_zero():
    student, teacher, bank = random_nodes(3, 0), random_nodes(3, 0, seed=1), random_nodes(2, 0, seed=2)
    for loss in (node_distillation, edge_distillation):
        torch.testing.assert_close(loss(student, teacher), loss(student[:1], teacher[:1]) / 2)
    both = inter_edge_distillation(student, teacher, bank)
    torch.testing.assert_close(both, inter_edge_distillation(student[:1], teacher[:1], bank[:1]) / 4)


@pytest.mark.parametrize("counts", [(0, 0), (3, 1)])
def test_nothing_to_compare_gives_a_zero_that_can_be_differentiated(counts):
    student = [nodes.requires_grad_() for nodes in random_nodes(*counts)]
    pooled = torch.randn(2, 4, 5, requires_grad=True)
    total = inter_edge_distillation(student, student, []) + inter_affinity_distillation(pooled, pooled * 2, [], [])
    total = total + node_distillation(student, student) + edge_distillation(student, student)
    assert total.item() == 0
    total.backward()
    assert all(nodes.grad.isfinite().all() for nodes in student)


def test_gradients_flow_through_the_norms():
    teacher, bank = random_nodes(3, 2, seed=1), random_nodes(4, seed=2)
    student = [nodes.requires_grad_() for nodes in random_nodes(3, 2)]
    assert torch.autograd.gradcheck(lambda *s: edge_distillation(s, teacher), student)
    assert torch.autograd.gradcheck(lambda *s: inter_edge_distillation(s, teacher, bank), student)


def test_losses_are_float32_under_autocast():
    student, teacher, bank = (random_nodes(9, seed=i, dtype=torch.float32) for i in range(3))
    a, t = torch.rand(1, 2, 8, 8), torch.rand(1, 2, 8, 8)
    pooled = torch.randn(2, 1, 4, 30)
    valid = torch.ones(2, 8, 8, dtype=torch.bool)

    def losses():
        return [
            affinity_loss(a, t, t, valid),
            affinity_distillation(a, t, valid),
            node_distillation(student, teacher),
            edge_distillation(student, teacher),
            inter_affinity_distillation(*pooled, [torch.eye(4)], [30]),
            inter_edge_distillation(student, teacher, bank),
        ]

    expected = losses()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert losses() == expected
