"""The commands that learn from corrections: fine-tune, teach."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from napari_grd.cli.monitor import run
from napari_grd.cli.output import print_files, print_table
from napari_grd.cli.settings import Settings, takes_settings
from napari_grd.config import FineTuneConfig, TeachConfig
from napari_grd.errors import CorrectionError, OutputError
from napari_grd.jobs import Event, StepMetrics, relay

_FINE_TUNE = {
    "--seconds": "seconds",
    "--steps": "steps",
    "--lr": "lr",
    "--mode": "mode",
    "--train": "train",
    "--rehearsal-share": "rehearsal",
    "--diameter": "object_diameter",
    "--device": "device",
    "--threads": "threads",
    "--seed": "seed",
}
_TEACH = {
    "--seconds": "fine_tune.seconds",
    "--train": "fine_tune.train",
    "--diameter": "fine_tune.object_diameter",
    "--minutes": "distill.minutes",
    "--network": "distill.network.name",
    "--widths": "distill.network.widths",
    "--batch": "distill.batch",
    "--patch": "distill.patch",
}
_FILES = "teacher.grd.safetensors", "student.grd.safetensors"

Images = Annotated[list[Path], typer.Argument(help="The corrected images.")]
Made = Annotated[list[Path], typer.Option(help="Corrections of each image, in the same order; repeatable.")]
Labels = Annotated[
    list[Path] | None,
    typer.Option(
        help="Corrected labels of each image; repeatable."
        " \\[default: the image is segmented and the corrections applied]"
    ),
]
Axes = Annotated[str | None, typer.Option(help="Axes of every image. \\[default: those of its corrections]")]


@takes_settings(FineTuneConfig(), _FINE_TUNE)
def fine_tune(
    settings: Settings[FineTuneConfig],
    model: Annotated[
        str,
        typer.Argument(
            help="A model file, the name of a built-in model, or auto: the built-in model cells, or another one that"
            " suits the corrections clearly better. It is not changed."
        ),
    ],
    images: Images,
    corrections: Made,
    out: Annotated[Path, typer.Option("--out", "-o", help="File of the tuned model.")],
    labels: Labels = None,
    rehearsal: Annotated[
        Path | None,
        typer.Option(help="With --mode keep: folder of images of the model's own kind. \\[default: simulated nuclei]"),
    ] = None,
    others: Annotated[
        Path | None,
        typer.Option(help="Folder of more images like the corrected ones, without corrections, to rehearse."),
    ] = None,
    axes: Axes = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Fine-tune a model on corrected objects, in about a minute.

    Objects that are held out, in turns, decide how far to go; if nothing is gained, the model, or with auto the
    best built-in one, is saved as it is.
    Ctrl-C saves the best model so far.
    """
    config = settings.build()
    _check_counts(images, corrections, labels)
    _check_free([out], force)

    import napari_grd.api as grd
    from napari_grd.io.folders import iter_read

    start = model if model == "auto" else grd.load_model(model)
    read = _Corrected(images, corrections, labels, axes)
    own, more = (None if folder is None else run(iter_read(folder)).images for folder in (rehearsal, others))
    scores: dict[str, float] = {}

    def noted(event: Event) -> Event:
        if isinstance(event, StepMetrics) and event.kind == "held-out":
            scores.update(event.values)
        return event

    stop = threading.Event()
    job = grd.iter_fine_tune(
        start,
        read.images,
        read.corrections,
        read.labels,
        config,
        axes=read.axes,
        rehearsal=own,
        others=more or (),
        finish=stop.is_set,
    )
    after = run(relay(job, noted), finish=stop)
    path = grd.save_model(after, out)
    _report(scores)
    print_files([path])


@takes_settings(TeachConfig(), _TEACH)
def teach(
    settings: Settings[TeachConfig],
    teacher: Annotated[
        str,
        typer.Argument(help="A model file, or the name of a built-in model like nuclei-teacher. It is not changed."),
    ],
    images: Images,
    corrections: Made,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the tuned teacher and the student.")],
    labels: Labels = None,
    others: Annotated[
        Path | None,
        typer.Option(help="Folder of more images like the corrected ones, without corrections, to distill on."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Model whose network and weights the student begins with. \\[default: random weights]"),
    ] = None,
    axes: Axes = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Teach a teacher by corrections, then distill a student from it on all images, without labels.

    Objects that are held out, in turns, decide how far the teacher goes. If it learns nothing, no student is distilled.
    If the distillation is interrupted, the same command goes on with it.
    """
    config = settings.build(TeachConfig())
    _check_counts(images, corrections, labels)

    import napari_grd.api as grd
    from napari_grd.corrections.teach_folder import discard_begun, is_begun
    from napari_grd.io.folders import iter_read

    _check_free([out / name for name in _FILES], force or is_begun(out))
    if force:
        discard_begun(out)

    read = _Corrected(images, corrections, labels, axes)
    more = [] if others is None else run(iter_read(others)).images
    job = grd.iter_teach(
        teacher,
        read.images,
        read.corrections,
        read.labels,
        config,
        axes=read.axes,
        others=more,
        start=start,
        out_dir=out,
    )
    taught = run(job, resume=f"Run the same command again: if {out / _FILES[0]} was written, it continues from there.")
    if taught.held_out is not None:
        _report(taught.held_out.on_card())
    if taught.student is not None:
        print_files([out / name for name in _FILES])


class _Corrected:
    """Images with their corrections, read from files."""

    def __init__(
        self, images: list[Path], corrections: list[Path], labels: list[Path] | None, axes: str | None
    ) -> None:
        from napari_grd.corrections.loading import load_corrections
        from napari_grd.io.images import read_image
        from napari_grd.io.label_image import read_label_image

        read = [read_image(path, axes=axes) for path in images]
        self.images = [image.pixels for image in read]
        self.axes = None if axes is None else read[0].axes
        self.corrections = [load_corrections(path) for path in corrections]
        self.labels = None if labels is None else [read_label_image(path) for path in labels]


def _check_counts(images: list[Path], corrections: list[Path], labels: list[Path] | None) -> None:
    for what, files in (("corrections", corrections), ("labels", labels)):
        if files is not None and len(files) != len(images):
            raise CorrectionError(
                f"There are {len(images)} images, but {len(files)} files of {what}.",
                f"Give --{what} once for each image.",
            )


def _check_free(files: list[Path], force: bool) -> None:
    for path in files:
        if path.exists() and not force:
            raise OutputError(f"{str(path)!r} exists already.", "Use --force to overwrite it, or choose another name.")


def _report(scores: Mapping[str, float]) -> None:
    if not scores:
        return
    rows = [
        [name, f"{scores[f'held-out {name} before']:.3f}", f"{scores[f'held-out {name}']:.3f}"]
        for name in ("AP50", "IoU")
    ]
    count = round(scores["held-out objects"])
    print_table(f"On {count} corrected objects, each held out once", ["score", "before", "after"], rows)
