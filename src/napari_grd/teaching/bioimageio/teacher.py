"""Any model of the bioimage.io zoo as the teacher.

The model is opened by :mod:`napari_grd.teaching.bioimageio.model`, which restricts untrusted packages, run by
:mod:`napari_grd.teaching.bioimageio.run`, and its outputs are converted by
:mod:`napari_grd.teaching.bioimageio.outputs` with a :class:`~napari_grd.teaching.bioimageio.recipe.ZooRecipe`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.fingerprint import text_key
from napari_grd.errors import ConfigError
from napari_grd.inference.rescale import grid_shape, rescale_image
from napari_grd.teaching.base import TeacherInfo, TeacherPrediction
from napari_grd.teaching.bioimageio.guess import guess_recipe
from napari_grd.teaching.bioimageio.model import INSTALL, open_zoo_model
from napari_grd.teaching.bioimageio.outputs import Outputs, instances_of, soft_affinities_of, sort_channels
from napari_grd.teaching.bioimageio.recipe import ZooRecipe
from napari_grd.teaching.bioimageio.run import ZooRunner
from napari_grd.teaching.licenses import restrictions_of
from napari_grd.teaching.soft_affinities import centered


class BioimageioTeacher:
    """A teacher that is a model of the bioimage.io zoo.

    Parameters
    ----------
    source : str or Path
        A zip, a folder or a ``bioimageio.yaml``; with ``download`` also an id of the zoo.
    recipe : ZooRecipe, optional
        The meaning of its outputs; default: derived from their names, see
        :func:`~napari_grd.teaching.bioimageio.guess.guess_recipe`.
    weights, download, trust_code, device
        See :func:`~napari_grd.teaching.bioimageio.model.open_zoo_model`.

    Attributes
    ----------
    name, license, restrictions : str
        The authors' name, the SPDX identifier of its license, and the license's restrictions.
    recipe : ZooRecipe
        The recipe in use.

    Raises
    ------
    ModelFileError
        If the package cannot be used, or is hostile.
    ConfigError
        If the meaning of its outputs cannot be derived, or the recipe does not fit them.
    GrdError
        If it needs a download, or trust.
    """

    def __init__(
        self,
        source: str | Path,
        recipe: ZooRecipe | None = None,
        *,
        weights: str | None = None,
        download: bool = False,
        trust_code: bool = False,
        device: str = "auto",
    ) -> None:
        model = open_zoo_model(source, weights=weights, download=download, trust_code=trust_code, device=device)
        self._run = ZooRunner(model)
        self.recipe = recipe or guess_recipe(model.description)
        self.name = model.name
        self.license = model.license
        self.restrictions = restrictions_of(model.license)
        self._digest = model.digest
        outputs = {str(output.id) for output in model.description.outputs}
        if missing := self.recipe.channels.keys() - outputs:
            raise ConfigError(
                f"The model {self.name!r} has no output {min(missing)!r}.",
                f"Its outputs: {', '.join(sorted(outputs))}.",
            )

    @property
    def gives_embeddings(self) -> bool:
        """Whether the recipe names embedding channels."""
        return "embedding" in self.recipe.kinds

    @property
    def in_channels(self) -> int:
        """Number of input channels."""
        return self._run.channels

    @property
    def fingerprint(self) -> str:
        """A hash of description, weights and recipe; the device changes results by rounding only."""
        return text_key(self._digest, self.recipe.model_dump_json(), "centred")

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Predict instances and the model's other outputs for an image of any size.

        Parameters
        ----------
        image : (C, Y, X) array
            Raw intensities; the model normalizes them itself.

        Returns
        -------
        TeacherPrediction
            Labels; foreground and embeddings if it predicts them; affinities at the standard offsets if it predicts
            them, flows or a foreground.

        Raises
        ------
        GrdError
            If the image does not fit the model, or an output does not fit the recipe.
        """
        outputs = self._seen(image)
        labels = instances_of(outputs, self.recipe)
        foreground = None
        if "foreground" in outputs:
            foreground = centered(outputs["foreground"][0], self.recipe.foreground_threshold)
        return TeacherPrediction(
            labels, foreground, outputs.get("embedding"), soft_affinities_of(outputs, self.recipe, labels, foreground)
        )

    def _seen(self, image: NDArray[Any]) -> Outputs:
        """The prediction averaged over the scales of the recipe; the mean is a better teacher than each alone.

        Source: data distillation, Radosavovic et al., CVPR 2018, arXiv 1712.04440.
        """
        shape = image.shape[1:]
        each = []
        for scale in self.recipe.scales:
            shown = image if scale == 1 else rescale_image(image.astype(np.float32), grid_shape(shape, scale))
            outputs = sort_channels(self._run(shown), self.recipe, self.name)
            each.append({kind: rescale_image(planes, shape) for kind, planes in outputs.items()})
        if len(each) == 1:
            return each[0]
        return {kind: np.mean([outputs[kind] for outputs in each], axis=0, dtype=np.float32) for kind in each[0]}


def info() -> TeacherInfo:
    """Return the registry's information about this teacher."""
    missing = [package for package in ("bioimageio.core", "bioimageio.spec") if not _is_there(package)]
    return TeacherInfo(
        name="bioimageio",
        summary="A model of the bioimage.io zoo: foreground, boundaries, affinities, embeddings, flows or labels.",
        license="the model's, see its description",
        available=not missing,
        reason=f"{missing[0]} is not installed; {INSTALL}" if missing else None,
        options={
            "source": "a zip, a folder or a bioimageio.yaml; with download=True also the id of a model",
            "recipe": "a ZooRecipe, or a YAML file with one: meaning of the outputs; default: derived from their names",
            "foreground_threshold": "a pixel is foreground above this probability; default: the recipe's, or 0.5",
            "scales": "scale factors of the image at which the model is run, e.g. 1.5; default: the recipe's, or 1",
            "weights": "format of the weights, e.g. onnx or torchscript; default: the best available",
            "download": "whether the model may be fetched from bioimage.io",
            "trust_code": "whether Python code in the package may run",
            "device": "auto, cpu or cuda",
        },
    )


def load(
    source: str | Path,
    recipe: ZooRecipe | str | Path | None = None,
    foreground_threshold: float | None = None,
    scales: tuple[float, ...] | None = None,
    weights: str | None = None,
    download: bool = False,
    trust_code: bool = False,
    device: str = "auto",
) -> BioimageioTeacher:
    """Create a teacher from a model of the zoo; see :class:`BioimageioTeacher`.

    A recipe may be a YAML file. Threshold and scales can be set without one.

    Raises
    ------
    GrdError
        If it cannot be used.
    """
    read = ZooRecipe.from_yaml(recipe) if isinstance(recipe, str | Path) else recipe
    teacher = BioimageioTeacher(source, read, weights=weights, download=download, trust_code=trust_code, device=device)
    given = {"foreground_threshold": foreground_threshold, "scales": scales}
    teacher.recipe = teacher.recipe.replace(**{name: value for name, value in given.items() if value is not None})
    return teacher


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except Exception:  # a namespace without the package, or a broken one
        return False
