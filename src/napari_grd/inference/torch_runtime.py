"""The torch runtime: on GPUs, and without OpenVINO."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_grd.errors import ConfigError
from napari_grd.inference.padding import Context, pad_to_legal
from napari_grd.models.model import Model


class TorchRuntime:
    """A copy of a model's network in evaluation mode on one device.

    Parameters
    ----------
    model : Model
    device : str
        Name of the torch device: "cpu", "cuda:0", "mps".
    precision : {"f32", "bf16"}
        "bf16" runs under autocast.
    threads : int
        CPU threads, 0 for torch's own setting.
    """

    name = "torch"

    def __init__(self, model: Model, device: str, precision: str, threads: int = 0) -> None:
        self.precision = precision
        self._device = torch.device(device)
        self._threads = threads if self._device.type == "cpu" else 0
        self._entry = model.entry
        # The memory format has another name in 3D.
        self._layout = torch.channels_last if model.config.ndim == 2 else torch.channels_last_3d
        network = copy.deepcopy(model.network).eval().requires_grad_(False)
        self._network = network.to(self._device).to(memory_format=self._layout)  # type: ignore[call-overload]

    @torch.no_grad()
    def __call__(
        self,
        image: NDArray[np.float32],
        take: Callable[[NDArray[np.float32]], Any] | None = None,
        *,
        context: Context | None = None,
    ) -> Any:
        padded, inside = pad_to_legal(image, self._entry, context)
        x = torch.from_numpy(padded)[None].to(self._device, memory_format=self._layout)
        autocast = torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with autocast, cpu_threads(self._threads), _exact_convolutions(self.precision == "f32"):
            output = self._network(x)[0].movedim(0, -1)
        result: NDArray[np.float32] = output.float().cpu().numpy()[inside]
        return result.copy() if take is None else take(result)


def resolve_device(name: str) -> torch.device:
    """The torch device of that name; "auto" is the best available one.

    Raises
    ------
    ConfigError
        If the device is unknown or not available.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device is {name!r}.", "Use auto, cpu, cuda, cuda:1 or mps.") from None
    present = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type, 0)
    if (device.index or 0) >= present:
        raise ConfigError(f"device is {name!r}, which is not available.", "Use 'auto'.")
    return device


def has_bf16(device: torch.device) -> bool:
    """Whether the device supports bf16 in hardware, so that it is faster than f32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Absent from older versions of torch: then f32 is the safe answer.
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Set torch's number of CPU threads temporarily; 0 keeps its own setting."""
    if not count:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _exact_convolutions(exact: bool) -> Iterator[None]:
    # NVIDIA GPUs use TF32 for f32 convolutions by default.
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before and not exact
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
