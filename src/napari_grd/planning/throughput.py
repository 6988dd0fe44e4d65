"""Throughput of networks, measured with a single patch on this machine, as busy as it is."""

import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.data.dataset import Example, PatchSampler, TeacherLayout
from napari_grd.data.simulate import nuclei_2d
from napari_grd.distillation.objective import DistillationObjective
from napari_grd.distillation.optim import make_optimizer
from napari_grd.distillation.parallel import resolve_device
from napari_grd.models.model import Model, ModelConfig

VIEW = 512 * 512
"""Pixels of the view for which speeds are reported."""

OPENVINO = 0.56
"""OpenVINO's share of torch's time, channels last: 363 against 650 ms at 1024²."""

_PATCH = 128
_SEVERAL = 4  # patches of the larger of two steps that are measured
_RUNS = 3, 9  # fewest and most repetitions of a measurement
_ENOUGH = 0.6  # seconds after which it is not repeated, once there are enough
_HOLDS = 120.0  # seconds for which a measurement holds: other programs come and go


@dataclass(frozen=True)
class TrainingThroughput:
    """Cost of a training step: sampling, forward, loss, backward, optimizer.

    Attributes
    ----------
    fixed : float
        Seconds of a step of any size.
    seconds : float
        Seconds for each pixel of a batch beside these.
    memory : float
        Bytes per pixel that the forward stores for the backward pass.
    """

    fixed: float
    seconds: float
    memory: float

    def step(self, pixels: int) -> float:
        """Seconds of a step on so many pixels."""
        return self.fixed + self.seconds * pixels

    @classmethod
    def between(cls, small: float, large: float, times: int, pixels: int, memory: float) -> "TrainingThroughput":
        """From the seconds of a step on so many pixels, and of one on several times as many.

        Examples
        --------
        >>> TrainingThroughput.between(3.0, 6.0, 4, 100, 0.0).step(100)
        3.0
        """
        slope = (large - small) / ((times - 1) * pixels)
        if not 0 < slope * pixels < small:  # other programs took their share of one of them
            return cls(0.0, large / (times * pixels), memory)
        return cls(small - slope * pixels, slope, memory)


def view_seconds(network: NetworkConfig, in_channels: int = 1) -> float:
    """Seconds a network takes for a view of 512 x 512 pixels on this machine's CPU, without the partition.

    Measured with torch on a smaller image; if OpenVINO, which runs networks on a CPU, is installed, the time is scaled
    by its typical gain. A measurement holds for two minutes, for the number of threads that torch uses.
    """
    return _view_seconds(network, in_channels, torch.get_num_threads(), _moment())


@lru_cache(maxsize=64)
def _view_seconds(network: NetworkConfig, in_channels: int, _threads: int, _moment: int) -> float:
    with torch.random.fork_rng(devices=[]):
        net = _model(network, in_channels).network.eval()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def seconds(side: int) -> float:
        image = torch.zeros(1, in_channels, side, side).to(memory_format=torch.channels_last)
        with torch.no_grad():
            return _typical(lambda _: net(image)) * VIEW / side**2

    measured = seconds(_PATCH)
    # A small network is measured on a larger image: its fixed costs matter less there.
    if measured < 1.6:
        measured = seconds(2 * _PATCH)
    return measured * (OPENVINO if importlib.util.find_spec("openvino") else 1.0)


def training_throughput(network: NetworkConfig, in_channels: int = 1, device: str = "auto") -> TrainingThroughput:
    """Measure a step of distilling a network, on one and on several patches of a synthetic image.

    A measurement holds for two minutes, for the number of threads that torch uses.

    Raises
    ------
    ConfigError
        If the network cannot be built, or the device is not available.
    """
    return _training_throughput(network, in_channels, device, torch.get_num_threads(), _moment())


@lru_cache(maxsize=64)
def _training_throughput(
    network: NetworkConfig, in_channels: int, device: str, _threads: int, _moment: int
) -> TrainingThroughput:
    config = DistillConfig(network=network, batch=1, patch=_PATCH, device=device)
    place = torch.device(resolve_device(config)[0])
    with torch.random.fork_rng(devices=[]):
        model = _model(network, in_channels)
    net = model.network.to(place).train()
    layout = TeacherLayout(embedding=network.embedding, foreground=True)
    objective = DistillationObjective(config, model.config.offsets, layout=layout)
    optimizer: Any = make_optimizer(net, config.optim)
    example = _example(in_channels, network.embedding)
    single, several = (
        PatchSampler([example], batch=batch, patch=_PATCH, augment=config.augment, seed=0, layout=layout)
        for batch in (1, _SEVERAL)
    )
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def step(number: int, sampler: PatchSampler = single) -> None:
        batch = sampler.batch(number).to(place)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = objective(*model.split(net(batch.image)), batch, number)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # waits for a GPU

    step(0)
    memory = sum(kept.values()) / _PATCH**2
    small, large = _typical(step), _typical(lambda number: step(number, several))
    return TrainingThroughput.between(small, large, _SEVERAL, _PATCH**2, memory)


def forget() -> None:
    """Forget all measurements."""
    _view_seconds.cache_clear()
    _training_throughput.cache_clear()


def _moment() -> int:
    """The same number for as long as a measurement holds."""
    return int(time.monotonic() // _HOLDS)


def _typical(work: Callable[[int], object]) -> float:
    """Median seconds of several runs: the fastest one is what the machine does when nothing else runs."""
    least, most = _RUNS
    taken: list[float] = []
    while len(taken) < least or (len(taken) < most and sum(taken) < _ENOUGH):
        start = time.perf_counter()
        work(len(taken) + 1)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _model(network: NetworkConfig, in_channels: int) -> Model:
    return Model.create(ModelConfig(network=network, in_channels=in_channels))


def _example(in_channels: int, embedding: int) -> Example:
    rng = np.random.default_rng(0)
    image, labels = nuclei_2d(rng, (160, 160))
    normalized = np.repeat(image[None].astype(np.float32) / image.max(), in_channels, axis=0)
    return Example("estimate", normalized, labels, rng.random((embedding + 1, 160, 160), np.float32))
