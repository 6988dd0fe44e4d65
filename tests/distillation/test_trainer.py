"""The loop: it learns, validates, stops, and goes on where it was, bit for bit."""

import runpy
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_grd.config import DistillConfig
from napari_grd.distillation.checkpoint import load_checkpoint
from napari_grd.distillation.recipes import iter_train
from napari_grd.distillation.stages import CHECKPOINT
from napari_grd.errors import Cancelled, ConfigError, OutputError
from napari_grd.jobs import FileSaved, PreviewImages, Progress, StepMetrics, drain

Make = Callable[..., DistillConfig]


def weights(model: Any) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = model.network.state_dict()
    return state


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different


def test_training_lowers_the_loss_and_reports(nuclei: Any, small: Make, tmp_path: Path) -> None:
    events: list[Any] = []
    config = small(steps=60, validate_every=30)
    model = drain(iter_train(*nuclei, config, out_dir=tmp_path), events.append)
    losses = [e.values["loss"] for e in events if isinstance(e, StepMetrics) and e.kind == "train"]
    assert len(losses) == 6
    assert losses[-1] < 0.8 * losses[0]
    steps = [e for e in events if isinstance(e, Progress) and e.stage == "Training"]
    assert [e.done for e in steps] == list(range(1, 61))
    assert steps[-1].seconds_left == 0
    validations = [e for e in events if isinstance(e, StepMetrics) and e.kind == "validation"]
    assert [e.step for e in validations] == [30, 60]
    assert sum(isinstance(e, PreviewImages) for e in events) == 2
    assert model.card.scores.keys() >= {"ap50", "aji", "sbd", "pq"}
    assert not model.network.training
    saved = [e.path.name for e in events if isinstance(e, FileSaved) and e.kind == "model"]
    assert saved == ["teacher.grd.safetensors"]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_closed_job_resumes_bit_for_bit(nuclei: Any, small: Make, tmp_path: Path, optimizer: str) -> None:
    config = small(steps=8, validate_every=4, **{"optim.name": optimizer})
    whole = drain(iter_train(*nuclei, config, out_dir=tmp_path / "whole"))
    for stop_at in (1, 4, 7):  # 4: between the step and its validation
        folder = tmp_path / str(stop_at)
        job = iter_train(*nuclei, config, out_dir=folder)
        for event in job:
            if isinstance(event, Progress) and event.stage == "Training" and event.done == stop_at:
                break
        job.close()
        assert load_checkpoint(folder / CHECKPOINT)["state"]["step"] == stop_at
        assert_same(weights(drain(iter_train(*nuclei, config, out_dir=folder))), weights(whole))


def test_cancelled_names_the_checkpoint(nuclei: Any, small: Make, tmp_path: Path) -> None:
    with pytest.raises(Cancelled, match="Resume") as caught:
        drain(iter_train(*nuclei, small(), out_dir=tmp_path), cancelled=lambda: True)
    assert caught.value.checkpoint == tmp_path / CHECKPOINT
    assert caught.value.checkpoint.exists()


JOB = """
    import sys
    import time

    import numpy as np

    from napari_grd.config import DistillConfig, NetworkConfig
    from napari_grd.data.simulate import nuclei_2d
    from napari_grd.distillation.recipes import iter_distill, iter_train
    from napari_grd.jobs import Progress, drain
    from napari_grd.teaching.embedding import EmbeddingTeacher

    def distill(out_dir, on_event):
        pairs = [nuclei_2d(np.random.default_rng(seed), (96, 96)) for seed in range(5)]
        images, labels = [p[0] for p in pairs], [p[1] for p in pairs]
        config = DistillConfig(network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8), steps=12, batch=2, patch=48,
                               validate_every=5, device="cpu", checkpoint_every=1e-6)
        teacher = drain(iter_train(images, labels, config.replace(steps=2)))
        drain(iter_distill(EmbeddingTeacher(teacher), images, labels, config, out_dir=out_dir), on_event)

    if __name__ == "__main__":
        import torch

        torch.set_num_threads(1)

        def wait(event):
            if isinstance(event, Progress) and event.stage == "Distilling" and event.done == int(sys.argv[2]):
                print("now", flush=True)
                time.sleep(60)

        distill(sys.argv[1], wait)
"""


def test_kill_9_resumes_bit_for_bit(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(textwrap.dedent(JOB))
    kill_at = int(np.random.default_rng().integers(1, 12))
    command = [sys.executable, str(script), str(tmp_path / "killed"), str(kill_at)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGKILL)

    # Resumed in another process: this one.
    distill = runpy.run_path(str(script))["distill"]
    events: list[Any] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        distill(tmp_path / "killed", events.append)
        distill(tmp_path / "whole", lambda event: None)
    finally:
        torch.set_num_threads(threads)
    done = [event.done for event in events if isinstance(event, Progress) and event.stage == "Distilling"]
    assert done[0] >= kill_at  # it went on, and did not start anew
    whole, killed = (load_checkpoint(tmp_path / name / CHECKPOINT) for name in ("whole", "killed"))
    for part in ("network", "ema", "objective"):
        assert_same(whole[part], killed[part])
    models = [(tmp_path / name / "student.grd.safetensors").exists() for name in ("whole", "killed")]
    assert models == [True, True]


def test_early_stopping_keeps_the_best(nuclei: Any, small: Make) -> None:
    events: list[Any] = []
    # Nothing is learnt at this rate, so no validation beats the first.
    config = small(steps=50, validate_every=2, patience=2, **{"optim.lr": 1e-12, "optim.ema": 0.0})
    drain(iter_train(*nuclei, config), events.append)
    assert max(e.done for e in events if isinstance(e, Progress) and e.stage == "Training") == 6


def test_another_recipe_in_the_same_folder_is_refused(nuclei: Any, small: Make, tmp_path: Path) -> None:
    drain(iter_train(*nuclei, small(steps=1), out_dir=tmp_path))
    with pytest.raises(ConfigError, match="other settings or data"):
        drain(iter_train(*nuclei, small(steps=2), out_dir=tmp_path))


def test_an_exploding_loss_names_the_rate(nuclei: Any, small: Make) -> None:
    images = [image.astype(np.float32) for image in nuclei[0]]
    config = small(steps=10, **{"optim.lr": 1e30, "optim.clip": 1e30})
    with pytest.raises(ConfigError, match=r"optim\.lr \(now 1e\+30\)"):
        drain(iter_train(images, nuclei[1], config))


def test_a_folder_that_is_a_file_is_reported_before_training(nuclei: Any, small: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    events: list[Any] = []
    with pytest.raises(OutputError, match="file"):
        drain(iter_train(*nuclei, small(), out_dir=tmp_path / "file"), events.append)
    assert not [e for e in events if isinstance(e, Progress)]


def test_the_callers_random_state_is_left_alone(nuclei: Any, small: Make) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    drain(iter_train(*nuclei, small(steps=1)))
    assert torch.equal(before, torch.get_rng_state())


def test_a_folder_is_trained_in_by_one_at_a_time(nuclei: Any, small: Make, tmp_path: Path) -> None:
    job = iter_train(*nuclei, small(), out_dir=tmp_path)
    for event in job:
        if isinstance(event, Progress) and event.stage == "Training":
            break
    with pytest.raises(OutputError, match=r"is open in another window or program.*another folder"):
        drain(iter_train(*nuclei, small(), out_dir=tmp_path))
    job.close()
    drain(iter_train(*nuclei, small(), out_dir=tmp_path))
    assert not (tmp_path / "training.lock").exists()
