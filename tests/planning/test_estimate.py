"""Costs of a distillation before it is started."""

import pytest
import torch

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.errors import ConfigError
from napari_grd.models.complexity import config_parameters
from napari_grd.models.model import Model, ModelConfig
from napari_grd.planning import throughput
from napari_grd.planning.estimate import DatasetSize, estimate
from napari_grd.planning.throughput import TrainingThroughput, training_throughput, view_seconds

TINY = NetworkConfig(widths=(2, 4, 4, 4, 4))
AMOUNT = DatasetSize(pixels=4 * 256**2, held=256**2, largest=256**2)
CONFIG = DistillConfig(network=TINY, steps=100, device="cpu").replace(
    **{"assistant.network.widths": (2, 4, 4, 4, 8), "assistant.steps": 50}
)


def test_parameters_are_those_of_the_network() -> None:
    assert config_parameters(TINY, 3) == Model.create(ModelConfig(network=TINY, in_channels=3)).card.parameters


def test_more_work_takes_longer_and_more_room() -> None:
    teacher = ModelConfig(network=TINY)
    base = estimate(CONFIG, AMOUNT, teacher)
    assert base.device == "CPU"
    assert base.seconds > 0
    assert estimate(CONFIG.replace(steps=1000), AMOUNT, teacher).seconds > 5 * base.seconds
    assert estimate(CONFIG.replace(batch=16), AMOUNT, teacher).memory > base.memory
    big = DatasetSize(pixels=AMOUNT.pixels * 20, held=AMOUNT.held, largest=AMOUNT.largest * 20)
    larger = estimate(CONFIG, big, teacher)
    assert larger.memory > base.memory
    assert larger.disk == 20 * base.disk


def test_a_teacher_of_labels_costs_its_assistant() -> None:
    with_embeddings = estimate(CONFIG, AMOUNT, ModelConfig(network=TINY))
    assert estimate(CONFIG, AMOUNT, None).seconds > with_embeddings.seconds
    direct = estimate(CONFIG.replace(**{"assistant.use": False}), AMOUNT, None)
    assert direct.seconds < estimate(CONFIG, AMOUNT, None).seconds


def test_looking_several_times_takes_longer() -> None:
    teacher = ModelConfig(network=TINY)
    once = estimate(CONFIG, AMOUNT, teacher)
    assert estimate(CONFIG.replace(confidence=0.5), AMOUNT, teacher).seconds > once.seconds


def test_measuring_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    throughput.forget()
    assert training_throughput(TINY, 1, "cpu").memory > 16 * 4
    assert view_seconds(TINY) > 0
    assert torch.rand(1) == expected


@pytest.mark.parametrize(("small", "large"), [(0.10, 0.16), (0.02, 0.075), (0.1, 0.09), (0.01, 0.06)])
def test_what_every_step_costs_is_not_multiplied_by_the_patches(small: float, large: float) -> None:
    pace = TrainingThroughput.between(small, large, 4, 1000, 0.0)
    assert pace.fixed >= 0
    assert pace.seconds > 0
    assert pace.step(4000) == pytest.approx(large)
    assert pace.step(8000) <= 2 * large + 1e-9


def test_a_measurement_is_of_the_machine_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(throughput.time, "monotonic", lambda: clock[0])
    seconds = iter([0.1, 0.5, 0.3, 0.2, 0.4, *[0.9] * 20])
    monkeypatch.setattr(throughput, "_typical", lambda _work: next(seconds))
    throughput.forget()
    first = view_seconds(TINY)
    assert view_seconds(TINY) == first, "of a moment"
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        assert view_seconds(TINY) != first, "with so many threads"
    finally:
        torch.set_num_threads(before)
    clock[0] = 1000.0
    assert view_seconds(TINY) not in (first,)
    throughput.forget()


def test_a_slow_run_among_fast_ones_does_not_decide_and_nor_does_a_fast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock[0])
    taken = iter([0.1, 0.3, 0.3])

    def work(_run: int) -> None:
        clock[0] += next(taken)

    assert throughput._typical(work) == pytest.approx(0.3)


def test_a_network_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="no network named 'nonesuch'"):
        estimate(CONFIG.replace(**{"network.name": "nonesuch"}), AMOUNT, None)
