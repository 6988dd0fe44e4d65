import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from napari_grd.blockwise.turns import Turns


def test_one_kind_runs_alone_and_first_and_the_other_side_by_side():
    turns, both = Turns(), threading.Barrier(2, timeout=10)
    order = []

    def network():
        with turns.alone():
            order.append("network begins")
            time.sleep(0.05)
            order.append("network ends")

    def labels():
        with turns.beside():
            both.wait()  # or it fails
            order.append("labels")

    with ThreadPoolExecutor(4) as threads:
        with turns.alone():
            waiting = [threads.submit(work) for work in (labels, network, labels, network)]
            while turns._waiting < 2:
                time.sleep(0.001)
            order.append("first ends")
        for each in waiting:
            each.result()
    assert order == ["first ends", *["network begins", "network ends"] * 2, "labels", "labels"]


def test_an_error_ends_a_turn():
    turns = Turns()
    for kind in (turns.alone, turns.beside, turns.alone):
        with pytest.raises(ValueError, match="here"), kind():
            raise ValueError("here")
