"""The choice of a runtime, and one prepared runtime per network.

A runtime is a network prepared for one device and one precision. Preparation takes from milliseconds (torch) to seconds
(OpenVINO), so each is cached as long as its network exists with unchanged weights.
"""

import importlib.util
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from torch import nn

from napari_grd.config import SegmentConfig
from napari_grd.data.fingerprint import image_key
from napari_grd.errors import ConfigError, GrdError
from napari_grd.inference import openvino_runtime
from napari_grd.inference.int8_calibration import calibration_images
from napari_grd.inference.padding import Context
from napari_grd.inference.torch_runtime import TorchRuntime, has_bf16, resolve_device
from napari_grd.models.model import Model, weights_version


class Runtime(Protocol):
    """A network ready to run.

    Attributes
    ----------
    name : str
        ``"openvino"`` or ``"torch"``.
    precision : str
        ``"f32"``, ``"bf16"`` or ``"int8"``: the precision actually used.
    """

    name: str
    precision: str

    def __call__(
        self,
        image: NDArray[np.float32],
        take: Callable[[NDArray[np.float32]], Any] | None = None,
        *,
        context: Context | None = None,
    ) -> Any:
        """Run on one image.

        Parameters
        ----------
        image : (C, *S) float32
            A normalized image of any size; sides that are not multiples of the
            network's stride are padded by reflection at their end. The margin that a network of valid convolutions
            removes is added by reflection, so that the output has the size of the image, whatever the network.
        take : callable, optional
            Called with the output, ``(*S, C_out)`` float32, which may be
            overwritten after it has returned. Default: a copy is made.
        context : sequence of (int, int), optional
            Pixels at the start and end of each axis that the network may see, and that are not in the output; see
            :func:`napari_grd.inference.padding.pad_to_legal`.

        Returns
        -------
        object
            The result of ``take``. By default ``(*S, C_out)`` float32, C-contiguous:
            raw embedding, then the foreground logit if the model has one; the
            caller owns the array.
        """
        ...


class _Choice(NamedTuple):
    name: str
    device: str
    precision: str
    threads: int
    calibration: str
    one_size: bool = False


class _Kept(NamedTuple):
    weights: tuple[tuple[int, int], ...]
    runtimes: dict[_Choice, Runtime]


_kept: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()
_lock = threading.Lock()


def runtime_for(model: Model, config: SegmentConfig | None = None, *, one_size: bool = False) -> Runtime:
    """The runtime for a model and these settings, prepared once.

    Parameters
    ----------
    model : Model
        Its network is copied, so its mode and device do not change, and
        training it further makes the next call prepare a new runtime.
    config : SegmentConfig, optional
        ``runtime``, ``precision``, ``device`` and ``threads`` matter here.
    one_size : bool, default False
        For many images of few sizes, see :class:`~napari_grd.inference.openvino_runtime.OpenVINORuntime`. No effect on
        other runtimes.

    Returns
    -------
    Runtime

    Raises
    ------
    ConfigError
        If the device is unknown or absent, OpenVINO is requested on a GPU, or int8 without OpenVINO on a CPU.
    GrdError
        If OpenVINO is requested but not installed, or int8 with a model that is not calibrated.

    Notes
    -----
    ``precision="bf16"`` on a CPU that cannot multiply bf16 runs in torch,
    which emulates it: slow, but its outputs are those of bf16.

    Examples
    --------
    >>> from napari_grd.models.model import Model, ModelConfig
    >>> runtime = runtime_for(Model.create(ModelConfig()), SegmentConfig(runtime="torch", precision="f32"))
    >>> runtime(np.zeros((1, 50, 70), np.float32)).shape
    (50, 70, 17)
    """
    choice = _choose(model, config or SegmentConfig())
    if choice.name == "openvino":
        choice = choice._replace(one_size=one_size)
    weights = weights_version(model.network)
    with _lock:
        kept = _kept.get(model.network)
        if kept is None or kept.weights != weights:
            kept = _kept[model.network] = _Kept(weights, {})
        if choice not in kept.runtimes:
            kept.runtimes[choice] = _prepare(model, choice)
        return kept.runtimes[choice]


def runtime_name(model: Model, config: SegmentConfig) -> str:
    """Name of the runtime that :func:`runtime_for` would prepare."""
    return _choose(model, config).name


def _choose(model: Model, config: SegmentConfig) -> _Choice:
    device = resolve_device(config.device)
    name = config.runtime
    if name == "openvino":
        if config.device == "auto":
            device = resolve_device("cpu")
        if device.type != "cpu":
            raise ConfigError(
                f"runtime is 'openvino' and device is {config.device!r}.", "Use device 'cpu', or runtime 'torch'."
            )
        if not _openvino_installed():
            raise GrdError(
                "runtime is 'openvino', but OpenVINO is not installed (it has no build for Intel Macs).",
                "Install it with 'pip install openvino', or use runtime 'auto' or 'torch'.",
            )
    elif name == "auto":
        name = "openvino" if device.type == "cpu" and _openvino_installed() else "torch"

    if config.precision == "int8":
        if name != "openvino":
            raise ConfigError(
                f"precision is 'int8', and the network would run in torch on {str(device)!r}.",
                "Use device 'cpu' with OpenVINO installed, or another precision.",
            )
        return _Choice(name, str(device), "int8", config.threads, image_key(calibration_images(model)))
    native = openvino_runtime.has_bf16() if name == "openvino" else has_bf16(device)
    precision = config.precision
    if precision == "auto":
        precision = "bf16" if native else "f32"
    if name == "openvino" and precision == "bf16" and not native:
        name = "torch"  # OpenVINO would accept the setting and run in f32
    return _Choice(name, str(device), precision, config.threads, "")


def _prepare(model: Model, choice: _Choice) -> Runtime:
    if choice.name == "openvino":
        return openvino_runtime.OpenVINORuntime(model, choice.precision, choice.threads, one_size=choice.one_size)
    return TorchRuntime(model, choice.device, choice.precision, choice.threads)


def _openvino_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None
