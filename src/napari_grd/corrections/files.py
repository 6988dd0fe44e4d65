"""Files of corrections: GeoJSON, see docs/corrections.md."""

import json
from pathlib import Path
from typing import Any

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.features import from_feature, to_feature
from napari_grd.corrections.image import ImageRef
from napari_grd.errors import CorrectionError, OutputError
from napari_grd.io.atomic import atomic_path

SUFFIX = ".grd-corrections.geojson"
FORMAT = 1
"""Grows when older versions of this package could misread a file."""

MAX_BYTES = 128 << 20
"""Size of a file; ten thousand outlined nuclei take about ten million."""
MAX_CORRECTIONS = 200_000

_REMEDY = "Ask for the original file, or take a copy of an earlier state."


def save_corrections(corrections: Corrections, path: str | Path) -> Path:
    """Write corrections to a file, whole or not at all.

    Undone ones are kept aside in it, so that redo works after loading and
    merging does not bring them back.

    Parameters
    ----------
    corrections : Corrections
        Of one image.
    path : str or Path
        By convention it ends in :data:`SUFFIX`. A file of that name is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If it cannot be written.

    See Also
    --------
    load_corrections : Read the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.corrections import Join
    >>> made = Corrections(ImageRef((64, 64)), [Join([(5, 5), (5, 20)])])
    >>> with TemporaryDirectory() as folder:
    ...     load_corrections(save_corrections(made, Path(folder) / f"cells{SUFFIX}")) == made
    True
    """
    path = Path(path)
    features: dict[bool, list[Any]] = {True: [], False: []}
    for entry in corrections.entries:
        features[entry.counts].append(to_feature(entry, corrections.image))
    content = {
        "type": "FeatureCollection",
        "napari_grd": {"format": FORMAT, "image": image_to_json(corrections.image), "undone": features[False]},
        "features": features[True],
    }
    text = to_json(content).encode("utf-8") + b"\n"
    if len(text) > MAX_BYTES:
        raise OutputError(
            f"{str(path)!r} would take {len(text)} bytes, more than the {MAX_BYTES} that are read.", "Split the work."
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(text)
    return path


def load_corrections(path: str | Path, image: ImageRef | None = None) -> Corrections:
    """Read a corrections file.

    Parameters
    ----------
    path : str or Path
        The file.
    image : ImageRef, optional
        The image that the corrections are meant for.

    Returns
    -------
    Corrections
        In the order in which they were made, with those that were undone.

    Raises
    ------
    CorrectionError
        If the file cannot be read, is damaged or too large, is not a corrections file, or is of another image.
        The message names the file and what is wrong.

    See Also
    --------
    save_corrections : Write the file.
    segment : Segment an image and apply corrections.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = save_corrections(Corrections(ImageRef((64, 64))), Path(folder) / f"cells{SUFFIX}")
    ...     len(load_corrections(path, ImageRef((64, 64))))
    0
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CorrectionError(
            f"{str(path)!r} cannot be read ({error.strerror or error}).", f"Pass a file that ends in {SUFFIX}."
        ) from None
    if len(text) > MAX_BYTES:
        raise CorrectionError(f"{str(path)!r} has more than {MAX_BYTES} bytes.", "No file of corrections is so large.")
    try:
        return _corrections(parse_json(text), image)
    except CorrectionError as error:
        raise CorrectionError(f"{str(path)!r}: {error.problem}", error.remedy) from None


def image_to_json(image: ImageRef) -> dict[str, Any]:
    """An image's description, fit for :func:`image_from_json`."""
    known = {"axes": image.axes, "shape": list(image.shape), "name": image.name, "key": image.key}
    return {name: value for name, value in known.items() if value is not None}


def image_from_json(content: Any) -> ImageRef:
    """The image that parsed JSON describes.

    Raises
    ------
    CorrectionError
        If it describes none.
    """
    if not isinstance(content, dict) or not isinstance(content.get("axes"), str):
        raise CorrectionError(f"it does not tell its image ({content!r:.80}).", _REMEDY)
    return ImageRef(content.get("shape", ()), content["axes"], content.get("name"), content.get("key"))


def to_json(content: Any) -> str:
    """Compact JSON, in one line."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def parse_json(text: bytes) -> Any:
    """JSON from a stranger.

    Raises
    ------
    CorrectionError
        If it is none, or nested too deeply.
    """
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CorrectionError(f"it is not JSON ({error!s:.80}).", _REMEDY) from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _corrections(content: Any, image: ImageRef | None) -> Corrections:
    ours = content.get("napari_grd") if isinstance(content, dict) else None
    if not isinstance(ours, dict):
        raise CorrectionError("it is not a file of corrections.", f"Pass a file that ends in {SUFFIX}.")
    if ours.get("format") != FORMAT:
        raise CorrectionError(
            f"it is of format {ours.get('format')!r:.80}, this version reads {FORMAT}.", "Update napari-grd."
        )
    known = image_from_json(ours.get("image"))
    found = Corrections(known if image is None else known.merged(image))
    lists = [(True, "features", content.get("features")), (False, "undone", ours.get("undone", []))]
    for counts, name, features in lists:
        if not isinstance(features, list) or len(features) > MAX_CORRECTIONS:
            raise CorrectionError(f"its {name!r} is not a list of at most {MAX_CORRECTIONS}.", _REMEDY)
        for index, feature in enumerate(features):
            try:
                found.put(from_feature(feature, found.image, counts=counts, order=index))
            except CorrectionError as error:
                raise CorrectionError(f"{name} {index}: {error.problem}", error.remedy) from None
    return found
