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


@pytest.mark.parametrize(("settings", "threads"), [(0, 3), (2, 2)])
def test_the_network_has_the_threads_of_its_worker_unless_the_settings_say_others(settings, threads):
    # On a computer with several workers, all processors for each of them would be too many.
    distributed: Any = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=3, processes=False, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        assert client.submit(lambda: _work(settings)._task.config.threads).result() == threads


def test_the_network_has_all_processors_without_a_worker():
    assert _work(0)._task.config.threads == 0
    assert _work(0)._task.model.embedding_channels == 9


def _work(threads):
    source = cast(Any, ArraySource(np.zeros((64, 64)), "yx", ndim=2, in_channels=1))
    return BlockWork(as_model("nuclei"), source, ImageView(CONFIG.replace(threads=threads), 1.0), GRID, cast(Any, None))


def test_a_worker_that_has_begun_can_send_it_to_others():
    work = _work(0)
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
