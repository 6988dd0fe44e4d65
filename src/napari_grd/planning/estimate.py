"""How long a distillation will take, and how much memory, before it is started.

The paces of its networks are measured; the rest is counting pixels, so the
result is rough.
"""

from dataclasses import dataclass

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.distillation.parallel import resolve_device
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.models import ModelConfig
from napari_grd.models.complexity import BYTES_PER_WEIGHT, config_parameters
from napari_grd.planning.throughput import OPENVINO, VIEW, training_throughput, view_seconds
from napari_grd.teaching.confidence import VIEWS

_PARTITION = 0.3e-6  # seconds a pixel, from embedding to labels
_TRAINING = 0.4e9  # bytes that torch and its libraries take, whatever the network


@dataclass(frozen=True)
class DatasetSize:
    """How much there is to learn from.

    Attributes
    ----------
    pixels : int
        Of all images.
    held : int
        Of those, the ones that are validated on.
    largest : int
        Of the largest image.
    channels : int
        Of every image.
    """

    pixels: int
    held: int
    largest: int
    channels: int = 1


@dataclass(frozen=True)
class Estimate:
    """What a distillation will cost, roughly.

    Attributes
    ----------
    seconds : float
        From start to finished student.
    memory : float
        Bytes in use at the peak, beyond what the program takes by itself.
    disk : float
        Bytes of the teacher's cached output.
    device : str
        Where it was measured: "CPU", or the name of an accelerator.
    """

    seconds: float
    memory: float
    disk: float
    device: str


def estimate(config: DistillConfig, size: DatasetSize, teacher: ModelConfig | None) -> Estimate:
    """Estimate a distillation on images, e.g. for a line above its start button.

    Takes a second or two for small networks at the first call, next to nothing later.

    Parameters
    ----------
    config : DistillConfig
        The recipe.
    size : DatasetSize
        The images.
    teacher : ModelConfig or None
        The teacher's model. None: it gives no embeddings, so the assistant is
        counted, if there is one, but not the time that the teacher takes.

    Returns
    -------
    Estimate

    Raises
    ------
    ConfigError
        If a network cannot be built, or the device is not there.
    """
    accelerator, _ = resolve_device(config)
    student = training_throughput(config.network, size.channels, config.device)
    batch = config.batch * config.patch**2
    asked = config.assistant.network if teacher is None else teacher.network
    taught_directly = teacher is None and not config.assistant.use
    seconds = _training(config.steps, student.seconds * batch, config, config.network, size)
    step_memory = student.memory * batch + BYTES_PER_WEIGHT * config_parameters(config.network, size.channels)
    if teacher is None and config.assistant.use:
        pace = training_throughput(asked, size.channels, config.device)
        seconds += _training(config.assistant.steps, pace.seconds * batch, config, asked, size)
        step_memory = max(step_memory, pace.memory * batch + BYTES_PER_WEIGHT * config_parameters(asked, size.channels))
    if not taught_directly:
        views = 1 + len(VIEWS) if teacher is not None and config.confidence else 1
        seconds += views * (view_seconds(asked, size.channels) / VIEW + _PARTITION) * size.pixels
    outputs = (len(OFFSETS_2D) if taught_directly else asked.embedding) + 1
    images = size.pixels * (size.channels * 6 + 8)  # as read (2 bytes), normalized (4), labels (8)
    asking = size.largest * outputs * 4 * 3  # the embedding as tiles, joined, and as it is cached
    name = "CPU" if accelerator == "cpu" else accelerator.upper()
    return Estimate(
        seconds=seconds,
        memory=_TRAINING + images + max(step_memory, asking),
        disk=float(size.pixels * (outputs * 2 + 4)),
        device=name,
    )


def roughly(seconds: float) -> str:
    """A length of time to the precision that an estimate has.

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
