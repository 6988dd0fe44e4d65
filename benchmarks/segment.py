"""How long it takes from an image to its labels, stage by stage, on this machine's CPU.

    python benchmarks/segment.py --model nuclei.grd.safetensors --data FOLDER

The folder (or the environment variable GRD_DATA) holds bbbc039_nuclei. Without
a model the network has random weights, which costs the same time, and the
partition works on an embedding made up from the annotated labels instead.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from skimage.segmentation import expand_labels

from napari_grd.api import segment
from napari_grd.config import SegmentConfig
from napari_grd.data.intensity import normalized
from napari_grd.hub import load_model
from napari_grd.inference.prediction import Prediction, partition_prediction
from napari_grd.inference.runtime import runtime_for
from napari_grd.inference.segment import predict
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.io.listing import read_pairs
from napari_grd.models.model import Model, ModelConfig
from napari_grd.models.resunet import TEACHER_WIDTHS
from reporting import hardware, median_ms, table

SIZES = (512, 1024)
CROP = 512


@dataclass(frozen=True)
class Scene:
    """An image with its labels."""

    name: str
    image: np.ndarray
    labels: np.ndarray

    def describe(self) -> str:
        return f"{self.name}, {len(np.unique(self.labels)) - 1} objects, {(self.labels > 0).mean():.0%} foreground"


def mosaic(folder: Path, size: int) -> Scene:
    """Crops of several images side by side."""
    image = np.zeros((size, size), np.uint16)
    labels = np.zeros((size, size), np.int64)
    places = [(y, x) for y in range(0, size, CROP) for x in range(0, size, CROP)]
    for (y, x), pair in zip(places, read_pairs(folder)[::5], strict=False):
        here = np.s_[y : y + CROP, x : x + CROP]
        image[here] = read_image(pair.image).pixels[:CROP, :CROP]
        ids = read_label_image(pair.labels)[:CROP, :CROP].astype(np.int64)
        labels[here] = np.where(ids > 0, ids + labels.max(), 0)
    return Scene(f"{size}² of bbbc039", image, labels)


def crowded(scene: Scene) -> Scene:
    """The same with its objects grown until they fill 80 % of the image."""
    distance, labels = 0, scene.labels
    while (labels > 0).mean() < 0.8:
        distance += 4
        labels = expand_labels(scene.labels, distance)
    return Scene(f"{scene.name}, grown", scene.image, labels)


def made_up(scene: Scene, config: ModelConfig) -> Prediction:
    """A prediction that knows the labels: a random direction an object, and noise."""
    rng = np.random.default_rng(0)
    channels = config.network.embedding
    directions = rng.standard_normal((scene.labels.max() + 1, channels)).astype(np.float32)
    embedding = directions[scene.labels]
    embedding += 0.3 * rng.standard_normal(embedding.shape, np.float32)
    foreground = (scene.labels > 0).astype(np.float32)
    return Prediction(np.moveaxis(embedding, -1, 0), foreground, 1.0, scene.labels.shape, config, "f32")


def stage_row(model: Model, scene: Scene, precision: str, repeats: int, *, trained: bool) -> list[object]:
    """Medians of the stages, and of them all."""
    config = SegmentConfig(device="cpu", precision=precision)
    image = scene.image[None]
    ready = normalized(image, model.config.normalization)
    runtime = runtime_for(model, config)
    prediction = predict(model, scene.image, config) if trained else made_up(scene, model.config)
    stages = [
        median_ms(lambda: normalized(image, model.config.normalization), repeats),
        median_ms(lambda: runtime(ready), repeats),
        median_ms(lambda: partition_prediction(prediction), repeats),
    ]
    total = median_ms(lambda: segment(model, scene.image, config), repeats) if trained else sum(stages)
    found = int(partition_prediction(prediction).max())
    return [scene.describe(), f"{runtime.name} {runtime.precision}", *stages, total, found]


def crowded_row(model: Model, scene: Scene, repeats: int) -> list[object]:
    """The partition alone, where there is nearly no background to skip."""
    prediction = made_up(scene, model.config)
    time = median_ms(lambda: partition_prediction(prediction), repeats)
    return [scene.describe(), "made up", "", "", time, "", int(partition_prediction(prediction).max())]


def ratio_rows(student: Model, repeats: int) -> list[list[object]]:
    """Student and teacher at 512², each in the fastest way this CPU has."""
    teacher = Model.create(student.config.replace(**{"network.name": "resunet", "network.widths": TEACHER_WIDTHS}))
    image = np.random.default_rng(0).random((student.config.in_channels, 512, 512), np.float32)
    rows: list[list[object]] = []
    for name, model in (("student", student), ("teacher, ResUNet 32..680", teacher)):
        times = {}
        for runtime_name in ("openvino", "torch"):
            runtime = runtime_for(model, SegmentConfig(device="cpu", runtime=runtime_name))
            key = f"{runtime.name} {runtime.precision}"
            times[key] = median_ms(lambda runtime=runtime: runtime(image), repeats)
        best = min(times, key=lambda key: times[key])
        rows.append([name, f"{sum(p.numel() for p in model.network.parameters()):,}", best, times[best]])
    student_ms, teacher_ms = rows[0][3], rows[1][3]
    return [[*rows[0], f"{student_ms / teacher_ms:.1%}"], [*rows[1], "100 %"]]


def main(
    data: Annotated[Path, typer.Option(envvar="GRD_DATA", help="folder that holds bbbc039_nuclei")],
    model: Annotated[Path | None, typer.Option(help="a model file; random weights without")] = None,
    repeats: Annotated[int, typer.Option(help="timed calls of each stage")] = 7,
    teacher: Annotated[bool, typer.Option(help="also compare with the teacher's network")] = True,
) -> None:
    """Print the tables."""
    known = load_model(model) if model else Model.create(ModelConfig())
    trained = model is not None
    precisions = ["f32"]
    if runtime_for(known, SegmentConfig(device="cpu")).precision == "bf16":
        precisions.append("bf16")
    scenes = [mosaic(data / "bbbc039_nuclei", size) for size in SIZES]
    rows = [stage_row(known, scene, each, repeats, trained=trained) for scene in scenes for each in precisions]
    rows += [crowded_row(known, crowded(scene), repeats) for scene in scenes]

    weights = f"{known.card.name}" if trained else "random weights; partition of an embedding made up from the labels"
    print(
        f"{hardware()}\nMedians of {repeats} calls in milliseconds. Network: {known.config.network.name}, {weights}.\n"
    )
    print(table(["image", "runtime", "normalize", "network", "partition", "image to labels", "found"], rows))
    if teacher:
        print()
        print(table(["network", "parameters", "runtime", "ms at 512²", "of the teacher"], ratio_rows(known, repeats)))


if __name__ == "__main__":
    typer.run(main)
