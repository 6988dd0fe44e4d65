"""Estimate of a distillation's time and memory, before it starts.

The throughput of its networks is measured; the rest is derived from pixel counts, so the result is rough.
"""

from dataclasses import dataclass

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.distillation.parallel import resolve_device
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.models.complexity import BYTES_PER_WEIGHT, config_parameters
from napari_grd.models.model import ModelConfig
from napari_grd.planning.throughput import OPENVINO, VIEW, training_throughput, view_seconds
from napari_grd.teaching.confidence import VIEWS

_PARTITION = 0.3e-6  # seconds per pixel, from embedding to labels
_TRAINING = 0.4e9  # bytes that torch and its libraries need, independent of the network


@dataclass(frozen=True)
class DatasetSize:
    """Size of the training data.

    Attributes
    ----------
    pixels : int
        Pixels of all images.
    held : int
        Pixels of the validation images among them.
    largest : int
        Pixels of the largest image.
    channels : int
        Channels of every image.
    """

    pixels: int
    held: int
    largest: int
    channels: int = 1


@dataclass(frozen=True)
class Estimate:
    """Rough estimate of a distillation's cost.

    Attributes
    ----------
    seconds : float
        Total time.
    memory : float
        Peak memory in bytes, beyond that of the program itself.
    disk : float
        Size of the teacher's cached output in bytes.
    device : str
        Device of the measurement: "CPU", or the name of an accelerator.
    """

    seconds: float
    memory: float
    disk: float
    device: str


def estimate(config: DistillConfig, size: DatasetSize, teacher: ModelConfig | None) -> Estimate:
    """Estimate the cost of a distillation on images.

    The first call takes a second or two for small networks; later ones are fast.

    Parameters
    ----------
    config : DistillConfig
        The recipe.
    size : DatasetSize
        The images.
    teacher : ModelConfig or None
        The teacher's model. None: it has no embeddings, so the assistant is included, if there is one, but not the time
        of the teacher.

    Returns
    -------
    Estimate

    Raises
    ------
    ConfigError
        If a network cannot be built, or the device is not available.
    """
    accelerator, _ = resolve_device(config)
    student = training_throughput(config.network, size.channels, config.device)
    batch = config.batch * config.patch**2
    network = config.assistant.network if teacher is None else teacher.network
    taught_directly = teacher is None and not config.assistant.use
    seconds = _training(config.steps, student.step(batch), config, config.network, size)
    step_memory = student.memory * batch + BYTES_PER_WEIGHT * config_parameters(config.network, size.channels)
    if teacher is None and config.assistant.use:
        pace = training_throughput(network, size.channels, config.device)
        seconds += _training(config.assistant.steps, pace.step(batch), config, network, size)
        step_memory = max(
            step_memory, pace.memory * batch + BYTES_PER_WEIGHT * config_parameters(network, size.channels)
        )
    if not taught_directly:
        views = 1 + len(VIEWS) if teacher is not None and config.confidence else 1
        seconds += views * (view_seconds(network, size.channels) / VIEW + _PARTITION) * size.pixels
    outputs = (len(OFFSETS_2D) if taught_directly else network.embedding) + 1
    images = size.pixels * (size.channels * 6 + 8)  # as read (2 bytes), normalized (4), labels (8)
    asking = size.largest * outputs * 4 * 3  # the embedding as tiles, assembled, and as cached
    name = "CPU" if accelerator == "cpu" else accelerator.upper()
    return Estimate(
        seconds=seconds,
        memory=_TRAINING + images + max(step_memory, asking),
        disk=float(size.pixels * (outputs * 2 + 4)),
        device=name,
    )


def roughly(seconds: float) -> str:
    """A duration in words, with the precision of an estimate.

    Examples
    --------
    >>> roughly(20), roughly(400), roughly(5400)
    ('less than a minute', 'about 7 min', 'about 1.5 h')
    """
    if seconds < 45:
        return "less than a minute"
    if seconds < 5000:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {seconds / 3600:.2g} h"


def _training(steps: int, step: float, config: DistillConfig, network: NetworkConfig, size: DatasetSize) -> float:
    """Seconds of training and of the validations between."""
    validations = -(-steps // config.validate_every) if size.held else 0
    # Validation runs plain torch; matching instances costs about as much as finding them.
    pixel = view_seconds(network, size.channels) / OPENVINO / VIEW + 2 * _PARTITION
    return steps * step + validations * size.held * pixel
