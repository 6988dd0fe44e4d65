"""Several teachers at once, one for each image: say, one for nuclei and one for dense cells.

Embeddings of two teachers lie in different spaces: a node or a pooled pixel of
one means nothing to the other, so neither the student nor the memory bank may
compare them. What can be compared is passed on: instances, foreground and
affinities. From these an assistant makes embeddings that all images share, and
the whole method follows; or the student is distilled from them directly.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_grd.data.fingerprint import image_key
from napari_grd.errors import ConfigError, DataError
from napari_grd.graph.affinities import affinities_from_embedding
from napari_grd.graph.offsets import default_offsets
from napari_grd.teaching.base import Teacher, TeacherInfo, TeacherPrediction
from napari_grd.teaching.confidence import ConfidentTeacher
from napari_grd.teaching.prediction_check import GIANT, largest_share
from napari_grd.teaching.registry import TeacherLike, as_teacher


class MultiTeacher:
    """A teacher for each image.

    For an image that none was chosen for, the one decides that is most sure of
    what it sees: all look at it several times (:class:`ConfidentTeacher`), and
    the mean agreement over instances counts. Seeing nothing, or one and the same
    thing everywhere, is not being sure. A teacher that was given the labels of
    an image speaks for that image before all others.

    Parameters
    ----------
    teachers : mapping of str to Teacher
        At least one.
    choice : mapping of str to str, optional
        Name of the teacher by :func:`~napari_grd.data.fingerprint.image_key` of an image.

    Raises
    ------
    ConfigError
        If there is no teacher, or one is chosen that is not there.
    """

    gives_embeddings = False

    def __init__(self, teachers: Mapping[str, Teacher], choice: Mapping[str, str] | None = None) -> None:
        if not teachers:
            raise ConfigError("There are no teachers to choose from.", "Name at least one.")
        self.teachers = dict(teachers)
        self._choice = dict(choice or {})
        for name in self._choice.values():
            if name not in self.teachers:
                raise ConfigError(f"There is no teacher named {name!r}.", f"Choose among {', '.join(self.teachers)}.")

    @property
    def name(self) -> str:
        """Names of all."""
        return " + ".join(self.teachers)

    @property
    def restrictions(self) -> str:
        """What the licenses of all of them forbid."""
        found = (str(getattr(teacher, "restrictions", "")) for teacher in self.teachers.values())
        return " ".join(dict.fromkeys(filter(None, found)))

    @property
    def fingerprint(self) -> str:
        """A hash of all teachers and of the choice."""
        parts = [f"{name}={teacher.fingerprint}" for name, teacher in self.teachers.items()]
        parts += [f"{key}:{name}" for key, name in sorted(self._choice.items())]
        return hashlib.blake2b("|".join(["several", *parts]).encode(), digest_size=16).hexdigest()

    def assigned(self, images: Sequence[NDArray[Any]], names: Sequence[str | None]) -> "MultiTeacher":
        """The same teachers, with one chosen for each image.

        Parameters
        ----------
        images : sequence of (C, *S) array
            As they will be asked about.
        names : sequence of (str or None)
            One an image; None leaves it to the teachers.

        Raises
        ------
        ConfigError
            If there are more or fewer names than images, or one is unknown.
        """
        if len(names) != len(images):
            raise ConfigError(
                f"There are {len(images)} images, but teachers for {len(names)}.", "Name one, or None, for each image."
            )
        chosen = {image_key(image): name for image, name in zip(images, names, strict=True) if name is not None}
        return MultiTeacher(self.teachers, self._choice | chosen)

    def confident(self) -> "MultiTeacher":
        """The same teachers, which say how sure they are, but for those that recall labels."""
        sure = {
            name: teacher if hasattr(teacher, "knows") else ConfidentTeacher(teacher)
            for name, teacher in self.teachers.items()
        }
        return MultiTeacher(sure, self._choice)

    def choose(self, image: NDArray[Any]) -> str:
        """Name of the teacher of an image.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities.
        """
        return self._ask(image)[0]

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """What the teacher of an image says: instances, foreground and affinities, without embeddings.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities.

        Raises
        ------
        DataError
            If none of the teachers knows the image.
        """
        return _comparable(self._ask(image)[1])

    def _ask(self, image: NDArray[Any]) -> tuple[str, TeacherPrediction]:
        name = self._choice.get(image_key(image))
        if name is not None:
            return name, self.teachers[name].predict(image)
        looking: list[tuple[str, TeacherPrediction]] = []
        for name, teacher in self.teachers.items():
            knows = getattr(teacher, "knows", None)
            if knows is None:
                looking.append((name, ConfidentTeacher(teacher).predict(image)))
            elif knows(image):
                return name, teacher.predict(image)
        if not looking:
            raise DataError(
                f"None of the teachers {', '.join(self.teachers)} has labels for this image of shape {image.shape}.",
                "Give its labels to one of them, or add a teacher that can look at new images.",
            )
        return max(looking, key=lambda found: _certainty(found[1]))


def _certainty(prediction: TeacherPrediction) -> float:
    """Mean confidence over instances; 0 if they make no sense."""
    ids, first = np.unique(prediction.labels, return_index=True)
    if not ids.any() or largest_share(prediction.labels) > GIANT:
        return 0.0
    assert prediction.confidence is not None
    return float(prediction.confidence.ravel()[first[ids > 0]].mean())


def _comparable(prediction: TeacherPrediction) -> TeacherPrediction:
    """Affinities in place of embeddings."""
    if prediction.embeddings is None:
        return prediction
    offsets = default_offsets(prediction.labels.ndim)
    with torch.no_grad():
        cosines = affinities_from_embedding(torch.from_numpy(prediction.embeddings)[None], offsets)[0]
    # A cosine below 0 says no more than 0 does: not the same.
    affinities = cosines.clamp(0, 1).numpy()
    return TeacherPrediction(
        prediction.labels, prediction.foreground, affinities=affinities, confidence=prediction.confidence
    )


def info() -> TeacherInfo:
    """What the registry says of this teacher."""
    return TeacherInfo(
        name="several",
        summary="Several teachers: each image is taught by the one that is chosen for it, or most sure of it.",
        license="those of the teachers",
        options={"teachers": "mapping of names to teachers, models, names of built-in ones, or paths"},
    )


def load(teachers: Mapping[str, TeacherLike]) -> Teacher:
    """Make one teacher of several; of a single one, that one, which keeps its embeddings.

    Raises
    ------
    GrdError
        If there is none, or one of them cannot be loaded.
    """
    loaded = {name: as_teacher(source) for name, source in teachers.items()}
    return MultiTeacher(loaded) if len(loaded) != 1 else loaded.popitem()[1]
