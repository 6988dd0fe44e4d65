"""StarDist as the teacher: its labels, the probability of objects, and soft affinities of its star polygons."""

import json
import os
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.fingerprint import image_key, text_key
from napari_grd.errors import ConfigError, ImageError, ModelFileError
from napari_grd.teaching.base import TeacherInfo, TeacherPrediction
from napari_grd.teaching.soft_affinities import affinities_from_distances, centered
from napari_grd.teaching.subprocess_teacher import SubprocessTeacher

INSTALL = 'pip install "napari-grd[stardist]"'
MONUSEG = "Non-commercial use only: among the training images are those of MoNuSeg, under CC BY-NC-SA 4.0."
_RESTRICTIONS = {"2D_versatile_he": MONUSEG}

Float = NDArray[np.float32]


class StarDistTeacher:
    """A teacher that runs StarDist.

    Parameters
    ----------
    model : stardist.models.StarDist2D
        The network with its thresholds.
    channels : tuple of int, optional
        Input channels, zero-based; by default all.
    percentiles : (float, float) or None
        Each channel is scaled so that these percentiles become 0 and 1, as in
        the training of StarDist's own models; None: no scaling.
    prob_threshold, nms_threshold : float, optional
        Minimum probability of an object; maximum overlap of two objects. Default: the model's.
    """

    gives_embeddings = False

    def __init__(
        self,
        model: Any,
        *,
        channels: tuple[int, ...] | None = None,
        percentiles: tuple[float, float] | None = (1, 99.8),
        prob_threshold: float | None = None,
        nms_threshold: float | None = None,
    ) -> None:
        self.model = model
        self._channels = channels
        self._percentiles = percentiles
        self._thresholds = (
            model.thresholds.prob if prob_threshold is None else prob_threshold,
            model.thresholds.nms if nms_threshold is None else nms_threshold,
        )

    @property
    def name(self) -> str:
        """The program and the model's name."""
        return f"stardist {self.model.name}"

    @property
    def restrictions(self) -> str:
        """Restrictions of the training images' license; empty if none are known."""
        return _RESTRICTIONS.get(self.model.name, "")

    @cached_property
    def fingerprint(self) -> str:
        """A hash of configuration, weights and settings."""
        network = {name: value for name, value in vars(self.model.config).items() if not name.startswith("train_")}
        # As JSON, because a configuration read from a file has lists instead of tuples.
        parts = [json.dumps(network, sort_keys=True), *map(image_key, self.model.keras_model.get_weights())]
        parts += map(str, (self._channels, self._percentiles, self._thresholds, "centred"))
        return text_key(*parts)

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Labels, foreground and soft affinities of one image.

        StarDist's probability is high in the middle of an object and low at its
        border. Therefore the foreground of a pixel inside an object is the object's probability; other pixels keep
        their own.

        Parameters
        ----------
        image : (C, Y, X) array
            Raw intensities.

        Returns
        -------
        TeacherPrediction
            Without embeddings.

        Raises
        ------
        ImageError
            If the image is a volume, or its channels do not fit the model.
        """
        x = self._prepare(image)
        prob_threshold, nms_threshold = self._thresholds
        (labels, details), (probability, distances, *_) = self.model.predict_instances(
            x,
            axes="YXC",
            prob_thresh=prob_threshold,
            nms_thresh=nms_threshold,
            return_predict=True,
            sparse=False,  # the sparse prediction has no distances
        )
        shape = labels.shape
        scores = np.concatenate([[0], details["prob"]]).astype(np.float32)
        own = upsample(probability, self.model.config.grid, shape)
        foreground = centered(np.where(labels > 0, scores[labels], own).clip(0, 1), prob_threshold)
        rays = np.moveaxis(upsample(distances, self.model.config.grid, shape), -1, 0)
        return TeacherPrediction(
            labels.astype(np.uint32), foreground, affinities=affinities_from_distances(rays, foreground)
        )

    def _prepare(self, image: NDArray[Any]) -> Float:
        wanted = self.model.config.n_channel_in
        if image.ndim != 3:
            raise ImageError(f"StarDist got an image of shape {image.shape}.", "Pass planes (C, Y, X).")
        if self._channels is not None and all(0 <= channel < len(image) for channel in self._channels):
            image = image[list(self._channels)]
        if len(image) != wanted:
            raise ImageError(
                f"The StarDist model {self.model.name!r} takes {wanted} channels, the image has {len(image)}.",
                "Choose them by the option channels (zero-based).",
            )
        x: Float = image.astype(np.float32).transpose(1, 2, 0)
        if self._percentiles is None:
            return x
        low, high = np.percentile(x, self._percentiles, axis=(0, 1)).astype(np.float32)
        scaled: Float = (x - low) / np.maximum(high - low, 1e-20)
        return scaled


def upsample(values: Float, grid: Sequence[int], shape: Sequence[int]) -> Float:
    """Interpolate between the pixels at which StarDist predicts, every ``grid``-th from the first.

    Parameters
    ----------
    values : (y, x, ...) float32
        Values there.
    grid : (int, int)
        Pixels from one to the next.
    shape : (int, int)
        The image's Y and X.

    Returns
    -------
    (Y, X, ...) float32

    Examples
    --------
    >>> upsample(np.array([[0, 2]], np.float32), (1, 2), (1, 4)).tolist()
    [[0.0, 1.0, 2.0, 2.0]]
    """
    for axis, (step, size) in enumerate(zip(grid, shape, strict=True)):
        position = np.minimum(np.arange(size) / step, values.shape[axis] - 1).astype(np.float32)
        before = position.astype(int)
        share = np.expand_dims(position - before, [other for other in range(values.ndim) if other != axis])
        after = np.minimum(before + 1, values.shape[axis] - 1)
        values = (1 - share) * values.take(before, axis) + share * values.take(after, axis)
    return values


def info() -> TeacherInfo:
    """Return the registry's information about this teacher."""
    # Importing tensorflow takes ten seconds: too long for a list.
    missing = [package for package in ("stardist", "tensorflow") if find_spec(package) is None]
    return TeacherInfo(
        name="stardist",
        summary="StarDist: labels, probability of objects and radial distances.",
        license="BSD-3-Clause; of weights, that of the training images: of 2D_versatile_he in part CC BY-NC-SA 4.0",
        available=not missing,
        reason=f"{' and '.join(missing)} missing: {INSTALL}" if missing else None,
        options={
            "model": "name of a pretrained model, a model's folder, or a StarDist2D; default: 2D_versatile_fluo",
            "channels": "input channels, zero-based",
            "percentiles": "percentiles of each channel mapped to 0 and 1, (1, 99.8); None: no scaling",
            "prob_threshold": "minimum probability of an object; default: the model's",
            "nms_threshold": "maximum overlap of two objects; default: the model's",
            "download": "allow StarDist to download a pretrained model that is not on this machine",
        },
    )


def load(
    model: Any = "2D_versatile_fluo",
    channels: tuple[int, ...] | None = None,
    percentiles: tuple[float, float] | None = (1, 99.8),
    prob_threshold: float | None = None,
    nms_threshold: float | None = None,
    download: bool = False,
) -> "StarDistTeacher | SubprocessTeacher":
    """Create a teacher from a pretrained StarDist model, a model folder, or a ``StarDist2D``.

    A named model or folder is loaded in a subprocess: TensorFlow conflicts with the GUI's OpenGL driver. A
    ``StarDist2D`` runs in this process.

    Raises
    ------
    ConfigError
        If there is no such model.
    ModelFileError
        If it is not on this machine and may not be downloaded, or cannot be loaded.
    """
    settings: dict[str, Any] = {
        "channels": channels,
        "percentiles": percentiles,
        "prob_threshold": prob_threshold,
        "nms_threshold": nms_threshold,
    }
    if isinstance(model, str | Path):
        return SubprocessTeacher(__name__, {"model": str(model), "download": download} | settings)
    return StarDistTeacher(model, **settings)


def load_here(model: str, download: bool, **settings: Any) -> StarDistTeacher:
    """Create a teacher in this process; for :class:`~.subprocess_teacher.SubprocessTeacher`."""
    return StarDistTeacher(_open(model, download), **settings)


def _open(source: str, download: bool) -> Any:
    from csbdeep.models.pretrained import get_model_details, get_registered_models
    from stardist.models import StarDist2D

    folder = Path(source).resolve()
    models = get_registered_models(StarDist2D)[0]
    try:
        if folder.is_dir():
            if not any(folder.glob("*.h5")):
                raise ModelFileError(
                    f"The folder {source!r} contains no StarDist weights (*.h5).", "Point to the folder of one model."
                )
            return StarDist2D(None, name=folder.name, basedir=str(folder.parent))
        if source not in models:
            raise ConfigError(
                f"There is no folder and no StarDist model named {source!r}.", f"Choose one of: {', '.join(models)}."
            )
        # The path in keras' cache; an existing file is not downloaded again.
        home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
        archive = home / "models" / "StarDist2D" / source / f"{source}.zip"
        if not archive.is_file() and not download:
            raise ModelFileError(
                f"The StarDist model {source!r} is not on this machine: {str(archive)!r} is missing.",
                f"Download it from {get_model_details(StarDist2D, source)[2]['url']}, or pass download=True.",
            )
        return StarDist2D.from_pretrained(source)
    except (ConfigError, ModelFileError):
        raise
    except Exception as error:  # any error of keras, the file or the network
        raise ModelFileError(
            f"StarDist cannot load {source!r} ({type(error).__name__}: {error}).",
            "Check that it is the folder of a 2D model with config.json and weights, or check the network connection.",
        ) from error
