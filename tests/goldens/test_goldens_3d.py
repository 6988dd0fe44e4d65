"""The graph terms against the golden numbers in 3D."""

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
from napari_grd.graph.boundaries import widen_borders
from napari_grd.graph.instances import instance_nodes


def close(result, expected):
    np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-5)


@pytest.fixture(scope="module")
def inputs(recipe):
    return recipe.make_inputs(3)


@pytest.fixture(scope="module")
def losses(goldens):
    return goldens("g3d_losses.npz")


@pytest.fixture(scope="module")
def targets(goldens):
    with goldens("g3d_targets.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files}


@pytest.fixture(scope="module")
def valid(inputs):
    return valid_mask(inputs.labels.shape[1:], inputs.offsets)


@pytest.fixture(scope="module")
def student_affinities(inputs):
    return affinities_from_embedding(inputs.student, inputs.offsets)


@pytest.fixture(scope="module")
def teacher_affinities(inputs):
    return affinities_from_embedding(inputs.teacher, inputs.offsets)


def test_targets_and_mask(inputs, targets, valid):
    target = affinities_from_labels(targets["seg_widen_border"], inputs.offsets, background="different")
    np.testing.assert_array_equal(target, targets["aff_target_fixed"])
    np.testing.assert_array_equal(valid.expand_as(target), targets["valid"])


def test_border_widening(inputs, targets):
    widened = [widen_borders(labels) for labels in inputs.labels.numpy()]
    np.testing.assert_array_equal(widened, targets["seg_widen_border"])


def test_targets_of_the_nearest_offsets(targets, inputs):
    """What the reference computes for its three offsets; it fills the strips without a partner otherwise."""
    nearest = inputs.offsets[:3]
    target = affinities_from_labels(targets["seg_widen_border"], nearest, background="different")
    inside = valid_mask(target.shape[2:], nearest).expand_as(target)
    np.testing.assert_array_equal(target[inside], targets["seg_to_aff_nn3"][inside])


def test_shifts_in_z_are_those_of_the_offsets(inputs, targets, valid):
    """The reference pairs every slice with the one before, whatever the offset: only its z channels differ."""
    labels = targets["seg_widen_border"]
    target = affinities_from_labels(labels, inputs.offsets, background="different")
    as_run = targets["aff_target_nopad_as_run"]
    differ = [bool((target[:, k] != as_run[:, k])[valid[k].expand_as(target[:, k])].any()) for k in range(12)]
    assert [k for k, found in enumerate(differ) if found] == [3, 6, 9]
    for k in (3, 6, 9):
        shift = -inputs.offsets[k][0]
        same = (labels[:, shift:] == labels[:, :-shift]) & (labels[:, shift:] > 0)
        np.testing.assert_array_equal(target[:, k, shift:], same)


def test_weights(targets, valid):
    everywhere = torch.ones_like(valid)
    for kind in ("fixed", "as_run"):
        weight = class_weights(targets[f"aff_target_{kind}"], everywhere, per_offset=True)
        close(weight, targets[f"weight_separate_{kind}"])


def test_affinities(student_affinities, teacher_affinities, check_map):
    check_map("g3d_affinity", "aff_s", student_affinities)
    check_map("g3d_affinity", "aff_t", teacher_affinities)


def test_nodes_and_pooling(goldens, inputs):
    stored = goldens("g3d_nodes.npz")
    with_background = inputs.labels + 1
    for key, embedding in (("s", inputs.student), ("t", inputs.teacher)):
        for b, nodes in enumerate(instance_nodes(embedding, with_background)):
            np.testing.assert_allclose(nodes, stored[f"node_{key}_{b}"], rtol=0, atol=2e-6)
    for key, embedding in (("s", inputs.student), ("bank", inputs.bank)):
        pooled = pool_embedding(embedding)
        np.testing.assert_allclose(pooled, stored[f"pool_{key}"].reshape(pooled.shape), rtol=0, atol=2e-6)


def test_base(student_affinities, losses, targets, valid):
    for kind, key in (("fixed", "base_fixed_targets"), ("as_run", "base_as_run")):
        target, weight = targets[f"aff_target_{kind}"], targets[f"weight_separate_{kind}"]
        close(affinity_loss(student_affinities, target, weight, valid, normalize="valid"), losses[key])


@pytest.mark.parametrize(("offsets", "key"), [(3, "agd_intra_3ch_w10"), (12, "agd_intra_12ch_w10")])
def test_affinity_distillation(student_affinities, teacher_affinities, losses, valid, offsets, key):
    student, teacher = student_affinities[:, :offsets], teacher_affinities[:, :offsets]
    close(10 * affinity_distillation(student, teacher, valid[:offsets]), losses[key])


@pytest.mark.parametrize("background", ["fg", "withbg"])
def test_instance_distillation(inputs, losses, background):
    shift = int(background == "withbg")  # the reference makes the background a node
    labels, bank_labels = inputs.labels + shift, inputs.bank_labels + shift
    student, teacher = (instance_nodes(e, labels) for e in (inputs.student, inputs.teacher))
    bank = instance_nodes(inputs.bank, bank_labels)
    close(0.1 * node_distillation(student, teacher), losses[f"igd_intra_node_w01_{background}"])
    close(0.1 * edge_distillation(student, teacher), losses[f"igd_intra_edge_w01_{background}"])
    close(2 * inter_edge_distillation(student, teacher, bank[:1]), losses[f"igd_inter_edge_bank1_as_run_{background}"])
    close(6 * inter_edge_distillation(student, teacher, bank), losses[f"igd_inter_edge_bank3_fixed_{background}"])
    pairs = [
        [inter_edge_distillation(student[b : b + 1], teacher[b : b + 1], [nodes]).item() for b in range(2)]
        for nodes in bank
    ]
    close(pairs, losses[f"igd_inter_pair_matrix_{background}"])


def test_affinity_distillation_across_images(inputs, losses):
    student, teacher = pool_embedding(inputs.student), pool_embedding(inputs.teacher)
    entries = bank_entries(pool_embedding(inputs.bank), [torch.empty(0, 8)] * 3)
    grams, counts = [entry.gram for entry in entries], [entry.count for entry in entries]
    for images in (1, 3):
        loss = inter_affinity_distillation(student, teacher, grams[:images], counts[:images])
        close(2 * images * loss, losses[f"agd_inter_raw_bank{images}"])
    pairs = [
        [inter_affinity_distillation(student[b : b + 1], teacher[b : b + 1], [g], [n]).item() for b in range(2)]
        for g, n in zip(grams, counts, strict=True)
    ]
    close(pairs, losses["agd_inter_pair_matrix_bank_by_batch"])


def test_gradients(inputs, targets, teacher_affinities, valid, check_gradient):
    target, weight = targets["aff_target_fixed"], targets["weight_separate_fixed"]

    def base(embedding):
        affinities = affinities_from_embedding(embedding, inputs.offsets)
        return affinity_loss(affinities, target, weight, valid, normalize="valid")

    def agd(embedding):
        affinities = affinities_from_embedding(embedding, inputs.offsets[:3])
        return 10 * affinity_distillation(affinities, teacher_affinities[:, :3], valid[:3])

    check_gradient("g3d_grads", "d_base_fixed_targets", base, inputs.student)
    check_gradient("g3d_grads", "d_agd_intra_3ch_w10", agd, inputs.student)
