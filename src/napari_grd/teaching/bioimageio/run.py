"""Running a zoo model on an image of any size.

bioimageio.core does pre- and postprocessing on the whole image, so that normalization does not depend on the windows.
The network is run on windows of a valid size; the part of each that is further from a cut than the halo is kept::

    window i    |<----------- size ----------->|
    keep                              |<-halo->|
    window i+1                |<-halo->|<---------- size ----------->|

The last window ends with the image. An image that is smaller than a window is padded by reflection. At the borders of
the image nothing is cropped.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import GrdError, ImageError, ModelFileError
from napari_grd.teaching.bioimageio.model import ZooModel

_LARGEST = 1024  # preferred maximum window size along an axis, in pixels
_HALO = 32  # pixels, if the model does not specify one
_ORDER = ("batch", "channel", "y", "x")


@dataclass(frozen=True)
class _Axis:
    """Valid sizes of an input axis: ``least + n * step``; ``step`` 0 for a single size."""

    least: int
    step: int

    def window(self, size: int, halo: int) -> int:
        if not self.step:
            return self.least
        wanted = min(size, _LARGEST + 2 * halo)
        return self.least + max(0, -(-(wanted - self.least) // self.step)) * self.step


class ZooRunner:
    """A model of the zoo as a function of an image.

    Parameters
    ----------
    model : ZooModel
        From :func:`~napari_grd.teaching.bioimageio.model.open_zoo_model`.

    Attributes
    ----------
    channels : int
        Number of input channels.

    Raises
    ------
    ModelFileError
        If it takes several images, a volume, or an unknown number of channels.
    """

    def __init__(self, model: ZooModel) -> None:
        self._model = model
        inputs = [tensor for tensor in model.description.inputs if not tensor.optional]
        if len(inputs) != 1:
            names = ", ".join(str(tensor.id) for tensor in inputs)
            raise _unfit(model, f"takes {len(inputs)} images ({names})")
        self._input = inputs[0]
        axes = {str(axis.id): axis for axis in self._input.axes}
        if not {"y", "x"} <= axes.keys() <= set(_ORDER):
            raise _unfit(model, f"works on images with the axes {', '.join(axes)}")
        self.channels = int(axes["channel"].size) if "channel" in axes else 1
        self._axes = [_Axis(*_sizes(axes[name].size, axes)) for name in "yx"]
        self._outputs = {str(tensor.id): [str(axis.id) for axis in tensor.axes] for tensor in model.description.outputs}
        declared = [int(getattr(axis, "halo", 0)) for tensor in model.description.outputs for axis in tensor.axes]
        self._halo = max(declared, default=0) or _HALO

    def __call__(self, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """All outputs that are images of the same size.

        Parameters
        ----------
        image : (C, Y, X) array
            Raw intensities.

        Returns
        -------
        dict of str to (C', Y, X) array
            After the model's own postprocessing, by the output's id.

        Raises
        ------
        ImageError
            If the image's channels or axes do not fit the model.
        ModelFileError
            If the model fails, or returns an output of another size.
        """
        if np.ndim(image) != 3 or len(image) != self.channels:
            raise ImageError(
                f"The image of shape {np.shape(image)} has not the {self.channels} channel(s) in 2D that"
                f" {self._model.name!r} takes.",
                "Select the channels the model was made for; of a stack, pass one plane at a time.",
            )
        try:
            with warnings.catch_warnings(action="ignore"):  # of numpy, xarray and torch about the model itself
                return self._run(image)
        except GrdError:
            raise
        except Exception as error:  # any error of the network and its processing steps
            reason = (str(error).strip().splitlines() or [""])[-1][:300]
            raise ModelFileError(
                f"The model {self._model.name!r} fails on an image of shape {image.shape}"
                f" ({type(error).__name__}: {reason}).",
                "Run the model's own test (bioimageio test ...), or choose other weights with weights=...",
            ) from error

    def _run(self, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
        from bioimageio.core import Sample, Tensor

        declared = [str(axis.id) for axis in self._input.axes]
        names = [name for name in _ORDER if name in declared]
        whole = image if "channel" in names else image[0]
        whole = whole[None] if "batch" in names else whole
        sample = Sample(members={self._input.id: Tensor.from_numpy(whole, dims=names)}, stat={}, id=None)
        pipeline = self._model.pipeline
        pipeline.apply_preprocessing(sample)
        ready = sample.members[self._input.id].transpose(names).to_numpy()
        outputs = self._through_windows(ready, names)
        members = {
            tensor.id: Tensor.from_numpy(outputs[str(tensor.id)], dims=self._outputs[str(tensor.id)])
            for tensor in self._model.description.outputs
            if str(tensor.id) in outputs
        }
        result = Sample(members=members, stat=sample.stat, id=None)
        pipeline.apply_postprocessing(result)
        return {
            str(name): planes
            for name, tensor in result.members.items()
            if (planes := _as_planes(tensor, image.shape[1:])) is not None
        }

    def _through_windows(self, ready: NDArray[Any], names: list[str]) -> dict[str, NDArray[Any]]:
        """Outputs of the network for a whole image, axes in the model's order."""
        from bioimageio.core import Tensor

        shape = ready.shape[-2:]
        sizes = [axis.window(size, self._halo) for axis, size in zip(self._axes, shape, strict=True)]
        missing = [(0, max(0, window - size)) for window, size in zip(sizes, shape, strict=True)]
        padded = np.pad(ready, [(0, 0)] * (ready.ndim - 2) + missing, mode="symmetric")
        plans = [list(plan_windows(padded.shape[axis - 2], sizes[axis], self._halo)) for axis in range(2)]
        outputs: dict[str, NDArray[Any]] = {}
        for spans in product(*plans):
            rows, columns = (slice(start, start + size) for (start, _), size in zip(spans, sizes, strict=True))
            part = np.ascontiguousarray(padded[..., rows, columns])
            answers = self._model.adapter.forward({self._input.id: Tensor.from_numpy(part, dims=names)})
            for name, tensor in answers.items():
                axes = self._outputs[str(name)]
                if tensor is None or not {"y", "x"} <= set(axes):
                    continue
                _place(outputs, str(name), tensor.to_numpy(), axes, spans, part.shape[-2:], padded.shape[-2:])
        inside = {"y": slice(0, shape[0]), "x": slice(0, shape[1])}
        return {
            name: array[tuple(inside.get(axis, slice(None)) for axis in self._outputs[name])]
            for name, array in outputs.items()
        }


def plan_windows(size: int, window: int, halo: int) -> Iterator[tuple[int, slice]]:
    """Starts of the windows along one axis, and the part that is kept of each.

    Parameters
    ----------
    size : int
        Length of the axis in pixels, at least ``window``.
    window : int
        Length of a window.
    halo : int
        Pixels next to a cut that are discarded; less if windows are too short for it.

    Yields
    ------
    start : int
    keep : slice
        Slice of the axis. Together they cover it; where two overlap the later one counts.

    Examples
    --------
    >>> list(plan_windows(200, 100, 20))
    [(0, slice(0, 80, None)), (60, slice(80, 140, None)), (100, slice(120, 200, None))]
    """
    halo = min(halo, window // 4)
    starts = [*range(0, size - window, window - 2 * halo), size - window]
    for start in starts:
        yield (
            start,
            slice(start + halo if start else 0, size if start == size - window else start + window - halo),
        )


def _place(
    outputs: dict[str, NDArray[Any]],
    name: str,
    part: NDArray[Any],
    axes: list[str],
    spans: tuple[tuple[int, slice], ...],
    window: tuple[int, ...],
    whole: tuple[int, ...],
) -> None:
    y, x = axes.index("y"), axes.index("x")
    if (part.shape[y], part.shape[x]) != window:
        raise ModelFileError(
            f"The output {name!r} has size {(part.shape[y], part.shape[x])} for an image of {window}.",
            "Choose a model whose outputs have the size of its input.",
        )
    if name not in outputs:
        shape = list(part.shape)
        shape[y], shape[x] = whole
        outputs[name] = np.empty(shape, part.dtype)
    target: list[Any] = [slice(None)] * part.ndim
    source: list[Any] = [slice(None)] * part.ndim
    for axis, (start, keep) in zip((y, x), spans, strict=True):
        target[axis] = keep
        source[axis] = slice(keep.start - start, keep.stop - start)
    outputs[name][tuple(target)] = part[tuple(source)]


def _as_planes(tensor: Any, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """An output as (C, Y, X); None if it does not have these axes."""
    axes = [str(axis) for axis in tensor.dims]
    if not {"y", "x"} <= set(axes) <= set(_ORDER):
        return None
    planes = np.asarray(tensor.transpose([axis for axis in _ORDER if axis in axes]).to_numpy())
    planes = planes.reshape(-1, *planes.shape[-2:])
    return planes if planes.shape[1:] == shape else None


def _sizes(size: Any, axes: dict[str, Any]) -> tuple[int, int]:
    """Minimum size and step of an axis, which may refer to another axis."""
    for _ in axes:
        if isinstance(size, int):
            return size, 0
        if hasattr(size, "step"):
            return int(size.min), int(size.step)
        size = axes[str(size.axis_id)].size
    raise ModelFileError("The axes of the model's input refer to each other in a circle.", "Ask its authors.")


def _unfit(model: ZooModel, what: str) -> ModelFileError:
    return ModelFileError(
        f"The model {model.name!r} {what}.", "Choose one that takes a single image (y, x), with any channels."
    )
