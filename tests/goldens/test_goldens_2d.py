"""The graph terms against the golden numbers in 2D."""

import numpy as np
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
from napari_grd.distillation.memory_bank import bank_entries, pool_embedding
from napari_grd.graph.affinities import affinities_from_embedding, affinities_from_labels, class_weights, valid_mask
from napari_grd.graph.instances import instance_nodes


def close(result, expected):
    np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-5)


@pytest.fixture(scope="module")
def inputs(recipe):
    return recipe.make_inputs(2)


@pytest.fixture(scope="module")
def losses(goldens):
    return goldens("g2d_losses.npz")


@pytest.fixture(scope="module")
def target(inputs):
    return affinities_from_labels(inputs.labels, inputs.offsets)


@pytest.fixture(scope="module")
def valid(inputs):
    return valid_mask(inputs.labels.shape[1:], inputs.offsets)


@pytest.fixture(scope="module")
def weight(goldens, target):
    """As the reference has it: pairs without a partner count as joined."""
    padded = torch.from_numpy(goldens("g2d_targets.npz")["aff_target_pad1"])
    return class_weights(padded, torch.ones_like(padded, dtype=torch.bool))


def base(inputs, target, weight, valid):
    return lambda e: affinity_loss(affinities_from_embedding(e, inputs.offsets), target, weight, valid)


def agd(inputs, valid, *, wrap=False):
    teacher = affinities_from_embedding(inputs.teacher, inputs.offsets, wrap=wrap)
    return lambda e: affinity_distillation(affinities_from_embedding(e, inputs.offsets, wrap=wrap), teacher, valid)


def igd(inputs, term, **options):
    teacher = instance_nodes(inputs.teacher, inputs.labels)
    return lambda e: term(instance_nodes(e, inputs.labels), teacher, **options)


def agd_inter(inputs, images):
    entries = bank_entries(pool_embedding(inputs.bank), [torch.empty(0, 16)] * 3)[:images]
    grams, counts = [entry.gram for entry in entries], [entry.count for entry in entries]
    teacher = pool_embedding(inputs.teacher)
    return lambda e: inter_affinity_distillation(pool_embedding(e), teacher, grams, counts)


def igd_inter(inputs, images):
    bank = instance_nodes(inputs.bank, inputs.bank_labels)[:images]
    teacher = instance_nodes(inputs.teacher, inputs.labels)
    return lambda e: inter_edge_distillation(instance_nodes(e, inputs.labels), teacher, bank)


def test_targets_and_mask(goldens, target, valid):
    stored = goldens("g2d_targets.npz")
    np.testing.assert_array_equal(target, stored["aff_target_pad0"])
    np.testing.assert_array_equal(valid.expand_as(target), stored["aff_mask"])


def test_targets_without_background(goldens, inputs, valid):
    target = affinities_from_labels(inputs.labels, inputs.offsets, background="different")
    np.testing.assert_array_equal(target.where(valid, 1), goldens("g2d_targets.npz")["aff_target_pad1_ignore_bg"])


def test_weights(goldens, weight):
    stored = goldens("g2d_targets.npz")
    padded = torch.from_numpy(stored["aff_target_pad1"])
    close(weight, stored["weight_joint"])
    everywhere = torch.ones_like(padded, dtype=torch.bool)
    close(class_weights(padded, everywhere, per_offset=True), stored["weight_separate"])


def test_weights_of_given_shares(goldens):
    for share, weight_joined, weight_separated in goldens("g2d_targets.npz")["weight_fn_cases"]:
        target = (torch.arange(1000) < round(1000 * share)).float()[None, None]
        weight = class_weights(target, torch.ones(1, 1000, dtype=torch.bool))
        if share > 0:
            close(weight[target == 1], weight_joined)
        if share < 1:
            close(weight[target == 0], weight_separated)


def test_affinities(inputs, check_map):
    student = affinities_from_embedding(inputs.student, inputs.offsets)
    check_map("g2d_affinity", "aff_s_zero_out_of_range", student)
    for key, embedding in (("aff_s_roll", inputs.student), ("aff_t_roll", inputs.teacher)):
        check_map("g2d_affinity", key, affinities_from_embedding(embedding, inputs.offsets, wrap=True))


def test_nodes_and_pooling(goldens, inputs):
    stored = goldens("g2d_nodes.npz")
    for key, embedding, labels in (
        ("s", inputs.student, inputs.labels),
        ("t", inputs.teacher, inputs.labels),
        ("bank", inputs.bank, inputs.bank_labels),
    ):
        for b, nodes in enumerate(instance_nodes(embedding, labels)):
            np.testing.assert_allclose(nodes, stored[f"node_{key}_{b}"], rtol=0, atol=2e-6)
        pooled = pool_embedding(embedding)
        np.testing.assert_allclose(pooled, stored[f"pool_{key}"].reshape(pooled.shape), rtol=0, atol=2e-6)


def test_base(inputs, losses, target, weight, valid):
    close(base(inputs, target, weight, valid)(inputs.student), losses["base"])
    per_offset = [
        [base_of_one_offset(inputs, e, k, target, weight, valid).item() for k in range(len(inputs.offsets))]
        for e in (inputs.student, inputs.teacher)
    ]
    close(per_offset[0], losses["base_per_offset"])
    close(per_offset[1], losses["base_teacher_per_offset"])


def base_of_one_offset(inputs, embedding, k, target, weight, valid):
    affinities = affinities_from_embedding(embedding, inputs.offsets[k : k + 1])
    return affinity_loss(affinities, target[:, k : k + 1], weight[:, k : k + 1], valid[k : k + 1])


def test_base_with_weights_of_each_offset(goldens, inputs, losses, target, valid):
    weight = torch.from_numpy(goldens("g2d_targets.npz")["weight_separate"])
    close(base(inputs, target, weight, valid)(inputs.student), losses["base_separate_weight"])
    per_offset = [base_of_one_offset(inputs, inputs.student, k, target, weight, valid).item() for k in range(10)]
    close(per_offset, losses["base_separate_weight_per_offset"])


def test_affinity_distillation(inputs, losses, valid):
    close(10 * agd(inputs, valid)(inputs.student), losses["agd_intra_w10_masked"])
    close(10 * agd(inputs, torch.ones_like(valid), wrap=True)(inputs.student), losses["agd_intra_w10"])
    student, teacher = (affinities_from_embedding(e, inputs.offsets) for e in (inputs.student, inputs.teacher))
    per_pair = affinity_distillation(student, teacher, valid, normalize="valid")
    close(per_pair / len(inputs.offsets), losses["agd_intra_mean_valid_unweighted"])


def test_instance_distillation(inputs, losses):
    node, edge = (igd(inputs, term)(inputs.student) for term in (node_distillation, edge_distillation))
    squared = igd(inputs, node_distillation, squared=True)(inputs.student)
    for result, key in (
        (0.1 * node, "igd_intra_node_w01"),
        (0.1 * edge, "igd_intra_edge_w01"),
        (0.1 * (node + edge), "igd_intra_sum"),
        (node, "igd_intra_node_f64_unweighted"),
        (edge, "igd_intra_edge_f64_unweighted"),
        (squared, "igd_intra_node_squared_f64_unweighted"),
    ):
        close(result, losses[key])


def test_terms_across_images(inputs, losses):
    """The reference sums where we average: over bank and batch, and over both blocks of the edges."""
    for images in (1, 3):
        close(2 * images * agd_inter(inputs, images)(inputs.student), losses[f"agd_inter_raw_bank{images}"])
    for images, key in (
        (1, "igd_inter_edge_bank1"),
        (1, "igd_inter_edge_bank1_f64"),
        (3, "igd_inter_edge_bank3_fixed"),
    ):
        close(2 * images * igd_inter(inputs, images)(inputs.student), losses[key])


def test_terms_across_images_pair_by_pair(inputs, losses):
    pooled = [pool_embedding(e) for e in (inputs.student, inputs.teacher)]
    nodes = [instance_nodes(e, inputs.labels) for e in (inputs.student, inputs.teacher)]
    entries = bank_entries(pool_embedding(inputs.bank), instance_nodes(inputs.bank, inputs.bank_labels))
    agd_pairs, igd_pairs = np.zeros((3, 2)), np.zeros((3, 2))
    for m, entry in enumerate(entries):
        for b in range(2):
            one = slice(b, b + 1)
            agd_pairs[m, b] = inter_affinity_distillation(*(p[one] for p in pooled), [entry.gram], [entry.count])
            igd_pairs[m, b] = inter_edge_distillation(*(n[one] for n in nodes), [entry.nodes])
    close(agd_pairs, losses["agd_inter_pair_matrix_bank_by_batch"])
    close(igd_pairs, losses["igd_inter_pair_matrix_bank_by_batch"])


def test_total_with_one_bank_image(inputs, losses, target, weight, valid):
    student = inputs.student
    total = base(inputs, target, weight, valid)(student)
    total = total + 10 * agd(inputs, torch.ones_like(valid), wrap=True)(student)
    total = total + 0.1 * (igd(inputs, node_distillation)(student) + igd(inputs, edge_distillation)(student))
    total = total + 2 / 12 * (2 * agd_inter(inputs, 1)(student) + 2 * igd_inter(inputs, 1)(student))
    close(total, losses["total_as_run_bank1"])


def test_gradients(inputs, target, weight, valid, check_gradient):
    for key, factor, loss in (
        ("d_base", 1, base(inputs, target, weight, valid)),
        ("d_agd_intra_w10", 10, agd(inputs, torch.ones_like(valid), wrap=True)),
        ("d_igd_node_w01", 0.1, igd(inputs, node_distillation)),
        ("d_igd_edge_w01_full", 0.1, igd(inputs, edge_distillation)),
        ("d_agd_inter_raw_bank1", 2, agd_inter(inputs, 1)),
        ("d_agd_inter_raw_bank3", 6, agd_inter(inputs, 3)),
        ("d_igd_inter_bank1_full", 2, igd_inter(inputs, 1)),
        ("d_igd_inter_bank3_fixed_full", 6, igd_inter(inputs, 3)),
    ):
        check_gradient("g2d_grads", key, lambda e, loss=loss, factor=factor: factor * loss(e), inputs.student)
