"""The command fine-tune."""

from pathlib import Path
from typing import Annotated

import typer

from napari_grd.cli.monitor import run
from napari_grd.cli.output import print_files, print_table
from napari_grd.cli.settings import Settings, takes_settings
from napari_grd.config import FineTuneConfig
from napari_grd.errors import CorrectionError, OutputError
from napari_grd.jobs import Event, StepMetrics, relay

_FINE_TUNE = {
    "--seconds": "seconds",
    "--steps": "steps",
    "--lr": "lr",
    "--mode": "mode",
    "--rehearsal-share": "rehearsal",
    "--diameter": "object_diameter",
    "--device": "device",
    "--threads": "threads",
    "--seed": "seed",
}


@takes_settings(FineTuneConfig(), _FINE_TUNE)
def fine_tune(
    settings: Settings[FineTuneConfig],
    model: Annotated[
        str,
        typer.Argument(
            help="A model file, the name of a built-in model, or auto: the built-in model that explains the corrections"
            " best. It is not changed."
        ),
    ],
    images: Annotated[list[Path], typer.Argument(help="The corrected images.")],
    corrections: Annotated[list[Path], typer.Option(help="Corrections of each image, in the same order; repeatable.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File of the tuned model.")],
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            help="Corrected labels of each image; repeatable."
            " \\[default: the image is segmented and the corrections applied]"
        ),
    ] = None,
    rehearsal: Annotated[
        Path | None,
        typer.Option(help="With --mode keep: folder of images of the model's own kind. \\[default: simulated nuclei]"),
    ] = None,
    others: Annotated[
        Path | None,
        typer.Option(help="Folder of more images like the corrected ones, without corrections, to rehearse."),
    ] = None,
    axes: Annotated[str | None, typer.Option(help="Axes of every image. \\[default: those of its corrections]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Fine-tune a model on corrected objects, in about a minute.

    Objects that are held out, in turns, decide how far to go; if nothing is gained, the model is saved as it is.
    """
    config = settings.build()
    for what, files in (("corrections", corrections), ("labels", labels)):
        if files is not None and len(files) != len(images):
            raise CorrectionError(
                f"There are {len(images)} images, but {len(files)} files of {what}.",
                f"Give --{what} once for each image.",
            )
    if out.exists() and not force:
        raise OutputError(f"{str(out)!r} exists already.", "Use --force to overwrite it, or choose another name.")

    import napari_grd.api as grd
    from napari_grd.io.folders import iter_read
    from napari_grd.io.images import read_image
    from napari_grd.io.label_image import read_label_image

    start = model if model == "auto" else grd.load_model(model)
    read = [read_image(path, axes=axes) for path in images]
    arrays = [image.pixels for image in read]
    told = None if axes is None else read[0].axes
    made = [grd.load_corrections(path) for path in corrections]
    segmented = None if labels is None else [read_label_image(path) for path in labels]
    own, more = (None if folder is None else run(iter_read(folder)).images for folder in (rehearsal, others))
    scores: dict[str, float] = {}

    def noted(event: Event) -> Event:
        if isinstance(event, StepMetrics) and event.kind == "held-out":
            scores.update(event.values)
        return event

    job = grd.iter_fine_tune(start, arrays, made, segmented, config, axes=told, rehearsal=own, others=more or ())
    after = run(relay(job, noted), resume="Nothing was saved; run the same command again.")
    path = grd.save_model(after, out)
    if scores:
        rows = [
            [name, f"{scores[f'held-out {name} before']:.3f}", f"{scores[f'held-out {name}']:.3f}"]
            for name in ("AP50", "IoU")
        ]
        count = round(scores["held-out objects"])
        print_table(f"On {count} corrected objects, each held out once", ["score", "before", "after"], rows)
    print_files([path])
