import pickle
from typing import Any, cast

import numpy as np
import pytest

from napari_grd.blockwise.block_work import BlockWork, predicts_at_once
from napari_grd.blockwise.grid import block_grid
from napari_grd.config import SegmentConfig
from napari_grd.hub import as_model
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.view import ImageView

GRID = block_grid((), (64, 64), (64, 64), halo=(80, 80), stride=(16, 16))
CONFIG = SegmentConfig(runtime="torch", object_diameter=None, invert=False)


@pytest.mark.parametrize(("settings", "worker", "threads"), [(0, 0, 0), (0, 1, 1), (3, 1, 3)])
def test_the_network_has_the_threads_of_its_worker_unless_the_settings_say_more(settings, worker, threads):
    view = ImageView(CONFIG.replace(threads=settings), 1.0)
    source = cast(Any, ArraySource(np.zeros((64, 64)), "yx", ndim=2, in_channels=1))
    work = BlockWork(as_model("nuclei"), source, view, GRID, cast(Any, None), threads=worker)
    assert work._task.config.threads == threads
    assert work._task.model.embedding_channels == 9


def test_a_worker_that_has_begun_can_send_it_to_others():
    source = cast(Any, ArraySource(np.zeros((64, 64)), "yx", ndim=2, in_channels=1))
    work = BlockWork(as_model("nuclei"), source, ImageView(CONFIG, 1.0), GRID, cast(Any, None))
    assert work._task.runtime
    assert work.statistics
    sent = pickle.loads(pickle.dumps(work))
    assert not {"_task", "statistics"} & vars(sent).keys()
    assert sent.view == work.view


def test_only_openvino_with_large_tiles_sees_a_block_at_once():
    model = as_model("nuclei")
    assert not predicts_at_once(model, GRID, CONFIG)
    pytest.importorskip("openvino")
    config = CONFIG.replace(runtime="openvino", device="cpu")
    assert predicts_at_once(model, GRID, config)
    assert not predicts_at_once(model, GRID, config.replace(tile=512))
