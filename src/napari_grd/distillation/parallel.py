"""Training on one device, or on several with one process per device.

With several devices the parent starts a process for each, relays the events
of rank 0 and, when it is closed, raises a flag that all ranks see at the same
step. Gradients are averaged by DDP; the memory bank's entries are gathered,
so that all ranks hold the same bank.
"""

import os
import queue
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.multiprocessing as mp

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.data.dataset import PatchSampler, TeacherLayout
from napari_grd.data.drawing import new_processes
from napari_grd.distillation.memory_bank import BankEntry
from napari_grd.distillation.objective import DistillationObjective, Objective
from napari_grd.distillation.online import OnlineTeacher
from napari_grd.distillation.trainer import Validate, fit
from napari_grd.errors import ConfigError, GrdError
from napari_grd.jobs import Job
from napari_grd.models.model import Model

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Fitted = tuple[Model, dict[str, float]]


@dataclass(frozen=True)
class Assignment:
    """The complete input of a training, picklable for another process.

    Attributes
    ----------
    model : Model
        The initial model.
    sampler : PatchSampler
        Batches by step and rank.
    config : TrainConfig or DistillConfig
        A `DistillConfig` together with a ``layout`` distills.
    layout : TeacherLayout or None
        Layout of the teacher's output; None for supervised training.
    online : OnlineTeacher or None
        Predicts the patches, whose cached output is not drawn then.
    validate, checkpoint, signature, stage
        See :func:`~napari_grd.distillation.trainer.fit`.
    """

    model: Model
    sampler: PatchSampler
    config: TrainConfig
    layout: TeacherLayout | None = None
    online: OnlineTeacher | None = None
    validate: Validate | None = None
    checkpoint: Path | None = None
    signature: str = ""
    stage: str = "Training"

    def run(self, fabric: "Fabric", stop: Callable[[], bool] | None = None) -> Job[Fitted]:
        """The training job on a launched fabric."""
        return fit(
            self.model,
            self.sampler,
            self._objective(fabric),
            self.config,
            fabric=fabric,
            online=self.online,
            stage=self.stage,
            validate=self.validate,
            checkpoint=self.checkpoint,
            signature=self.signature,
            stop=stop,
        )

    def _objective(self, fabric: "Fabric") -> Objective:
        offsets = self.model.config.offsets
        if self.layout is None:
            return Objective(self.config, offsets)
        assert isinstance(self.config, DistillConfig)
        gather = _gather_entries if fabric.world_size > 1 else None
        return DistillationObjective(self.config, offsets, layout=self.layout, gather=gather)


def run(assignment: Assignment) -> Job[Fitted]:
    """Train on as many devices as the settings ask for."""
    accelerator, precision = resolve_device(assignment.config)
    devices = assignment.config.devices
    if devices == 1:
        from lightning_fabric import Fabric  # takes seconds: it imports torch's compiler

        fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
        fabric.launch()
        return (yield from assignment.run(fabric))
    return (yield from _run_many(assignment, accelerator, precision, devices))


def resolve_device(config: TrainConfig) -> tuple[str, Any]:
    """Accelerator and precision for Fabric.

    Raises
    ------
    ConfigError
        If the device is not available.
    """
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, False):
        have = ", ".join(name for name, present in there.items() if present)
        raise ConfigError(f"The device {config.device!r} is not available.", f"Choose auto or one of: {have}.")
    if device == "cuda" and config.devices > torch.cuda.device_count():
        raise ConfigError(
            f"devices is {config.devices}, but there are {torch.cuda.device_count()} CUDA devices.", "Lower it."
        )
    has_bf16 = device == "cuda" and torch.cuda.is_bf16_supported()
    bf16 = config.precision == "bf16" or (config.precision == "auto" and has_bf16)
    return device, "bf16-mixed" if bf16 else "32-true"


def _run_many(assignment: Assignment, accelerator: str, precision: Any, devices: int) -> Job[Fitted]:
    context = mp.get_context("spawn")
    with new_processes():
        events: Any = context.Queue()
        stop = context.Event()
        port = _free_port()
        processes = [
            context.Process(
                target=_worker,
                args=(rank, devices, port, accelerator, precision, assignment, events, stop),
                daemon=True,
            )
            for rank in range(devices)
        ]
        for process in processes:
            process.start()
    try:
        while True:
            kind, content = _next(events, processes)
            if kind == "event":
                yield content
            elif kind == "error":
                raise content
            else:
                weights, scores = content
                assignment.model.network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
                assignment.model.network.eval()
                return replace(assignment.model), scores
    finally:
        stop.set()
        for process in processes:
            process.join(timeout=60)
            if process.is_alive():
                process.kill()


def _next(events: Any, processes: list[Any]) -> tuple[str, Any]:
    """The next message; an error if a rank ended without one (killed for memory, say)."""
    while True:
        dead = [p for p in processes if p.exitcode not in (None, 0)]
        try:
            message: tuple[str, Any] = events.get(timeout=0.5)
            return message
        except queue.Empty:
            if dead:
                return "error", GrdError(
                    f"A training process ended with exit code {dead[0].exitcode}.",
                    "Lower batch or devices if memory ran out, and run the same call again to resume.",
                )


def _worker(
    rank: int,
    devices: int,
    port: int,
    accelerator: str,
    precision: Any,
    assignment: Assignment,
    events: Any,
    stop: Any,
) -> None:
    # Ctrl-C reaches all processes of a terminal; the parent alone decides, by the flag.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from lightning_fabric import Fabric

    # LOCAL_RANK: Fabric then does not start the processes, which exist already.
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), LOCAL_RANK=str(rank), NODE_RANK="0")
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, strategy="ddp", precision=precision)
        fabric.launch()
        job = assignment.run(fabric, stop.is_set)
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                model, scores = end.value
                break
            if rank == 0:
                events.put(("event", event))
        if rank == 0:
            # As numpy: tensors would be passed by shared memory that ends with this process.
            weights = {name: tensor.cpu().numpy() for name, tensor in model.network.state_dict().items()}
            events.put(("result", (weights, scores)))
    except Exception as error:
        events.put(("error", error if isinstance(error, GrdError) else GrdError(f"Rank {rank} failed: {error!r}.", "")))
        raise SystemExit(1) from None


def _gather_entries(entries: list[BankEntry]) -> list[BankEntry]:
    # As objects: the number of nodes differs between ranks, and gloo aborts on ragged tensors.
    gathered: list[list[BankEntry]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(gathered, entries)
    return [entry for part in gathered for entry in part]


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port
