"""The losses of graph relation distillation (method.md, sections 5 to 10, section 14 where code and paper differ).

Pure functions of tensors that return an unweighted scalar, computed in float32
outside autocast. B images, C channels, K offsets, S the spatial axes. Nodes
are lists with one ``(N_b, C)`` tensor per image. An image without instances and
an empty memory bank contribute zero.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from napari_grd.graph.precision import full_precision, promote, unit_vectors

Normalize = Literal["pixels", "valid"]


def affinity_loss(
    affinities: Tensor, target: Tensor, weight: Tensor, valid: Tensor, normalize: Normalize = "pixels"
) -> Tensor:
    """Squared error of affinities (method.md, section 5, the supervised term of the paper).

    ``sum_k sum_bp w m (A - T)^2 / (B |S|)`` with ``m`` the valid pairs.

    Parameters
    ----------
    affinities, target, weight : Tensor
        ``(B, K, *S)``.
    valid : Tensor
        bool, ``(K, *S)`` or ``(B, K, *S)``.
    normalize : {"pixels", "valid"}
        Divide each offset by the number of pixels, or by its number of valid pairs.

    Returns
    -------
    Tensor
        Scalar; summed, not averaged, over offsets.

    Examples
    --------
    >>> ones = torch.ones(1, 2, 4)
    >>> affinity_loss(0.5 * ones, ones, ones, ones.bool())
    tensor(0.5000)
    """
    with full_precision(affinities):
        valid = valid.expand_as(affinities)
        square = (promote(affinities) - promote(target)).square()
        error = torch.where(valid, square * weight, 0).transpose(0, 1).flatten(1).sum(1)
        if normalize == "pixels":
            return error.sum() / (valid.numel() / valid.shape[1])
        pairs = valid.transpose(0, 1).flatten(1).sum(1)
        return (error / pairs.clamp(min=1)).sum()


def affinity_distillation(student: Tensor, teacher: Tensor, valid: Tensor, normalize: Normalize = "pixels") -> Tensor:
    """Affinity graph distillation within an image (method.md, section 6).

    ``sum_k sum_bp m (A_S - A_T)^2 / (B |S|)``.

    Parameters
    ----------
    student, teacher : Tensor
        Affinities ``(B, K, *S)``.
    valid : Tensor
        bool, ``(K, *S)`` or ``(B, K, *S)``.
    normalize : {"pixels", "valid"}
        As for :func:`affinity_loss`.

    Returns
    -------
    Tensor
        Scalar.

    Examples
    --------
    >>> ones = torch.ones(1, 2, 4)
    >>> affinity_distillation(ones, 0.5 * ones, ones.bool())
    tensor(0.5000)
    """
    return affinity_loss(student, teacher, student.new_ones(()), valid, normalize)


def node_distillation(
    student_nodes: Sequence[Tensor], teacher_nodes: Sequence[Tensor], *, squared: bool = False
) -> Tensor:
    """Instance graph distillation of nodes, within an image (method.md, sections 7 and 14).

    ``mean_b mean_k ||v_S - v_T||``, or its square as the paper prints it.

    Parameters
    ----------
    student_nodes, teacher_nodes : sequence of Tensor
        For each image ``(N_b, C)``.
    squared : bool
        Take the squared distance.

    Returns
    -------
    Tensor
        Scalar.

    Examples
    --------
    >>> node_distillation([torch.tensor([[3.0, 4.0]])], [torch.zeros(1, 2)])
    tensor(5.)
    """
    terms = []
    for student, teacher in zip(student_nodes, teacher_nodes, strict=True):
        with full_precision(student):
            distance = torch.linalg.vector_norm(promote(student) - promote(teacher), dim=1)
            terms.append(_mean(distance.square() if squared else distance))
    return _mean_over_images(terms)


def edge_distillation(student_nodes: Sequence[Tensor], teacher_nodes: Sequence[Tensor]) -> Tensor:
    """Instance graph distillation of edges, within an image (method.md, section 7).

    ``mean_b mean_kl (cos(v_S,k, v_S,l) - cos(v_T,k, v_T,l))^2`` over all pairs of instances.

    Parameters
    ----------
    student_nodes, teacher_nodes : sequence of Tensor
        For each image ``(N_b, C)``.

    Returns
    -------
    Tensor
        Scalar.

    Examples
    --------
    >>> student, teacher = torch.eye(2), torch.ones(2, 2)
    >>> edge_distillation([student], [teacher])
    tensor(0.5000)
    """
    terms = []
    for student, teacher in zip(student_nodes, teacher_nodes, strict=True):
        with full_precision(student):
            s, t = unit_vectors(student, dim=1), unit_vectors(teacher, dim=1)
            terms.append(_mean((s @ s.T - t @ t.T).square()))
    return _mean_over_images(terms)


def inter_affinity_distillation(
    student_pooled: Tensor, teacher_pooled: Tensor, grams: Sequence[Tensor], counts: Sequence[int]
) -> Tensor:
    """Affinity graph distillation across images (method.md, section 9).

    ``mean_mb mean_ij (P_m^T P_S,b - P_m^T P_T,b)^2_ij`` for the pooled unit embeddings
    ``P_m`` of the bank, written as ``<G_m, D_b D_b^T> / (n_m n_b)`` with the Gram
    matrix ``G_m = P_m P_m^T`` and ``D = P_S - P_T``: the same number without the map.

    Parameters
    ----------
    student_pooled, teacher_pooled : Tensor
        ``(B, C, n)``, see :func:`~napari_grd.distillation.memory_bank.pool_embedding`.
    grams : sequence of Tensor
        For each entry of the bank ``(C, C)``.
    counts : sequence of int
        For each entry its number of pooled positions ``n_m``.

    Returns
    -------
    Tensor
        Scalar.

    Examples
    --------
    >>> student, teacher, bank = torch.eye(2)[None], torch.zeros(1, 2, 2), torch.eye(2)
    >>> inter_affinity_distillation(student, teacher, [bank @ bank.T], [2])
    tensor(0.5000)
    """
    with full_precision(student_pooled):
        difference = promote(student_pooled) - promote(teacher_pooled)
        if not grams:
            return difference.new_zeros(())
        bank = torch.stack([promote(gram) / count for gram, count in zip(grams, counts, strict=True)]).mean(0)
        batch, _, positions = difference.shape
        return ((bank @ difference) * difference).sum() / (batch * positions)


def inter_edge_distillation(
    student_nodes: Sequence[Tensor], teacher_nodes: Sequence[Tensor], bank_nodes: Sequence[Tensor]
) -> Tensor:
    """Instance graph distillation of edges, across images (method.md, sections 10 and 14).

    ``mean_mb mean_kl (cos(v_S,k, u_l) - cos(v_T,k, u_l))^2`` for the nodes ``u`` of bank
    entry ``m``; one block, no growing denominators.

    Parameters
    ----------
    student_nodes, teacher_nodes : sequence of Tensor
        For each image ``(N_b, C)``.
    bank_nodes : sequence of Tensor
        For each entry of the bank ``(M_m, C)``, made by the teacher.

    Returns
    -------
    Tensor
        Scalar.

    Examples
    --------
    >>> inter_edge_distillation([torch.eye(2)], [torch.eye(2).flip(0)], [torch.eye(2)])
    tensor(1.)
    """
    if not bank_nodes:
        return _mean_over_images([_mean(student[:, :0]) for student in student_nodes])
    with full_precision(bank_nodes[0]):
        units = [unit_vectors(nodes, dim=1) for nodes in bank_nodes]
        # sum_l (d . u_l)^2 is d^T (sum_l u_l u_l^T) d, so the whole bank is one small matrix.
        bank = torch.stack([u.T @ u / max(len(u), 1) for u in units]).mean(0)
        terms = []
        for student, teacher in zip(student_nodes, teacher_nodes, strict=True):
            difference = unit_vectors(student, dim=1) - unit_vectors(teacher, dim=1)
            terms.append(_mean(((difference @ bank) * difference).sum(1)))
    return _mean_over_images(terms)


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(values.numel(), 1)


def _mean_over_images(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).mean() if terms else torch.zeros(())
