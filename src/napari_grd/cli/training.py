"""The commands that train: demo, train, distill."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_grd.cli.folders import data_folder, known_group
from napari_grd.cli.monitor import run
from napari_grd.cli.output import print_files, print_note, print_table, print_text
from napari_grd.cli.settings import Settings, takes_settings
from napari_grd.cli.teacher import load_named
from napari_grd.cli.training_images import iter_fit, iter_training_images
from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.demo.recipe import demo_config

if TYPE_CHECKING:
    from napari_grd.demo.run import Experiment

_TRAIN = {
    "--network": "network.name",
    "--widths": "network.widths",
    "--steps": "steps",
    "--minutes": "minutes",
    "--batch": "batch",
    "--patch": "patch",
    "--patch-depth": "patch_depth",
    "--anisotropy": "anisotropy",
    "--widen-borders": "widen_borders",
    "--lr": "optim.lr",
    "--background": "background",
    "--min-size": "min_size",
    "--patience": "patience",
    "--seed": "seed",
    "--device": "device",
    "--devices": "devices",
    "--precision": "precision",
    "--workers": "workers",
}
_DISTILL = _TRAIN | {
    "--teacher-network": "assistant.network.name",
    "--teacher-widths": "assistant.network.widths",
    "--teacher-steps": "assistant.steps",
    "--assistant": "assistant.use",
    "--confidence": "confidence",
    "--online": "online",
}

Images = Annotated[
    Path | None,
    typer.Argument(
        help="Folder with the subfolders images and labels, or with images; or one OME-Zarr. Of large images only"
        " patches are read. Optional if GRD_DATA is set."
    ),
]
Dataset = Annotated[str | None, typer.Option(help="Name of a data set in the folder that GRD_DATA names.")]
Axes = Annotated[
    str | None, typer.Option(help="Axes of every image: letters of tczyx, e.g. tyx. \\[default: from the files]")
]
HoldOut = Annotated[float, typer.Option(help="Fraction of the labeled images to hold out.")]
Group = Annotated[
    str | None,
    typer.Option(
        help="Regular expression whose group captures the well or patient in a file name: images that share it"
        " are held out together. \\[default: known for the data set, else each image alone]"
    ),
]


@takes_settings(demo_config(), _TRAIN)
def demo(
    settings: Settings[DistillConfig],
    out: Annotated[Path, typer.Option(help="Folder for models, table and figure.")] = Path("grd-demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Only test that everything runs: seconds, poor scores.")
    ] = False,
) -> None:
    """Demonstrate the gain by distillation in minutes, on simulated nuclei: no data, internet or GPU needed.

    Distills the built-in teacher into a small student with a few labeled and many unlabeled images, trains the same
    network on the labels alone, and compares all three on held-out images.
    """
    from napari_grd.demo.demo import iter_demo

    config = settings.build(demo_config(quick=quick))
    experiment = run(iter_demo(out, config, quick=quick), resume=_resume(out))
    _report(experiment, "Simulated nuclei")


@takes_settings(TrainConfig(), _TRAIN)
def train(
    settings: Settings[TrainConfig],
    images: Images = None,
    dataset: Dataset = None,
    out: Annotated[Path, typer.Option(help="Folder for the model and its checkpoint.")] = Path("grd-train"),
    axes: Axes = None,
    hold_out: HoldOut = 0.2,
    group: Group = None,
) -> None:
    """Train a network on labeled images, e.g. as a teacher."""
    from napari_grd.distillation.prepare import ndim_of

    config = settings.build()
    source = data_folder(images, dataset)
    ndim = ndim_of(config)
    data = run(iter_training_images(source, axes, hold_out, group or known_group(source), ndim=ndim, labeled=True))
    training, config = run(iter_fit(data.training, config, patch_given=settings.has("patch")))
    held = data.held

    import napari_grd.api as grd
    from napari_grd.io.atomic import make_folder

    job = grd.iter_train(
        training.named,
        training.labels,
        config,
        axes=training.axes,
        validation=(held.named, held.labels),
        out_dir=make_folder(out),
    )
    model = run(job, resume=_resume(out))
    dense = model.config.ndim == 3 and not model.config.foreground
    names = {"voi_split": "VOI split", "voi_merge": "VOI merge", "arand": "ARAND"}
    names = names if dense else {key: key.upper() for key in ("sbd", "aji", "ap50", "pq")}
    scores = [[shown, f"{model.card.scores[key]:.3f}"] for key, shown in names.items()]
    print_table(f"{model.card.summary}; {len(held.images)} held out", ["score", "held out"], scores)
    print_files([out / "teacher.grd.safetensors"])


@takes_settings(DistillConfig(), _DISTILL)
def distill(
    settings: Settings[DistillConfig],
    images: Images = None,
    dataset: Dataset = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Model file, built-in model, name of a teacher, model of the zoo (zip), or folder of labels."
            " Several: --teacher nuclei=a --teacher cells=b; the most certain teacher is used for each image."
            " Default: a teacher is trained first."
        ),
    ] = None,
    teacher_option: Annotated[
        list[str] | None,
        typer.Option(help="Option of the teacher, name=value; repeatable. 'napari-grd teachers NAME' lists them."),
    ] = None,
    baseline: Annotated[bool, typer.Option(help="Also train a student without the teacher, for comparison.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for models, table and figure.")] = Path("grd-distill"),
    axes: Axes = None,
    hold_out: HoldOut = 0.2,
    group: Group = None,
) -> None:
    """Distill a small student from a teacher, on a folder of images.

    Images without labels are used too: for these the student learns from the teacher's instances.
    """
    from napari_grd.distillation.prepare import ndim_of

    config = settings.build()
    source = data_folder(images, dataset)
    data = run(iter_training_images(source, axes, hold_out, group or known_group(source), ndim=ndim_of(config)))
    training, config = run(iter_fit(data.training, config, patch_given=settings.has("patch")))
    held = data.held

    from napari_grd.demo.run import ExperimentImages, iter_experiment

    loaded = load_named(teacher, teacher_option or ()) if teacher else None
    experiment_images = ExperimentImages(
        training.images,
        training.labels,
        held.images,
        held.labels if data.any_labels else None,
        axes=training.axes,
        names=training.names,
        test_names=held.names,
    )
    experiment = run(
        iter_experiment(experiment_images, config, out, teacher=loaded, baseline=baseline), resume=_resume(out)
    )
    _report(experiment, source.name)


def _report(experiment: "Experiment", title: str) -> None:
    from napari_grd.demo.compare import STUDENT, caption, table

    print_table(title, *table(experiment.comparison), caption=caption(experiment.comparison))
    if experiment.conclusion:
        print_text(experiment.conclusion)
    print_files(experiment.files)
    if restrictions := experiment.models[STUDENT].card.restrictions:
        print_note(f"The teacher's license restricts the distribution of the student. {restrictions}")


def _resume(out: Path) -> str:
    return f"Run the same command again to continue from {str(out)!r}."
