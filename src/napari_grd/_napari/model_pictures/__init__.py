"""What the images of a built-in model look like, as pictures in lists; drawn by ``docs/model_pictures.py``."""

from pathlib import Path

FOLDER = Path(__file__).parent


def picture_of(name: str) -> Path | None:
    """The picture of a built-in model; a teacher has that of its student.

    Examples
    --------
    >>> picture_of("nuclei-teacher").name, picture_of("mine")
    ('nuclei.png', None)
    """
    path = FOLDER / f"{name.removesuffix('-teacher')}.png"
    return path if path.exists() else None
