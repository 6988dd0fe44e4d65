"""The objective weights the terms, and draws from the bank before it pushes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from napari_grd.config import DistillConfig
from napari_grd.data.dataset import Batch
from napari_grd.distillation import losses
from napari_grd.distillation.memory_bank import BankEntry
from napari_grd.distillation.objective import DistillationObjective, Objective
from napari_grd.graph.affinities import affinities_from_embedding, valid_mask
from napari_grd.graph.offsets import OFFSETS_2D

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


def student(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.randn(2, 8, 32, 32, generator=generator, requires_grad=True)
    logit = torch.randn(2, 32, 32, generator=generator, requires_grad=True)
    return embedding, logit


def test_all_terms_weighted_and_added(small: Make) -> None:
    config = small()
    objective = DistillationObjective(config, OFFSETS_2D, teacher_channels=8)
    objective(*student(), make_batch(5), 0)
    terms = objective(*student(), make_batch(), 1)
    assert terms.keys() == TERMS | {"loss"}
    weights = {"foreground": config.foreground_weight, **config.weights.model_dump()}
    expected = sum(weights[name] * float(terms[name].detach()) for name in TERMS)
    assert float(terms["loss"].detach()) == pytest.approx(expected, rel=1e-6)


def test_an_empty_bank_contributes_nothing_and_fills(small: Make) -> None:
    objective = DistillationObjective(small(), OFFSETS_2D, teacher_channels=8)
    first = objective(*student(), make_batch(), 0)
    assert float(first["agd_inter"].detach()) == 0
    assert float(first["igd_inter"].detach()) == 0
    assert len(objective.bank) == 2
    second = objective(*student(), make_batch(3), 1)
    assert float(second["agd_inter"].detach()) > 0
    assert float(second["igd_inter"].detach()) > 0


def test_a_perfect_student_pays_only_for_the_labels(small: Make) -> None:
    config = small(**{"weights.teacher_foreground": 0.0})
    objective = DistillationObjective(config, OFFSETS_2D, teacher_channels=8)
    objective(*student(), make_batch(5), 0)
    batch = make_batch()
    assert batch.teacher is not None
    terms = objective(batch.teacher[:, :8], student()[1], batch, 1)
    assert all(float(terms[name].detach()) < 1e-10 for name in ("agd", "node", "edge", "agd_inter", "igd_inter"))


def test_terms_of_weight_zero_are_not_computed(small: Make) -> None:
    off = {f"weights.{name}": 0.0 for name in ("agd", "node", "edge", "agd_inter", "igd_inter", "teacher_foreground")}
    objective = DistillationObjective(small(**off), OFFSETS_2D, teacher_channels=8)
    assert objective(*student(), make_batch(), 0).keys() == {"affinity", "foreground", "loss"}
    assert len(objective.bank) == 0


def test_distilling_with_everything_off_is_supervised_training(small: Make) -> None:
    off = {f"weights.{name}": 0.0 for name in ("agd", "node", "edge", "agd_inter", "igd_inter", "teacher_foreground")}
    distilled = DistillationObjective(small(**off), OFFSETS_2D, teacher_channels=8)(*student(), make_batch(), 0)
    supervised = Objective(small(), OFFSETS_2D)(*student(), make_batch(teacher=False), 0)
    assert torch.equal(distilled["loss"], supervised["loss"])


def test_the_draw_depends_on_the_step_alone(small: Make) -> None:
    config = small(**{"bank.sample": 1})

    def run(objective: DistillationObjective, steps: range) -> float:
        for step in steps:
            terms = objective(*student(step), make_batch(step), step)
        return float(terms["loss"].detach())

    whole = DistillationObjective(config, OFFSETS_2D, teacher_channels=8)
    expected = run(whole, range(6))
    first = DistillationObjective(config, OFFSETS_2D, teacher_channels=8)
    run(first, range(3))
    second = DistillationObjective(config, OFFSETS_2D, teacher_channels=8)
    second.load_state_dict(first.state_dict())
    assert run(second, range(3, 6)) == expected


def test_ignored_background_does_not_count(small: Make) -> None:
    objective = Objective(small(background="ignore"), OFFSETS_2D)
    embedding, _ = student()
    changed = embedding.detach().clone()
    changed[:, :, 31, 31] += 5  # an unlabelled pixel
    batch = make_batch(teacher=False)
    assert torch.equal(objective(embedding, None, batch, 0)["loss"], objective(changed, None, batch, 0)["loss"])
    dense = Objective(small(background="none"), OFFSETS_2D)
    assert not torch.equal(dense(embedding, None, batch, 0)["loss"], dense(changed, None, batch, 0)["loss"])


def test_gathered_entries_reach_the_bank(small: Make) -> None:
    def twice(entries: list[BankEntry]) -> list[BankEntry]:
        return entries + entries

    objective = DistillationObjective(small(), OFFSETS_2D, teacher_channels=8, gather=twice)
    objective(*student(), make_batch(), 0)
    assert len(objective.bank) == 4


def test_an_image_without_instances_is_harmless(small: Make) -> None:
    objective = DistillationObjective(small(), OFFSETS_2D, teacher_channels=8)
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
        objective = DistillationObjective(config, OFFSETS_2D, teacher_channels=8)
        return objective(*student(), make_batch(), 0)["agd"].detach()

    batch = make_batch()
    assert batch.teacher is not None
    valid = valid_mask((32, 32), OFFSETS_2D)[None].expand(2, -1, -1, -1)
    embedding, _ = student()
    ours, theirs = (affinities_from_embedding(e, OFFSETS_2D) for e in (embedding, batch.teacher[:, :8]))
    assert torch.allclose(agd(False), losses.affinity_distillation(ours, theirs, valid))
    assert agd(True) > agd(False)
