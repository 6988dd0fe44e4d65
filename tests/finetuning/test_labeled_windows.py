"""Patches are drawn where something is known."""

import numpy as np

from napari_grd.data.augment import NO_AUGMENTATION
from napari_grd.data.dataset import PatchSampler
from napari_grd.finetuning.labeled_windows import labeled_windows


def test_every_patch_shows_something_known() -> None:
    labels = np.full((400, 500), -1)
    labels[5:25, 480:500] = 4
    labels[200:280, 100:240] = 9
    labels[390:394, 10:14] = 0  # erased, far from any object
    windows = labeled_windows("an image", np.zeros((1, 400, 500), np.float32), labels, 64)
    assert len(windows) == 3
    for window in windows:
        for seed in range(20):
            sampler = PatchSampler([window], batch=1, patch=64, augment=NO_AUGMENTATION, seed=seed)
            assert (sampler.batch(0).labels >= 0).any()


def test_windows_share_the_image() -> None:
    image, labels = np.zeros((2, 90, 90), np.float32), np.full((90, 90), -1)
    labels[40:50, 40:50] = 1
    (window,) = labeled_windows("", image, labels, 32)
    assert np.shares_memory(window.image, image)
    assert window.image.shape == (2, 48, 48)
    assert window.labels.shape == (48, 48)


def test_nothing_known_gives_no_window() -> None:
    assert labeled_windows("", np.zeros((1, 9, 9), np.float32), np.full((9, 9), -1), 32) == []
