"""Does one thing again and again in processes that are killed; run by ``test_kills.py``.

A line on the standard input is a JSON list: what to do, the folder, which of two contents to write, and the seconds
after which the process is killed (null: never). Each is answered with a line: the seconds it took, or "killed".
All is imported once; every process is forked from this one.
"""

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_grd.config import DistillConfig, FineTuneConfig, NetworkConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import open_journal
from napari_grd.corrections.kinds import Merge
from napari_grd.data.simulate import nuclei_2d
from napari_grd.distillation.recipes import iter_distill, iter_train
from napari_grd.export.formats import export_model
from napari_grd.finetuning.fine_tune import iter_fit_known
from napari_grd.io.calibration import Calibration
from napari_grd.io.label_tiff import write_labels
from napari_grd.io.model_file import save_model
from napari_grd.io.objects.formats import iter_write_objects, object_format
from napari_grd.io.objects.source import label_source
from napari_grd.io.ome_tiff import write_labels_ome_tiff
from napari_grd.io.ome_zarr_labels import write_labels_zarr
from napari_grd.io.tables import write_table
from napari_grd.jobs import drain
from napari_grd.models.model import Model, ModelConfig
from napari_grd.teaching.base import TeacherPrediction

SMALL = NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8)
PAIRS = [nuclei_2d(np.random.default_rng(seed), (64, 64)) for seed in range(2)]
LABELS = np.kron(PAIRS[0][1], np.ones((16, 16), np.uint32)).astype(np.uint32)  # large enough to take some time


class Says:
    """A teacher that knows the answers, and takes its time."""

    name, fingerprint, gives_embeddings = "says", "f" * 32, True

    def predict(self, image: Any) -> TeacherPrediction:
        time.sleep(0.05)
        labels = (image[0] > np.median(image[0])).astype(np.uint32)
        embeddings = np.stack([image[0] + step for step in range(8)]).astype(np.float32)
        return TeacherPrediction(labels, None, embeddings)


def model(variant: int) -> Model:
    torch.manual_seed(variant)
    return Model.create(ModelConfig(network=SMALL, object_diameter=20))


def config() -> DistillConfig:
    return DistillConfig(network=SMALL, steps=8, batch=2, patch=48, device="cpu", checkpoint_every=1e-6)


def train(folder: Path, variant: int) -> None:
    images, labels = zip(*PAIRS, strict=True)
    drain(iter_train(images, labels, config().replace(seed=variant), validation=0.0, out_dir=folder / "out"))


def distill(folder: Path, variant: int) -> None:
    images = [image for image, _ in PAIRS]
    settings = config().replace(seed=variant)
    drain(iter_distill(Says(), images, config=settings, validation=0.0, out_dir=folder / "out"))


def tune(folder: Path, variant: int) -> None:
    settings = FineTuneConfig(seconds=None, steps=3, batch=2, patch=32, device="cpu", seed=variant)
    known = PAIRS[0][1].astype(np.int64)
    drain(iter_fit_known(model(variant), [PAIRS[0][0][None]], [known], settings, out_dir=folder))


def segment(folder: Path, variant: int) -> None:
    from napari_grd.cli.app import app

    inputs = folder.parent / f"image{variant}"
    if not inputs.exists():
        inputs.mkdir()
        for number in range(2):
            image, _ = nuclei_2d(np.random.default_rng(9 * variant + number), (128, 128))
            np.save(inputs / f"cells{number}.npy", image)
    app(
        ["segment", str(inputs), "--out", str(folder), "--also", "csv,geojson", "--skip-existing"],
        standalone_mode=False,
    )


def journal(folder: Path, variant: int) -> None:
    path, image = folder / "a.grd-corrections.geojson", ImageRef((64, 64))
    with open_journal(path, image) as opened, (folder / "accepted").open("a") as accepted:
        for number in range(60):
            made = opened.add(Merge([(1, 1), (1, 2 + number % 50)]))
            accepted.write(f"{made.id}\n")
            accepted.flush()
            if number % 20 == 19:
                opened.compact()


def corrections(folder: Path, variant: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    made = [
        Merge([(variant, at % 60), (5, 9)], id=f"{at:032x}", time=begin + timedelta(seconds=at)) for at in range(300)
    ]
    save_corrections(Corrections(ImageRef((64, 64)), made), folder / "a.grd-corrections.geojson")


def labels_of(variant: int) -> Any:
    return LABELS + np.uint32(variant) * (LABELS > 0)


def objects(kind: str) -> Any:
    def write(folder: Path, variant: int) -> None:
        source = label_source(labels_of(variant), image="a", calibration=Calibration.of("yx"))
        drain(iter_write_objects(folder / f"a.{SUFFIX[kind]}", source, object_format("", kind), "object"))

    return write


SUFFIX = {"geojson": "geojson", "coco": "json", "imagej": "zip"}


def table(suffix: str) -> Any:
    def write(folder: Path, variant: int) -> None:
        write_table(folder / f"a.{suffix}", {"a": [variant] * 50_000}, made_by={"run": variant, "more": ["x"] * 50_000})

    return write


def export(form: Any, name: str) -> Any:
    return lambda folder, variant: export_model(model(variant), folder / name, form)


def replaced(folder: Path, variant: int) -> None:
    write_labels_zarr(folder / "a.ome.zarr", labels_of(variant), Calibration.of("yx"))


DO: dict[str, Any] = {
    "train": train,
    "distill": distill,
    "segment": segment,
    "journal": journal,
    "fine-tune": tune,
    "corrections": corrections,
    "model file": lambda folder, variant: save_model(model(variant), folder / "a"),
    "tiff": lambda folder, variant: write_labels(folder / "a.tif", labels_of(variant)),
    "ome-tiff": lambda folder, variant: write_labels_ome_tiff(
        folder / "a.ome.tif", labels_of(variant), Calibration.of("yx")
    ),
    "ome-zarr": replaced,
    "csv": table("csv"),
    "parquet": table("parquet"),
    **{kind: objects(kind) for kind in SUFFIX},
    "onnx": export("onnx", "a.onnx"),
    "openvino": export("openvino", "a.xml"),
    "openvino zip": export("openvino", "a.zip"),
    "bioimageio": export("bioimageio", "a.zip"),
}


def main() -> None:
    torch.set_num_threads(1)  # threads do not survive a fork
    for line in sys.stdin:
        kind, folder, variant, seconds = json.loads(line)
        began, child = time.monotonic(), os.fork()
        if not child:
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), 1)  # the answers go there
            DO[kind](Path(folder), variant)
            os._exit(0)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, time.monotonic() - began]), flush=True)


if __name__ == "__main__":
    main()
