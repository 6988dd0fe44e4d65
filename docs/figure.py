"""The figure of docs/method.md: what the built-in student computes on a simulated image, step by step.

    python docs/figure.py

Writes ``docs/images/method.png``: image, embedding as colors, affinities, instance graph, objects.
"""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection

import napari_grd as grd
from napari_grd.data.simulate import nuclei_2d
from napari_grd.visualization import embedding_colors, image_to_rgb, overlay

SIDE = 128
PANELS = ("image", "embedding", "affinities", "instance graph", "objects")


def main() -> None:
    """Compute and draw the five panels."""
    model = grd.load_model("nuclei")
    image, _ = nuclei_2d(np.random.default_rng(3))
    prediction = grd.predict(model, image, grd.SegmentConfig().as_known())
    labels = grd.partition(prediction)
    affinities = grd.affinities(model, image)
    near = affinities[[np.abs(offset).sum() <= 1 for offset in model.config.offsets]].min(0)
    graph = grd.instance_graph(labels, prediction.embedding, nearest=5)
    pictures: list[Any] = [
        image_to_rgb(image[None]),
        embedding_colors(prediction.embedding, model.pca.numpy(), prediction.foreground),
        near,
        image_to_rgb(image[None]),
        overlay(image[None], labels),
    ]
    figure, axes = plt.subplots(1, 5, figsize=(12, 2.7), layout="constrained", facecolor="white")
    for axis, title, picture in zip(axes, PANELS, pictures, strict=True):
        shown = axis.imshow(picture[:SIDE, :SIDE], cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        axis.set_title(title, fontsize=11)
        axis.set_axis_off()
        if title == "affinities":
            figure.colorbar(shown, ax=axis, shrink=0.7, ticks=[-1, 0, 1])
    points = graph.centroids[:, ::-1]
    lines = LineCollection(points[graph.edges], cmap="viridis", array=graph.similarity, clim=(-1, 1), linewidths=1.5)
    axes[3].add_collection(lines)
    axes[3].scatter(*points.T, s=14, color="white", zorder=3)
    axes[3].set(xlim=(-0.5, SIDE - 0.5), ylim=(SIDE - 0.5, -0.5))
    figure.colorbar(lines, ax=axes[3], shrink=0.7, ticks=[-1, 0, 1])
    figure.savefig(Path(__file__).parent / "images" / "method.png", dpi=110)


if __name__ == "__main__":
    main()
