"""Cellpose as the teacher: version 3.1, and 4 (Cellpose-SAM), whichever is installed.

It provides labels, the cell probability as foreground, and soft affinities computed from the flows. A table at the end
of this file lists the differences between the versions.
"""

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from napari_grd.data.fingerprint import file_key, text_key
from napari_grd.errors import ConfigError, ImageError, ModelFileError
from napari_grd.teaching.base import TeacherInfo, TeacherPrediction
from napari_grd.teaching.soft_affinities import affinities_from_flows

INSTALL = 'pip install "napari-grd[cellpose]"'
NON_COMMERCIAL = "Non-commercial use only: Cellpose's weights were trained on data under CC BY-NC."
_FREE = ("yeast_BF_cp3", "yeast_PhC_cp3", "deepbacs_cp3")  # according to Cellpose 3
_FLOW_UNIT = 5.0  # the network is trained on unit vectors times this


class CellposeTeacher:
    """A teacher that runs Cellpose.

    Parameters
    ----------
    weights : Path
        A file of weights, of the installed version.
    channels : tuple of int, optional
        Input channels for Cellpose, zero-based, in its order.
        Version 4 takes up to three, in any order, by default the first three.
        Version 3 takes the cells and, if there is one, a channel of nuclei; by default the mean of all channels.
    diameter : float, optional
        Typical diameter of the objects, in pixels. Default: that of the weights'
        training images.
    flow_threshold, cellprob_threshold : float
        Higher keeps more objects; higher keeps fewer pixels. As in Cellpose.
    gpu : bool
        Use a GPU if available.

    Raises
    ------
    ModelFileError
        If the weights are not of the installed version.
    """

    gives_embeddings = False

    def __init__(
        self,
        weights: Path,
        *,
        channels: tuple[int, ...] | None = None,
        diameter: float | None = None,
        flow_threshold: float = 0.4,
        cellprob_threshold: float = 0.0,
        gpu: bool = True,
    ) -> None:
        self.weights = weights
        self._generation = _installed()
        self._channels = channels
        self._settings: dict[str, Any] = {
            "diameter": diameter,
            "flow_threshold": flow_threshold,
            "cellprob_threshold": cellprob_threshold,
        }
        if channels is not None and not 1 <= len(channels) <= self._generation.channels:
            raise ConfigError(
                f"{len(channels)} channels were chosen for Cellpose {self._generation.major}.",
                f"It takes 1 to {self._generation.channels}.",
            )
        gpu = gpu and (torch.cuda.is_available() or torch.backends.mps.is_available())
        options = {"use_bfloat16": gpu} if self._generation.major >= 4 else {}  # slower on most processors
        try:
            self._model = _models().CellposeModel(gpu=gpu, pretrained_model=str(weights), **options)
        except Exception as error:  # any error: a missing key, an assertion, a pickle that torch refuses
            raise ModelFileError(
                f"Cellpose {self._generation.major} cannot load {str(weights)!r} ({type(error).__name__}: {error}).",
                "Weights of Cellpose 3 and 4 are incompatible: choose weights of the installed version.",
            ) from error

    @property
    def name(self) -> str:
        """The program and the name of the weights."""
        return f"cellpose {self.weights.name}"

    @property
    def restrictions(self) -> str:
        """Restrictions of the weights' license. Those of user-trained weights are unknown."""
        return "" if self.weights.name in _FREE else NON_COMMERCIAL

    @cached_property
    def fingerprint(self) -> str:
        """A hash of version, weights and settings."""
        return text_key(version("cellpose"), file_key(self.weights), self._channels, self._settings, "centred")

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Labels, foreground and soft affinities of one image.

        Parameters
        ----------
        image : (C, Y, X) array
            Raw intensities; Cellpose normalizes them itself.

        Returns
        -------
        TeacherPrediction
            Without embeddings.

        Raises
        ------
        ImageError
            If the image is a volume, or lacks a channel that was chosen.
        """
        if image.ndim != 3:
            raise ImageError(f"Cellpose got an image of shape {image.shape}.", "Pass planes (C, Y, X).")
        masks, (_, flows, logits, *_), _ = self._model.eval(
            self._select(image).transpose(1, 2, 0), channel_axis=2, **self._settings
        )
        shape = image.shape[1:]
        labels = np.asarray(masks, np.uint32).reshape(shape)  # Cellpose squeezes axes of length 1
        threshold = self._settings["cellprob_threshold"]
        foreground = expit(np.asarray(logits, np.float32) - threshold).reshape(
            shape
        )  # as `soft_affinities.centered` does
        flows = np.asarray(flows, np.float32).reshape(2, *shape) / _FLOW_UNIT
        return TeacherPrediction(labels, foreground, affinities=affinities_from_flows(labels, flows, foreground))

    def _select(self, image: NDArray[Any]) -> NDArray[np.float32]:
        if self._channels is not None:
            if not all(0 <= channel < len(image) for channel in self._channels):
                raise ImageError(
                    f"Channels {self._channels} were chosen for Cellpose, the image has {len(image)}.",
                    "Channel indices are zero-based.",
                )
            image = image[list(self._channels)]
        elif self._generation.major < 4:
            image = image.mean(0, keepdims=True)
        return image[: self._generation.channels].astype(np.float32)


def info() -> TeacherInfo:
    """Return the registry's information about this teacher."""
    reason = None
    try:
        _models()
    except ModuleNotFoundError as error:
        reason = INSTALL if error.name == "cellpose" else f"{error}: {INSTALL}"
    except Exception as error:  # usually torchvision, if it does not match torch
        reason = f"importing cellpose fails with {type(error).__name__}: {error}; repair that package, or {INSTALL}"
    return TeacherInfo(
        name="cellpose",
        summary="Cellpose 3 or 4 (Cellpose-SAM): labels, cell probability and flows.",
        license="BSD-3-Clause",
        restrictions=NON_COMMERCIAL,
        available=reason is None,
        reason=reason,
        options={
            "model": "name of Cellpose weights, or the path of a file of weights; default: the version's newest",
            "channels": "input channels, zero-based; version 3: cells and, if available, nuclei",
            "diameter": "typical diameter of the objects in pixels",
            "flow_threshold": "maximum error of flows, 0.4; higher keeps more objects",
            "cellprob_threshold": "minimum logit of the cell probability, 0; higher keeps fewer pixels",
            "gpu": "use a GPU if available",
            "download": "allow Cellpose to download weights that are not on this machine",
        },
    )


def load(
    model: str | Path | None = None,
    channels: tuple[int, ...] | None = None,
    diameter: float | None = None,
    flow_threshold: float = 0.4,
    cellprob_threshold: float = 0.0,
    gpu: bool = True,
    download: bool = False,
) -> CellposeTeacher:
    """Create a teacher from named Cellpose weights, a file of weights, or the installed version's newest weights.

    Raises
    ------
    ConfigError
        If there are no such weights.
    ModelFileError
        If they are not on this machine and may not be downloaded, or cannot be loaded.
    """
    return CellposeTeacher(
        _find_weights(model, download),
        channels=channels,
        diameter=diameter,
        flow_threshold=flow_threshold,
        cellprob_threshold=cellprob_threshold,
        gpu=gpu,
    )


@dataclass(frozen=True)
class _Generation:
    """Differences between versions 3 and 4."""

    major: int
    channels: int  # at most
    suffixed: tuple[str, ...]  # weights whose file name differs


_THREE = _Generation(3, channels=2, suffixed=("cyto", "cyto2", "nuclei"))
_FOUR = _Generation(4, channels=3, suffixed=())


def _installed() -> _Generation:
    return _THREE if int(version("cellpose").split(".")[0]) < 4 else _FOUR


def _models() -> Any:
    return import_module("cellpose.models")


def _find_weights(model: str | Path | None, download: bool) -> Path:
    models = _models()
    name = str(model or models.MODEL_NAMES[0])
    if Path(name).is_file():
        return Path(name)
    names = [*models.MODEL_NAMES, *models.get_user_models()]
    if name not in names:
        raise ConfigError(
            f"There is no file and there are no Cellpose weights named {name!r}.", f"Choose one of: {', '.join(names)}."
        )
    file = f"{name}torch_0" if name in _installed().suffixed else name
    path = Path(models.MODEL_DIR) / file
    if path.is_file():
        return path
    remedy = f"Download it from {models._MODEL_URL.rstrip('/')}/{file}, or pass download=True."
    if not download:
        raise ModelFileError(
            f"The Cellpose weights {name!r} are not on this machine: {str(path)!r} is missing.", remedy
        )
    try:
        return Path(models.cache_model_path(file))
    except Exception as error:  # any error of the download
        raise ModelFileError(f"The Cellpose weights {name!r} cannot be downloaded ({error}).", remedy) from error
