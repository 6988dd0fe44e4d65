"""Draw the picture that a built-in model has in lists: what its images look like, simulated.

python docs/model_pictures.py
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import hed2rgb
from skimage.measure import block_reduce
from skimage.segmentation import find_boundaries

from napari_grd._napari.model_pictures import FOLDER
from napari_grd.data.simulate import cells_2d, nuclei_2d, nuclei_3d

SIDE = 64
Pixels = NDArray[np.float64]


def _scaled(image: NDArray[np.generic]) -> Pixels:
    values = np.asarray(image, float)
    low, high = np.percentile(values, (1, 99.7))
    return np.clip((values - low) / (high - low), 0, 1)


def _discs(rng: np.random.Generator, radius: tuple[float, float], *, side: int = 2 * SIDE) -> NDArray[np.int32]:
    """Discs that do not overlap."""
    labels = np.zeros((side, side), np.int32)
    y, x = np.mgrid[:side, :side]
    for _ in range(400):
        r, cy, cx = rng.uniform(*radius), *rng.uniform(0, side, 2)
        stretch = rng.uniform(0.85, 1.2)
        disc = ((y - cy) * stretch) ** 2 + ((x - cx) / stretch) ** 2 < r**2
        if not labels[ndimage.binary_dilation(disc, iterations=2)].any():
            labels[disc] = labels.max() + 1
    return labels


def _depth(labels: NDArray[np.int32]) -> Pixels:
    """Distance to the border of the object, negative outside."""
    inside: Pixels = ndimage.distance_transform_edt((labels > 0) & ~find_boundaries(labels, mode="outer"))
    outside: Pixels = ndimage.distance_transform_edt(labels == 0)
    return inside - outside


def _grain(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Pixels:
    grain: Pixels = ndimage.gaussian_filter(rng.normal(size=shape), sigma)
    return grain / grain.std()


def nuclei(rng: np.random.Generator) -> Pixels:
    return _scaled(nuclei_2d(rng, (2 * SIDE, 2 * SIDE), 12)[0])


def tissue(rng: np.random.Generator) -> Pixels:
    labels = _discs(rng, (7, 12))
    shape = labels.shape
    hematoxylin = np.where(labels > 0, 0.11 + 0.02 * _grain(rng, shape, 1.5), 0.01)
    eosin = 0.06 + 0.02 * _grain(rng, shape, 4)
    return hed2rgb(np.stack([ndimage.gaussian_filter(hematoxylin, 0.8), eosin, np.zeros(shape)], -1))


def phase(rng: np.random.Generator) -> Pixels:
    depth = _depth(_discs(rng, (13, 20)))
    halo = 0.4 * np.exp(-(((depth + 3) / 2.5) ** 2))
    return 0.55 + halo - 0.25 * (depth > 0) + 0.05 * _grain(rng, depth.shape, 1.2)


def yeast(rng: np.random.Generator) -> Pixels:
    depth = _depth(_discs(rng, (11, 15)))
    return 0.55 - 0.4 * np.exp(-(((depth - 1) / 1.8) ** 2)) + 0.25 * (depth > 4) + 0.02 * _grain(rng, depth.shape, 1)


def axons(rng: np.random.Generator) -> Pixels:
    depth = _depth(_discs(rng, (8, 17)))
    sheath = (depth > 0) & (depth < 4.5)
    return ndimage.gaussian_filter(0.62 - 0.5 * sheath, 0.8) + 0.05 * _grain(rng, depth.shape, 0.8)


def cells(rng: np.random.Generator) -> Pixels:
    return _scaled(cells_2d(rng, (2 * SIDE, 2 * SIDE), 16, border="bright")[0])


def neurites(rng: np.random.Generator) -> Pixels:
    labels = cells_2d(rng, (2 * SIDE, 2 * SIDE), 34, border="dark", gaps=0.0)[1].astype(np.int32)
    membrane = ndimage.gaussian_filter(find_boundaries(labels, mode="thick").astype(float), 0.8)
    shade = rng.uniform(-0.06, 0.06, labels.max() + 1)[labels]
    return 0.68 + shade - 0.6 * membrane + 0.04 * _grain(rng, labels.shape, 1)


def nuclei_in_volumes(rng: np.random.Generator) -> Pixels:
    volume = nuclei_3d(rng, (32, 2 * SIDE, 2 * SIDE), 16)[0].astype(float)
    depth = np.linspace(1, 0.45, len(volume))[:, None, None]  # what lies deeper is dimmer
    return _scaled((depth * ndimage.gaussian_filter(volume, (0, 1, 1))).max(0))


PICTURES = {
    "nuclei": nuclei,
    "tissue": tissue,
    "phase": phase,
    "yeast": yeast,
    "axons": axons,
    "cells": cells,
    "neurites": neurites,
    "nuclei-3d": nuclei_in_volumes,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        drawn = draw(np.random.default_rng(1))
        small = block_reduce(drawn, (2, 2, 1)[: drawn.ndim], np.mean)
        pixels = np.rint(255 * np.clip(small, 0, 1)).astype(np.uint8)
        Image.fromarray(pixels).quantize(64).save(FOLDER / f"{name}.png", optimize=True)
        print(f"wrote {name}.png")


if __name__ == "__main__":
    main()
