"""The objective weights the terms, and draws from the bank before it pushes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_grd.config import DistillConfig
from napari_grd.data.dataset import Batch, TeacherLayout
from napari_grd.data.inputs import IGNORED
from napari_grd.distillation import losses
from napari_grd.distillation.memory_bank import BankEntry
from napari_grd.distillation.objective import DistillationObjective, Objective
from napari_grd.graph.affinities import (
    affinities_from_embedding,
    affinities_from_labels,
    class_weights,
    valid_mask,
)
from napari_grd.graph.offsets import OFFSETS_2D

SOFT = TeacherLayout(affinities=10, foreground=True)
LAYOUT = TeacherLayout(embedding=8, foreground=True)
Make = Callable[..., DistillConfig]
TERMS = {"affinity", "foreground", "agd", "node", "edge", "agd_inter", "igd_inter", "teacher_foreground"}


def make_batch(seed: int = 0, *, teacher: bool = True) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros(2, 32, 32, dtype=torch.long)
    labels[:, 2:10, 2:10] = 1
    labels[:, 15:30, 5:20] = 2
    output = torch.randn(2, 9, 32, 32, generator=generator)
    output[:, 8] = output[:, 8].sigmoid()
    return Batch(torch.zeros(2, 1, 32, 32), labels, output if teacher else None, (0, 1))


def soft_batch(seed: int = 0) -> Batch:
    batch = make_batch(seed, teacher=False)
    output = torch.rand(2, 11, 32, 32, generator=torch.Generator().manual_seed(seed))
    output[:, :10][:, ~valid_mask((32, 32), OFFSETS_2D)] = torch.nan  # anything may stand there
    return replace(batch, teacher=output)


def student(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.randn(2, 8, 32, 32, generator=generator, requires_grad=True)
    logit = torch.randn(2, 32, 32, generator=generator, requires_grad=True)
    return embedding, logit


def test_all_terms_weighted_and_added(small: Make) -> None:
    config = small()
    objective = DistillationObjective(config, OFFSETS_2D, layout=LAYOUT)
    objective(*student(), make_batch(5), 0)
    terms = objective(*student(), make_batch(), 1)
    assert terms.keys() == TERMS | {"loss"}
    weights = {"foreground": config.foreground_weight, **config.weights.model_dump()}
    expected = sum(weights[name] * float(terms[name].detach()) for name in TERMS)
    assert float(terms["loss"].detach()) == pytest.approx(expected, rel=1e-6)


def test_an_empty_bank_contributes_nothing_and_fills(small: Make) -> None:
    objective = DistillationObjective(small(), OFFSETS_2D, layout=LAYOUT)
    first = objective(*student(), make_batch(), 0)
    assert float(first["agd_inter"].detach()) == 0
    assert float(first["igd_inter"].detach()) == 0
    assert len(objective.bank) == 2
    second = objective(*student(), make_batch(3), 1)
    assert float(second["agd_inter"].detach()) > 0
    assert float(second["igd_inter"].detach()) > 0


def test_a_perfect_student_pays_only_for_the_labels(small: Make) -> None:
    config = small(**{"weights.teacher_foreground": 0.0})
    objective = DistillationObjective(config, OFFSETS_2D, layout=LAYOUT)
    objective(*student(), make_batch(5), 0)
    batch = make_batch()
    assert batch.teacher is not None
    terms = objective(batch.teacher[:, :8], student()[1], batch, 1)
    assert all(float(terms[name].detach()) < 1e-10 for name in ("agd", "node", "edge", "agd_inter", "igd_inter"))


def test_terms_of_weight_zero_are_not_computed(small: Make) -> None:
    off = {f"weights.{name}": 0.0 for name in ("agd", "node", "edge", "agd_inter", "igd_inter", "teacher_foreground")}
    objective = DistillationObjective(small(**off), OFFSETS_2D, layout=LAYOUT)
    assert objective(*student(), make_batch(), 0).keys() == {"affinity", "foreground", "loss"}
    assert len(objective.bank) == 0


def test_distilling_with_everything_off_is_supervised_training(small: Make) -> None:
    off = {f"weights.{name}": 0.0 for name in ("agd", "node", "edge", "agd_inter", "igd_inter", "teacher_foreground")}
    distilled = DistillationObjective(small(**off), OFFSETS_2D, layout=LAYOUT)(*student(), make_batch(), 0)
    supervised = Objective(small(), OFFSETS_2D)(*student(), make_batch(teacher=False), 0)
    assert torch.equal(distilled["loss"], supervised["loss"])


def test_the_draw_depends_on_the_step_alone(small: Make) -> None:
    config = small(**{"bank.sample": 1})

    def run(objective: DistillationObjective, steps: range) -> float:
        for step in steps:
            terms = objective(*student(step), make_batch(step), step)
        return float(terms["loss"].detach())

    whole = DistillationObjective(config, OFFSETS_2D, layout=LAYOUT)
    expected = run(whole, range(6))
    first = DistillationObjective(config, OFFSETS_2D, layout=LAYOUT)
    run(first, range(3))
    second = DistillationObjective(config, OFFSETS_2D, layout=LAYOUT)
    second.load_state_dict(first.state_dict())
    assert run(second, range(3, 6)) == expected


def test_ignored_background_does_not_count(small: Make) -> None:
    objective = Objective(small(background="ignore"), OFFSETS_2D)
    embedding, _ = student()
    changed = embedding.detach().clone()
    changed[:, :, 31, 31] += 5  # an unlabeled pixel
    batch = make_batch(teacher=False)
    assert torch.equal(objective(embedding, None, batch, 0)["loss"], objective(changed, None, batch, 0)["loss"])
    dense = Objective(small(background="none"), OFFSETS_2D)
    assert not torch.equal(dense(embedding, None, batch, 0)["loss"], dense(changed, None, batch, 0)["loss"])


def test_gathered_entries_reach_the_bank(small: Make) -> None:
    def twice(entries: list[BankEntry]) -> list[BankEntry]:
        return entries + entries

    objective = DistillationObjective(small(), OFFSETS_2D, layout=LAYOUT, gather=twice)
    objective(*student(), make_batch(), 0)
    assert len(objective.bank) == 4


def test_an_image_without_instances_is_harmless(small: Make) -> None:
    objective = DistillationObjective(small(), OFFSETS_2D, layout=LAYOUT)
    for step in range(2):
        batch = make_batch(step)
        empty = Batch(batch.image, torch.zeros_like(batch.labels), batch.teacher, batch.sources)
        embedding, logit = student()
        terms = objective(embedding, logit, empty, step)
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        assert all(float(terms[name].detach()) == 0 for name in ("node", "edge", "igd_inter"))
        gradient: Any = embedding.grad
        assert torch.isfinite(gradient).all()


def test_balanced_agd_weighs_separating_pairs_more(small: Make) -> None:
    def agd(balanced: bool) -> torch.Tensor:
        config = small(**{"weights.agd_balanced": balanced})
        objective = DistillationObjective(config, OFFSETS_2D, layout=LAYOUT)
        return objective(*student(), make_batch(), 0)["agd"].detach()

    batch = make_batch()
    assert batch.teacher is not None
    valid = valid_mask((32, 32), OFFSETS_2D)[None].expand(2, -1, -1, -1)
    embedding, _ = student()
    ours, theirs = (affinities_from_embedding(e, OFFSETS_2D) for e in (embedding, batch.teacher[:, :8]))
    assert torch.allclose(agd(False), losses.affinity_distillation(ours, theirs, valid))
    assert agd(True) > agd(False)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), background=st.sampled_from(["class", "ignore", "none"]), soft=st.booleans())
def test_ignored_pixels_get_no_gradient(small: Make, seed: int, background: str, soft: bool) -> None:
    """Whatever is masked: no term looks there, but for the bank, whose windows are masked whole."""
    generator = torch.Generator().manual_seed(seed)
    layout = SOFT if soft else LAYOUT
    objective = DistillationObjective(small(background=background), OFFSETS_2D, layout=layout)
    batch = make_batch(seed) if not soft else soft_batch(seed)
    masked = torch.rand(batch.labels.shape, generator=generator) < torch.rand((), generator=generator)
    batch = replace(batch, labels=batch.labels.masked_fill(masked, IGNORED))
    for step in range(2):
        embedding, logit = student(step)
        objective(embedding, logit, batch, step)["loss"].backward()  # type: ignore[no-untyped-call]
    assert embedding.grad is not None
    assert logit.grad is not None
    assert torch.isfinite(embedding.grad).all()
    assert embedding.grad.abs().sum(1)[masked].sum() == 0
    assert logit.grad[masked].abs().sum() == 0
    if not masked.all():
        assert logit.grad[~masked].abs().min() > 0


def test_without_ignored_pixels_nothing_changes(small: Make) -> None:
    """The masked terms are the plain ones."""
    batch = make_batch()
    embedding, logit = student()
    terms = Objective(small(), OFFSETS_2D)(embedding, logit, batch, 0)
    wanted = affinities_from_labels(batch.labels, OFFSETS_2D)
    valid = valid_mask((32, 32), OFFSETS_2D)
    ours = affinities_from_embedding(embedding, OFFSETS_2D)
    assert torch.equal(terms["affinity"], losses.affinity_loss(ours, wanted, class_weights(wanted, valid), valid))
    plain = binary_cross_entropy_with_logits(logit, (batch.labels > 0).float())
    assert float((terms["foreground"] - plain).detach()) == pytest.approx(0, abs=1e-6)


def test_soft_affinities_teach_without_embeddings(small: Make) -> None:
    objective = DistillationObjective(small(), OFFSETS_2D, layout=SOFT)
    batch = soft_batch()
    assert batch.teacher is not None
    embedding, logit = student()
    terms = objective(embedding, logit, batch, 0)
    assert terms.keys() == {"affinity", "foreground", "agd", "teacher_foreground", "loss"}
    valid = valid_mask((32, 32), OFFSETS_2D)
    ours = affinities_from_embedding(embedding, OFFSETS_2D)
    balance = class_weights(affinities_from_labels(batch.labels, OFFSETS_2D), valid)
    assert torch.equal(terms["agd"], losses.affinity_loss(ours, batch.teacher[:, :10], balance, valid))
    assert len(objective.bank) == 0


def test_where_a_teacher_says_nothing_nothing_counts(small: Make) -> None:
    objective = DistillationObjective(small(), OFFSETS_2D, layout=SOFT)
    batch = soft_batch()
    assert batch.teacher is not None
    mute = replace(batch, teacher=torch.full_like(batch.teacher, torch.nan))
    embedding, logit = student()
    terms = objective(embedding, logit, mute, 0)
    assert float(terms["agd"].detach()) == float(terms["teacher_foreground"].detach()) == 0
    terms["loss"].backward()  # type: ignore[no-untyped-call]
    assert embedding.grad is not None
    assert torch.isfinite(embedding.grad).all()
