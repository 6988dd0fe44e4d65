"""Addresses of images that are not on this computer."""

import re
from pathlib import Path

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+([^/].*)", re.DOTALL)
UNREACHABLE = (
    "Check the address, and that it can be reached from here. https needs 'pip install aiohttp', s3 'pip install s3fs',"
    " gs 'pip install gcsfs'."
)


def address_of(path: str | Path) -> str | None:
    """The address that a path stands for; None if it is one on this computer.

    Parameters
    ----------
    path : str or Path
        A path, or an address of any kind that fsspec knows. A Path of an address has lost one of its slashes.

    Examples
    --------
    >>> address_of("s3://bucket/slide.ome.zarr"), address_of(Path("https://example.org/a.zarr"))
    ('s3://bucket/slide.ome.zarr', 'https://example.org/a.zarr')
    >>> address_of("C:/a.zarr")
    """
    match = _ADDRESS.fullmatch(str(path).replace("\\", "/"))
    return None if match is None or Path(path).exists() else f"{match[1]}://{match[2]}"
