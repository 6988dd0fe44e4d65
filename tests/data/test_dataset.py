"""A batch is a function of seed, step and rank."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_grd.config import AugmentConfig
from napari_grd.data.dataset import Example, PatchSampler, TeacherLayout

LAYOUT = TeacherLayout(embedding=4, foreground=True)


@pytest.fixture
def examples() -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        Example(
            f"image {i}",
            rng.random((2, 70, 80), dtype=np.float32),
            rng.integers(0, 5, (70, 80)),
            rng.random((5, 70, 80)).astype(np.float16),
        )
        for i in range(3)
    ]


def sampler(examples: list[Example], **changes: Any) -> PatchSampler:
    options: dict[str, Any] = {"layout": LAYOUT if examples[0].teacher is not None else None}
    return PatchSampler(
        examples, **(options | {"batch": 2, "patch": 32, "augment": AugmentConfig(), "seed": 1} | changes)
    )


def test_shapes_and_types(examples: list[Example]) -> None:
    batch = sampler(examples).batch(0)
    assert batch.image.shape == (2, 2, 32, 32)
    assert batch.image.dtype == torch.float32
    assert batch.labels.shape == (2, 32, 32)
    assert batch.labels.dtype == torch.int64
    assert batch.teacher is not None
    assert batch.teacher.shape == (2, 5, 32, 32)
    assert batch.teacher.dtype == torch.float32
    assert len(set(batch.sources)) == 2


def test_repeatable_and_different(examples: list[Example]) -> None:
    batch = sampler(examples).batch(7)
    again = sampler(examples).batch(7)
    assert torch.equal(batch.image, again.image)
    assert torch.equal(batch.labels, again.labels)
    others = [sampler(examples).batch(8), sampler(examples).batch(7, rank=1), sampler(examples, seed=2).batch(7)]
    assert not any(torch.equal(batch.image, other.image) for other in others)


def test_without_a_teacher(examples: list[Example]) -> None:
    plain = [Example(e.name, e.image, e.labels) for e in examples]
    assert sampler(plain).batch(0).teacher is None


def test_more_patches_than_images(examples: list[Example]) -> None:
    assert sampler(examples[:1], batch=4).batch(0).image.shape[0] == 4


def test_heavy_examples_are_drawn_more_often(examples: list[Example]) -> None:
    heavy = [replace(examples[0], weight=6.0), *examples[1:]]
    drawn = np.bincount([sampler(heavy, batch=1).batch(step).sources[0] for step in range(400)], minlength=3) / 400
    assert drawn == pytest.approx([0.75, 0.125, 0.125], abs=0.06)
    assert all(set(sampler(heavy, batch=3).batch(step).sources) == {0, 1, 2} for step in range(5))


def test_what_a_teacher_does_not_say_is_nan(examples: list[Example]) -> None:
    mute = [Example(e.name, e.image, e.labels) for e in examples[1:]]
    batch = sampler([examples[0], *mute], batch=3, layout=LAYOUT).batch(0)
    assert batch.teacher is not None
    said = {source: bool(values.isfinite().all()) for source, values in zip(batch.sources, batch.teacher, strict=True)}
    assert said == {0: True, 1: False, 2: False}
    assert batch.teacher[batch.sources.index(1)].isnan().all()


def test_a_layout_splits_channels() -> None:
    output = torch.arange(14.0).reshape(1, 14, 1, 1)
    embedding, affinities, foreground = TeacherLayout(3, 10, True).split(output)
    assert embedding is not None
    assert affinities is not None
    assert foreground is not None
    assert [*embedding.flatten(), *affinities.flatten(), *foreground.flatten()] == list(range(14))
    assert TeacherLayout().split(output) == (None, None, None)
    assert TeacherLayout(3, 10, True).channels == 14
