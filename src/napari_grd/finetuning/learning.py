"""The stages of a fine-tuning: choose the start, try on folds, decide how far to go, learn from everything.

Corrections are divided into two folds. The model learns briefly from one and is scored on the other, both ways, so that
every object is scored by a network that has not seen it. That decides how far to go, "not at all" included; then the
model learns from all corrections, that far.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import FineTuneConfig
from napari_grd.data.inputs import IGNORED
from napari_grd.finetuning.candidate import Candidate, Improved
from napari_grd.finetuning.choice import USEFUL, Distance, farthest_gain, is_clear_gain, is_gain
from napari_grd.finetuning.clock import Clock
from napari_grd.finetuning.corrected_grid import at_border
from napari_grd.finetuning.folds import LabeledRegion
from napari_grd.finetuning.held_out import HeldOut, RegionScore, mean_quality
from napari_grd.finetuning.rehearsal import Rehearsal, iter_own_images
from napari_grd.finetuning.result import card_changes, tuned_config
from napari_grd.finetuning.run import FineTuningRun, Weights, blended, mean_weights
from napari_grd.jobs import Event, Job, Notice, PreviewImages, Progress, StepMetrics
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher

REHEARSAL, TRY = "Preparing rehearsal", "Comparing models"
_LOG_EVERY = 10
_PREVIEW_EVERY = 6.0  # seconds between improved labels
_CANDIDATE, _CANDIDATE_SECONDS = 1 / 20, 0.15  # steps of each model that is compared; share of the time of all
_TRIAL = 1 / 8  # share of steps and time to train on one fold
_PART = 1 / 3  # of a trial's steps, after which it is scored, too
_BLENDS = (0.5, 1.0)  # of the largest blend
_KEPT = 0.7  # largest blend that preserves the model's accuracy on its own domain
_OTHER = 0.05  # difference of scales that is reported to the user
_ALONE = 0.25, 0.5  # share of the steps, and blend, with a single object


@dataclass
class Learning:
    """The stages of one fine-tuning."""

    config: FineTuneConfig
    clock: Clock
    teacher: Teacher | None
    raw: Sequence[NDArray[Any]]
    others: Sequence[NDArray[Any]]
    improved: Improved | None
    finish: Callable[[], bool] | None
    _shown: float = field(default_factory=time.monotonic)

    @property
    def stopped(self) -> bool:
        return self.finish is not None and self.finish()

    def choose_start(self, candidates: Sequence[Candidate]) -> Job[tuple[Candidate, Candidate]]:
        """The model to train, and the one that segments the corrected objects best as it is.

        What fits a few objects of one image need not fit other images: the first model is trained unless another one is
        clearly better, both untrained and on held-out objects after a few steps.
        """
        untrained = []
        for number, candidate in enumerate(candidates):
            yield Progress(TRY, number, len(candidates))
            untrained.append([candidate.rescaled[region] for region in candidate.regions])
        qualities = [mean_quality(scores) for scores in untrained]
        best, chosen = int(np.argmax(qualities)), 0
        others = [number for number in range(1, len(candidates)) if is_clear_gain(untrained[0], untrained[number])]
        if others:
            compared = [0, *others]
            learned: list[list[RegionScore]] = []
            for number in compared:
                learned.append(
                    (yield from self._after_few_steps(candidates[number], _CANDIDATE_SECONDS / len(compared)))
                )
            clear = [index for index, scores in enumerate(learned) if index == 0 or is_clear_gain(learned[0], scores)]
            chosen = compared[max(clear, key=lambda index: mean_quality(learned[index]))]
        table = ", ".join(
            f"{candidate.model.card.name} {value:.2f}" for candidate, value in zip(candidates, qualities, strict=True)
        )
        name = candidates[chosen].model.card.name
        yield Notice(f"Learning starts from {name} (quality of the corrected objects before: {table}).", None)
        return candidates[chosen], candidates[best]

    def _after_few_steps(self, candidate: Candidate, seconds: float) -> Job[list[RegionScore]]:
        """Scores of a part of the corrections, trained a little on the rest or, if better, untrained."""
        held = candidate.folds[0] if candidate.folds else candidate.regions
        run = candidate.run(None, held if candidate.folds else ())
        yield from self._train(run, max(1, round(_CANDIDATE * self.config.steps)), seconds, 0.0)
        yield from self._show(candidate, run)
        learned = candidate.score(run.averaged_weights(), 1.0, held)
        return max(learned, [candidate.rescaled[region] for region in held], key=mean_quality)

    def describe(self, candidate: Candidate) -> Iterator[Event]:
        """Notices about the corrections."""
        edges = sum(len(at_border(image.labels)) for image in candidate.images)
        if edges >= candidate.objects:
            yield Notice(
                f"All {candidate.objects} corrected objects touch the border of their image, so that neither their size"
                " nor their shape is known. Correct some inside the image, too."
            )
        grid = candidate.model.config.grid_diameter
        if (
            self.config.mode == "keep"
            and grid is not None
            and abs(candidate.alone[0].scale / candidate.scale - 1) > _OTHER
        ):
            yield Notice(
                "The model keeps its object size. Segment images like these with an object diameter"
                f" of {grid / candidate.scale:.0f} pixels."
            )
        if not candidate.folds:
            yield Notice(
                "There is one corrected object, so that none can be held out to see whether learning helps: the model"
                " learns cautiously. Correct two objects or more."
            )

    def prepare_rehearsal(self, candidate: Candidate) -> Job[Rehearsal | None]:
        """The corrected images themselves, if the model (or the teacher) is of use on them."""
        if not self.config.rehearsal or self.config.batch < 2:
            return None
        if self.teacher is None and mean_quality(list(candidate.rescaled.values())) < USEFUL:
            return None
        if not self.others:
            images, raw = candidate.images, list(self.raw)
        else:
            unknown = [np.full(image.shape[1:], IGNORED, np.int64) for image in self.others]
            images = [*candidate.images, *candidate.see(self.others, unknown)]
            raw = [*self.raw, *self.others]
        predictions = None
        if self.teacher is not None:
            predictions = []
            for number, image in enumerate(raw):
                yield Progress(REHEARSAL, number, len(raw))
                predictions.append(self.teacher.predict(image))
        return (yield from iter_own_images(candidate.frozen, images, REHEARSAL, self.config.seed, predictions))

    def learn(self, candidate: Candidate, rehearsal: Rehearsal | None, baseline: Candidate) -> Job[Model]:
        """The fine-tuned model, or the unchanged baseline: the best untrained model on the corrected objects."""
        if not candidate.folds:
            return (yield from self._alone(candidate, rehearsal, baseline))
        blends = [share * self._most for share in _BLENDS]
        scored: list[LabeledRegion] = []
        tried: dict[Distance, list[RegionScore]] = {}
        passed: dict[int, list[Weights]] = {}
        for fold in candidate.folds:
            yield from self._trial(candidate, fold, rehearsal, blends, tried, passed)
            scored += fold
            if self.stopped:
                break
        before, rescaled = ([scores[region] for region in scored] for scores in (baseline.before, candidate.rescaled))
        tried = {distance: scores for distance, scores in tried.items() if len(scores) == len(scored)}
        tried[Distance(0, 0.0)] = rescaled
        best = farthest_gain(before, tried)
        last = max(tried, key=lambda distance: (distance.steps, distance.blend))
        # A model that is of no use has nothing to lose on the way, so that the end of the trial decides.
        if mean_quality(rescaled) < USEFUL and is_gain(before, tried[last]):
            best = last
        if best is None:
            return (yield from self._unchanged(baseline, before, tried))
        held_out = HeldOut.of(before, tried[best])
        yield StepMetrics(self.clock.step, held_out.on_card(), kind="held-out")
        if best.steps == 0:
            return self._tuned(candidate, candidate.model.network.state_dict(), 0.0, 0, held_out)
        weights = mean_weights(passed[best.steps])
        if self.stopped:
            return self._tuned(candidate, weights, best.blend, best.steps, held_out)
        if best != last:  # as far as in the trials, with all corrections
            run = candidate.run(rehearsal)
            yield from self._train(run, best.steps, 1.0, 0.0, candidate)
            return self._tuned(candidate, run.averaged_weights(), best.blend, run.steps, held_out)
        # It was still improving.
        run = candidate.run(rehearsal, start=weights)
        rest = max(1, self.config.steps - self.clock.step)
        yield from self._train(run, rest, 1.0, _TRIAL, candidate, to_end=True)
        weights = run.averaged_weights()
        everything = candidate.score(weights, self._most, candidate.regions)
        if mean_quality(everything) < mean_quality([baseline.before[region] for region in baseline.regions]):
            return (yield from self._unchanged(baseline, before, tried))
        return self._tuned(candidate, weights, self._most, best.steps + run.steps, held_out)

    @property
    def _most(self) -> float:
        return min(self.config.blend, _KEPT) if self.config.mode == "keep" else self.config.blend

    def _trial(
        self,
        candidate: Candidate,
        held: Sequence[LabeledRegion],
        rehearsal: Rehearsal | None,
        blends: Sequence[float],
        tried: dict[Distance, list[RegionScore]],
        passed: dict[int, list[Weights]],
    ) -> Job[None]:
        """Train without a fold and score it on the way: adds scores and weights at each distance."""
        run = candidate.run(rehearsal, held)
        most = max(1, round(_TRIAL * self.config.steps))
        for steps in sorted({max(1, round(_PART * most)), most}):
            if self.stopped and run.steps:
                return
            part = steps - run.steps
            yield from self._train(run, part, _TRIAL * part / most, 0.0, candidate)
            weights = run.averaged_weights()
            passed.setdefault(steps, []).append(weights)
            for blend in blends:
                tried.setdefault(Distance(steps, blend), []).extend(candidate.score(weights, blend, held))

    def _train(
        self,
        run: FineTuningRun,
        most: int,
        seconds: float,
        start: float,
        shown: Candidate | None = None,
        *,
        to_end: bool = False,
    ) -> Job[None]:
        """Train for a number of steps, and at most a share of the time."""
        begin = self.clock.share
        for number in self.clock.steps_within(most, seconds):
            share = start + number / self.config.steps
            if to_end:
                done = max(number / most, (self.clock.share - begin) / max(1e-6, 1 - begin))
                share = start + (1 - start) * min(1.0, done)
            terms = run.advance(share)
            if run.steps % _LOG_EVERY == 1:
                yield StepMetrics(self.clock.step, terms)
            yield self.clock.progress()
            if shown is not None:
                yield from self._show(shown, run)
            if self.stopped or (to_end and self.clock.share >= 1):
                return

    def _show(self, candidate: Candidate, run: FineTuningRun) -> Iterator[Event]:
        if self.improved is None or time.monotonic() - self._shown < _PREVIEW_EVERY:
            return
        network = blended(candidate.model.network, run.averaged_weights(), self._most)
        yield PreviewImages(
            self.clock.step, self.improved(replace(candidate.model, network=network, config=tuned_config(candidate)))
        )
        self._shown = time.monotonic()

    def _alone(self, candidate: Candidate, rehearsal: Rehearsal | None, baseline: Candidate) -> Job[Model]:
        """With a single object, a short distance; none if the model is right."""
        scores = [baseline.before[region] for region in baseline.regions]
        share, blend = _ALONE
        run = candidate.run(rehearsal)
        yield from self._train(run, max(1, round(share * self.config.steps)), share, 0.0, candidate)
        weights = run.averaged_weights()
        blend = min(blend, self._most)
        if not is_gain(scores, candidate.score(weights, blend, candidate.regions)):
            yield self._nothing(baseline, "not even on the corrected object")
            return baseline.model
        return self._tuned(candidate, weights, blend, run.steps, None)

    def _unchanged(
        self, baseline: Candidate, before: Sequence[RegionScore], tried: dict[Distance, list[RegionScore]]
    ) -> Job[Model]:
        best = max(tried.values(), key=mean_quality) if tried else before
        held_out = HeldOut.of(before, best)
        yield StepMetrics(self.clock.step, HeldOut.of(before, before).on_card(), kind="held-out")
        yield self._nothing(
            baseline,
            f"on {held_out.objects} held-out objects AP50 was {held_out.ap50_before:.2f} and at best"
            f" {held_out.ap50_after:.2f}, mean IoU {held_out.iou_before:.2f} and {held_out.iou_after:.2f}",
        )
        return baseline.model

    @staticmethod
    def _nothing(baseline: Candidate, why: str) -> Notice:
        return Notice(
            f"Nothing was gained by learning: {why}. The result is the model {baseline.model.card.name} as it is."
            " Correct more objects, especially those that it gets wrong."
        )

    def _tuned(
        self, candidate: Candidate, weights: Weights, blend: float, steps: int, held_out: HeldOut | None
    ) -> Model:
        network = blended(candidate.model.network, weights, blend)
        model = replace(candidate.model, network=network, config=tuned_config(candidate))
        return model.with_card(**card_changes(candidate, self.teacher, steps, blend, held_out))
