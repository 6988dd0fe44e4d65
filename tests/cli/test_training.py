"""The commands that train: what they write, and how they stop and go on."""

import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_grd.data.simulate import nuclei_2d, nuclei_3d
from napari_grd.data.stored_image import StoredImage
from napari_grd.distillation.checkpoint import load_checkpoint
from napari_grd.hub import builtin_paths, load_model
from napari_grd.io.model_file import read_card, save_model

SMALL = ("--patch", "32", "--batch", "1", "--set", "validate_every=100000")
STEPS = 100
PROGRAM = (sys.executable, "-c", "from napari_grd.cli.app import main; main()")


def test_train_writes_a_model_with_its_settings(call, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    done = call("train", dataset, "--out", out, "--steps", 2, "--widths", "4,4,4,4,8", "--lr", "1e-3", *SMALL)
    assert done.code == 0, done.err
    config, card = read_card(out / "teacher.grd.safetensors")
    assert config.network.widths == (4, 4, 4, 4, 8)
    assert card.recipe["optim"]["lr"] == 1e-3
    assert "AP50" in done.out


def test_volumes_are_trained_on_and_compared_as_volumes(call, tmp_path: Path) -> None:
    for number in range(2):
        image, labels = nuclei_3d(np.random.default_rng(number), (18, 40, 40))
        for folder, array in (("images", image), ("labels", labels)):
            path = tmp_path / "volumes" / folder / f"{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            spacing = {"axes": "ZYX", "spacing": 1.0, "unit": "um"}
            tifffile.imwrite(path, array, imagej=True, resolution=(2, 2), metadata=spacing)
    small = ("--network", "resunet3d", "--widths", "2,2,2,2,2", "--patch", 32, "--patch-depth", 16, "--batch", 1)
    out = tmp_path / "out"
    done = call("train", tmp_path / "volumes", "--out", out, "--steps", 1, "--background", "ignore", *small)
    assert done.code == 0, done.err
    assert "ARAND" in done.out
    config, card = read_card(out / "teacher.grd.safetensors")
    assert (config.ndim, config.anisotropy, card.recipe["anisotropy"]) == (3, 2.0, 2.0)
    done = call("distill", tmp_path / "volumes", "--out", out, *small)
    assert "Set assistant.network" in done.err
    teacher = ("--teacher", out / "teacher.grd.safetensors", "--no-baseline")
    done = call("distill", tmp_path / "volumes", "--out", out, "--steps", 1, "--background", "ignore", *teacher, *small)
    assert done.code == 0, done.err
    assert "VOI split" in (out / "table.md").read_text()


def test_the_pixel_size_of_the_images_is_kept_by_the_model(call, dataset: Path, tmp_path: Path) -> None:
    for path in (dataset / "images").glob("*.tif"):
        pixels = tifffile.imread(path)
        tifffile.imwrite(path, pixels, imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    assert call("train", dataset, "--out", tmp_path, "--steps", 1, "--widths", "4,4,4,4,8", *SMALL).code == 0
    assert read_card(tmp_path / "teacher.grd.safetensors")[0].pixel_size == 0.25


def test_distill_compares_teacher_student_and_baseline(call, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call(
        "distill", dataset, "--out", out, "--steps", 2, "--teacher-steps", 2, "--teacher-widths", "4,8,8,8,8", *SMALL
    )
    assert done.code == 0, done.err
    for name in ("teacher/teacher", "student/student", "baseline/baseline"):
        assert (out / f"{name}.grd.safetensors").is_file()
    assert read_card(out / "student" / "student.grd.safetensors")[1].teacher == "teacher"
    lines = (out / "table.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines[:5]] == ["model", "---", "teacher", "undistilled", "distilled"]
    assert (out / "figure.png").stat().st_size > 10_000


def test_distill_takes_a_teacher_and_leaves_the_baseline_out(call, dataset, model_file, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("distill", dataset, "--teacher", model_file, "--no-baseline", "--out", out, "--steps", 1, *SMALL)
    assert done.code == 0, done.err
    assert not (out / "teacher").exists()
    assert not (out / "baseline").exists()
    assert "undistilled" not in (out / "table.csv").read_text()


def test_images_smaller_than_a_patch_are_trained_on(call, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("distill", dataset, "--teacher", "nuclei", "--no-baseline", "--out", out, "--steps", 1, "--batch", 1)
    assert done.code == 0, done.err
    assert "The patch size is 64 pixels instead of 128" in done.err
    assert read_card(out / "student" / "student.grd.safetensors")[1].recipe["patch"] == 64


def test_an_image_that_cannot_be_trained_on_is_named(call, dataset: Path, tmp_path: Path) -> None:
    for verb in ("train", "distill"):
        done = call(verb, dataset, "--patch", 96, "--out", tmp_path / "out")
        assert done.code == 2
        assert "Error: '1': its sides are (64, 64) pixels, but a patch has 96." in done.err


@pytest.mark.parametrize("verb", ["train", "distill"])
def test_a_large_image_is_not_read_as_a_whole(call, verb: str, tmp_path: Path, monkeypatch) -> None:
    for module in ("io.folders", "io.label_image", "distillation.prepare"):
        monkeypatch.setattr(f"napari_grd.{module}.IN_MEMORY", 100)
    read, parts = StoredImage.__getitem__, []
    monkeypatch.setattr(StoredImage, "__getitem__", lambda image, box: parts.append(box) or read(image, box))
    image, labels = nuclei_2d(np.random.default_rng(0), (200, 160))
    scales = {"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}
    for part, array in (("images", image), *([("labels", labels.astype(np.uint16))] if verb == "train" else [])):
        group = zarr.open_group(tmp_path / "data" / part / "a.zarr", mode="w", zarr_format=3)
        group.create_array("0", data=array, chunks=(64, 64))
        group.attrs["ome"] = {"version": "0.5", "multiscales": [scales]}
    teacher = ("--teacher", "nuclei", "--no-baseline") if verb == "distill" else ()
    done = call(verb, tmp_path / "data", "--out", tmp_path / "out", "--steps", 2, *teacher, *SMALL)
    assert done.code == 0, done.err
    assert len(parts) > 2
    if verb == "train":
        assert "1 held out" in done.out  # the last rows
        assert "AP50" in done.out


def test_distill_needs_no_labels(call, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("distill", dataset / "images", "--teacher", "nuclei", "--out", out, "--steps", 1, *SMALL)
    assert done.code == 0, done.err
    assert "distilled" in (out / "table.md").read_text()
    assert "AP50" not in (out / "table.md").read_text()


def test_the_students_license_is_told(call, dataset: Path, tmp_path: Path) -> None:
    teacher = load_model(builtin_paths()["nuclei"]).with_card(restrictions="Non-commercial use only.")
    path, out = save_model(teacher, tmp_path / "bound"), tmp_path / "out"
    done = call("distill", dataset, "--teacher", path, "--no-baseline", "--out", out, "--steps", 1, *SMALL)
    assert done.code == 0, done.err
    assert "license restricts the distribution of the student" in done.out
    assert "Non-commercial use only." in done.out
    assert read_card(out / "student" / "student.grd.safetensors")[1].restrictions == "Non-commercial use only."


def test_distill_takes_several_teachers_without_an_assistant(call, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    teachers = ("--teacher", "ours=nuclei", "--teacher", f"drawn={dataset}", "--no-assistant", "--confidence", 0.2)
    done = call("distill", dataset / "images", *teachers, "--out", out, "--steps", 1, *SMALL)
    assert done.code == 0, done.err
    card = read_card(out / "student" / "student.grd.safetensors")[1]
    assert card.teacher == "ours + drawn"
    assert (card.recipe["assistant"]["use"], card.recipe["confidence"]) == (False, 0.2)
    assert not (out / "student" / "assistant").exists()


@pytest.mark.parametrize("given", [("nuclei", "b=nuclei"), ("a=nuclei", "a=nuclei"), ("=nuclei", "b=nuclei")])
def test_several_teachers_need_names(call, dataset: Path, given: tuple[str, str]) -> None:
    done = call("distill", dataset, "--teacher", given[0], "--teacher", given[1])
    assert done.code == 2
    assert "--teacher name=source" in done.err


def test_a_teacher_is_not_trained_without_labels(call, dataset: Path, tmp_path: Path) -> None:
    for verb in ("train", "distill"):
        done = call(verb, dataset / "images", "--out", tmp_path / "out")
        assert done.code == 2
        assert "labels" in done.err


def test_without_images_the_remedy_is_named(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRD_DATA", raising=False)
    done = call("distill")
    assert done.code == 2
    assert "GRD_DATA" in done.err


def test_the_demo_says_in_words_what_it_showed(call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("demo", "--quick", "--out", out, "--steps", 1, "--patch", 32)
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "Simulated nuclei" in said
    assert "in empty" in said
    assert "With 2 labeled images and 3 unlabeled images the distilled student reaches" in said
    assert (out / "figure.png").stat().st_size > 10_000


def test_a_wrong_setting_is_one_line(call, dataset: Path) -> None:
    done = call("train", dataset, "--set", "optm.lr=1")
    assert done.code == 2
    assert "optm" in done.err


def test_ctrl_c_saves_and_the_same_command_goes_on(call, dataset: Path, tmp_path: Path) -> None:
    command, checkpoint = _long_training(dataset, tmp_path / "out")
    code, said = _stopped(command, checkpoint, signal.SIGINT)
    assert code == 130, said
    assert str(tmp_path / "out") in said
    assert "Run the same command again" in said
    assert 0 < _step(checkpoint) < STEPS
    assert not (tmp_path / "out" / "teacher.grd.safetensors").exists()
    assert call(*command[len(PROGRAM) :]).code == 0
    assert _step(checkpoint) == STEPS
    assert (tmp_path / "out" / "teacher.grd.safetensors").exists()


def test_a_termination_signal_saves(dataset: Path, tmp_path: Path) -> None:
    command, checkpoint = _long_training(dataset, tmp_path / "out")
    code, said = _stopped(command, checkpoint, signal.SIGTERM)
    assert code == 143, said
    assert 0 < _step(checkpoint) < STEPS


def _long_training(dataset: Path, out: Path) -> tuple[list[str], Path]:
    command = [*PROGRAM, "train", str(dataset), "--out", str(out), "--steps", str(STEPS), "--widths", "4,4,4,4,4"]
    return [*command, *SMALL, "--set", "checkpoint_every=0.5"], out / "checkpoint.safetensors"


def _stopped(command: list[str], checkpoint: Path, number: signal.Signals) -> tuple[int, str]:
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        _wait_for_a_step(checkpoint)
        process.send_signal(number)
        _, said = process.communicate(timeout=100)
    return process.returncode, said


def _wait_for_a_step(checkpoint: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if checkpoint.exists() and _step(checkpoint) > 0:
            return
        time.sleep(0.02)
    raise AssertionError("no checkpoint was written")


def _step(checkpoint: Path) -> int:
    step: int = load_checkpoint(checkpoint)["state"]["step"]
    return step


def test_a_zip_is_a_model_of_the_zoo(call, dataset: Path, tmp_path: Path) -> None:
    package = tmp_path / "model.zip"
    with zipfile.ZipFile(package, "w") as file:
        file.writestr("../evil", "")
    done = call("distill", dataset, "--out", tmp_path / "out", "--teacher", package)
    assert done.code == 2
    assert "'../evil'" in done.err
    assert "leads out of the archive" in " ".join(done.err.split())


def test_a_teacher_is_told_its_options(call, dataset: Path, tmp_path: Path) -> None:
    told = ("--teacher", "labels", "--teacher-option", f"folder={dataset}", "--no-assistant")
    done = call("distill", dataset / "images", *told, "--out", tmp_path / "out", "--steps", 1, *SMALL)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("teacher", "option", "message"),
    [
        ("labels", "folder", "--teacher-option name=value"),
        ("labels", "depth=3", "has no option 'depth'"),
        ("nuclei", "diameter=3", "is not the name of one teacher"),
    ],
)
def test_options_that_do_not_fit_are_named(call, dataset: Path, teacher: str, option: str, message: str) -> None:
    done = call("distill", dataset, "--teacher", teacher, "--teacher-option", option)
    assert done.code == 2
    assert message in done.err
