"""The interface of a teacher.

A teacher predicts instances of an image. One that predicts embeddings (a model) teaches by the full method; one that
only provides labels (another program, an annotator) teaches through an assistant trained on its labels.

To add one, write a module with the two functions of :class:`TeacherSource`
and name it in the entry points of your package::

    [project.entry-points."napari_grd.teachers"]
    mine = "my_package.teacher"
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import LabelError
from napari_grd.graph.offsets import default_offsets


@dataclass(frozen=True, eq=False)
class TeacherPrediction:
    """A teacher's prediction of an image of spatial shape S.

    Attributes
    ----------
    labels : (*S) uint32
        One number per instance, 0 is background.
    foreground : (*S) float32 or None
        Probability in [0, 1] of being part of an instance, above 0.5 where the teacher predicts one; see
        :func:`~napari_grd.teaching.soft_affinities.centered`.
    embeddings : (C, *S) float32 or None
        Raw embeddings, whose cosines are affinities.
    affinities : (K, *S) float32 or None
        Soft affinities in [0, 1] at the standard offsets, ``OFFSETS_2D`` or
        ``OFFSETS_3D`` of :mod:`napari_grd.graph.offsets`. Channel ``k`` at pixel
        ``p`` is the probability that ``p`` and ``p + offsets[k]`` belong to the same instance, or both to the
        background; the values of pairs that leave the image are arbitrary.
    confidence : (*S) float32 or None
        Confidence in the instance at each pixel, in [0, 1].

    Raises
    ------
    LabelError
        If the labels are not uint32, the arrays differ in spatial shape, or the
        affinities are not those of the standard offsets.
    """

    labels: NDArray[np.uint32] = field(repr=False)
    foreground: NDArray[np.float32] | None = field(default=None, repr=False)
    embeddings: NDArray[np.float32] | None = field(default=None, repr=False)
    affinities: NDArray[np.float32] | None = field(default=None, repr=False)
    confidence: NDArray[np.float32] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.labels.dtype != np.uint32:
            raise LabelError(f"The teacher's labels are of type {self.labels.dtype}.", "Convert them to uint32.")
        for name in ("foreground", "embeddings", "affinities", "confidence"):
            array = getattr(self, name)
            if array is None:
                continue
            shape = array.shape if name in ("foreground", "confidence") else array.shape[1:]
            if shape != self.labels.shape:
                raise LabelError(
                    f"The teacher's {name} of spatial shape {shape} do not fit its labels, {self.labels.shape}.",
                    "Bring all its outputs to the shape of the image.",
                )
        if self.affinities is not None and len(self.affinities) != (count := len(default_offsets(self.labels.ndim))):
            raise LabelError(
                f"The teacher returns affinities at {len(self.affinities)} offsets, not at the {count} standard ones.",
                f"Compute them at OFFSETS_{self.labels.ndim}D of napari_grd.graph.offsets.",
            )


@runtime_checkable
class Teacher(Protocol):
    """Anything a student can learn from.

    A teacher may have two further attributes: ``restrictions``, a sentence with the restrictions of its license, and,
    if it only has labels of certain images, a method ``knows(image)`` that returns whether it has those of an image.
    """

    @property
    def name(self) -> str:
        """Name in cards and messages."""
        ...

    @property
    def gives_embeddings(self) -> bool:
        """Whether its predictions contain embeddings; if not, an assistant is trained on its labels."""
        ...

    @property
    def fingerprint(self) -> str:
        """Key for caches of its predictions: the same weights and settings always give the same string."""
        ...

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Predict one image.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities in the image's own type, not normalized.
        """
        ...


@dataclass(frozen=True)
class TeacherInfo:
    """Information about a teacher before it is loaded.

    Attributes
    ----------
    name : str
        Name for :func:`load_teacher`.
    summary : str
        One line, for pickers.
    parameters : int or None
        Weights, if their number is fixed.
    license : str
        License of the teacher and its weights.
    restrictions : str
        Restrictions of that license, in one sentence; empty if there are none. If they depend on the weights, the
        loaded teacher has an attribute ``restrictions``.
    available : bool
        Whether it can be loaded here.
    reason : str or None
        If not, the reason and the remedy.
    options : mapping of str to str
        Further arguments of :func:`load_teacher`: name to a one-line description.
    """

    name: str
    summary: str
    parameters: int | None = None
    license: str = ""
    restrictions: str = ""
    available: bool = True
    reason: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


class TeacherSource(Protocol):
    """The target of an entry point: usually a module with these two functions."""

    def info(self) -> TeacherInfo:
        """Return information about the teacher, and whether the packages it needs are installed."""
        ...

    def load(self, **options: Any) -> Teacher:
        """Create the teacher. Called only if :meth:`info` reports it as available."""
        ...
