"""What a teacher is.

A teacher looks at an image and says what it sees. One that gives embeddings
(a model) teaches by the full method; one that gives labels only (another
program, an annotator) teaches through an assistant fitted to its labels.

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
    """What a teacher sees in an image of spatial shape S.

    Attributes
    ----------
    labels : (*S) uint32
        One number an instance, 0 is background.
    foreground : (*S) float32 or None
        Probability in [0, 1] of being part of an instance, above a half where the teacher sees one; see
        :func:`~napari_grd.teaching.soft_affinities.centered`.
    embeddings : (C, *S) float32 or None
        Raw embeddings, whose cosines are affinities.
    affinities : (K, *S) float32 or None
        Soft affinities in [0, 1] at the standard offsets, ``OFFSETS_2D`` or
        ``OFFSETS_3D`` of :mod:`napari_grd.graph.offsets`. Channel ``k`` at pixel
        ``p`` is how sure the teacher is that ``p`` and ``p + offsets[k]`` are
        parts of the same instance, or both of the background; pairs that leave
        the image may hold anything.
    confidence : (*S) float32 or None
        How sure it is of the instance at each pixel, in [0, 1].

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
                f"The teacher gives affinities at {len(self.affinities)} offsets, not at the {count} standard ones.",
                f"Compute them at OFFSETS_{self.labels.ndim}D of napari_grd.graph.offsets.",
            )


@runtime_checkable
class Teacher(Protocol):
    """Anything a student can learn from.

    A teacher may have two attributes besides: ``restrictions``, a sentence that
    says what its license forbids, and, if it recalls certain images instead of
    looking at any, a method ``knows(image)`` that tells which.
    """

    @property
    def name(self) -> str:
        """What it is called in cards and messages."""
        ...

    @property
    def gives_embeddings(self) -> bool:
        """Whether its predictions hold embeddings; if not, an assistant is fitted to its labels."""
        ...

    @property
    def fingerprint(self) -> str:
        """Key of caches of its predictions: the same weights and settings give the same string, always."""
        ...

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Look at one image.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities in the image's own type, not normalized.
        """
        ...


@dataclass(frozen=True)
class TeacherInfo:
    """What is known of a teacher before it is loaded.

    Attributes
    ----------
    name : str
        What :func:`load_teacher` takes.
    summary : str
        One line, for pickers.
    parameters : int or None
        Weights, if their number is fixed.
    license : str
        License of the teacher and its weights.
    restrictions : str
        What that license forbids, in one plain sentence; empty if nothing. A teacher whose weights decide may say
        it in an attribute ``restrictions`` of its own.
    available : bool
        Whether it can be loaded here.
    reason : str or None
        If not, why, and what to do about it.
    options : mapping of str to str
        What :func:`load_teacher` takes besides: name to one line about it.
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
    """What an entry point names: as a rule, a module with these two functions."""

    def info(self) -> TeacherInfo:
        """Say what the teacher is, and whether the packages it needs are there."""
        ...

    def load(self, **options: Any) -> Teacher:
        """Make the teacher. Called only after :meth:`info` has said that it is available."""
        ...
