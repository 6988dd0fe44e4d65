"""The command segment with one image and the OME-Zarr for its labels."""

from collections.abc import Sequence
from pathlib import Path

from napari_grd.errors import ConfigError


def block_target(inputs: Sequence[Path]) -> Path | None:
    """The label image to write if the last of two arguments names one, rather than an image.

    It is a ``.zarr`` that does not exist, or that was written by this command.
    """
    from napari_grd.io.ome_zarr import PROVENANCE
    from napari_grd.io.ome_zarr_metadata import attributes_of

    if len(inputs) != 2 or inputs[1].suffix.lower() != ".zarr":
        return None
    target = inputs[1]
    is_target = not target.exists() or PROVENANCE in attributes_of(target)
    return target if is_target else None


def check_alone(target: Path, options: Sequence[str]) -> None:
    """Raise an error if options are given that do not apply.

    Raises
    ------
    ConfigError
        Names the first.
    """
    if options:
        raise ConfigError(
            f"{options[0]} does not apply to the label image {str(target)!r}, which is written block by block.",
            "Leave it out; use napari-grd measure and convert afterwards.",
        )


def one_series(series: Sequence[str] | None) -> str | int | None:
    """The image of a file that ``--series`` names.

    Raises
    ------
    ConfigError
        If there are several.
    """
    if not series:
        return None
    if len(series) > 1:
        raise ConfigError(f"--series names {len(series)} images.", "Name one of them for each label image.")
    return int(series[0]) if series[0].isdecimal() else series[0]
