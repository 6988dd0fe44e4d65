import gc
import threading
import time
import weakref

import numpy as np
import pytest

from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.errors import ImageError
from napari_grd.inference import runtime
from napari_grd.live.session import FILLING, PREPARING, SEGMENTING, LiveSession, prepare
from napari_grd.live.viewport import Viewport
from napari_grd.models.model import Model, ModelConfig

from .conftest import ArraySource


class Listener:
    def __init__(self):
        self.updates, self.errors, self.busy = [], [], []
        self.news = threading.Condition()

    def update(self, update):
        with self.news:
            self.updates.append(update)
            self.news.notify_all()

    def error(self, error, generation):
        with self.news:
            self.errors.append((error, generation))
            self.news.notify_all()

    def until(self, condition, seconds=20):
        with self.news:
            assert self.news.wait_for(condition, seconds), "it did not happen"


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def session(listener, counting):
    made = LiveSession(on_update=listener.update, on_error=listener.error, on_busy=listener.busy.append)
    yield made
    made.close()
    assert made.wait(20)


def look(y=0, x=0, side=150, plane=()):
    return Viewport(plane, (y, x), (y + side - 1, x + side - 1))


def test_a_view_is_segmented_then_the_rest_is_filled_in(session, listener, nuclei, picture):
    session.set_source(ArraySource([picture[None]]))
    session.set_model(nuclei)
    session.look_at(look())
    listener.until(lambda: any(update.idle for update in listener.updates))
    first, *_, last = listener.updates
    assert not first.idle
    assert first.generation == session.generation
    assert first.labels.shape == picture.shape
    assert first.seconds > 0
    assert last.labels[300:, 500:].any()
    assert [what for what in listener.busy if what][:2] == [PREPARING, SEGMENTING]  # idle between them, if slow to look
    assert FILLING in listener.busy


def test_the_latest_request_wins(session, listener, nuclei, picture, counting, monkeypatch):
    entered, free = threading.Event(), threading.Event()
    answer = type(counting).__call__

    def slow(self, image, take):
        entered.set()
        free.wait(20)
        return answer(self, image, take)

    monkeypatch.setattr(type(counting), "__call__", slow)
    source = ArraySource([np.stack([picture] * 40)[None] + np.arange(40, dtype=np.uint16)[:, None, None]])
    session.set_source(source)
    session.set_model(nuclei)
    session.look_at(look(plane=(0,)))
    assert entered.wait(20)
    for plane in range(1, 40):
        session.look_at(look(plane=(plane,)))
    free.set()
    listener.until(lambda: any(update.view.plane == (39,) for update in listener.updates))
    assert [update.view.plane for update in listener.updates if not update.idle] == [(0,), (39,)]


def test_a_result_never_lands_on_another_image(session, listener, nuclei, picture, counting, monkeypatch):
    entered, free = threading.Event(), threading.Event()
    answer = type(counting).__call__

    def slow(self, image, take):
        entered.set()
        free.wait(20)
        return answer(self, image, take)

    monkeypatch.setattr(type(counting), "__call__", slow)
    one, other = ArraySource([picture[None]], "one"), ArraySource([picture[None, :256, :256]], "other")
    session.set_source(one)
    session.set_model(nuclei)
    session.look_at(look())
    assert entered.wait(20)
    session.set_source(other)
    session.look_at(look())
    free.set()
    listener.until(lambda: listener.updates)
    assert all(update.source is other for update in listener.updates)
    assert all(update.labels.shape == (256, 256) for update in listener.updates)


def test_the_partition_changes_without_the_network(session, listener, nuclei, picture, counting):
    session.set_source(ArraySource([picture[None]]))
    session.set_model(nuclei, SegmentConfig(partition=PartitionConfig()))
    session.look_at(look())
    listener.until(lambda: any(update.idle for update in listener.updates))
    calls, seen = len(counting.calls), len(listener.updates)
    session.set_partition(PartitionConfig(min_size=500))
    listener.until(lambda: len(listener.updates) > seen)
    assert listener.updates[seen].count < listener.updates[0].count
    assert len(counting.calls) == calls


def test_another_model_keeps_the_ids(session, listener, nuclei, picture):
    session.set_source(ArraySource([picture[None]]))
    session.set_model(nuclei)
    session.look_at(look())
    listener.until(lambda: listener.updates)
    before = listener.updates[0].labels.copy()
    generation = session.generation
    session.set_model(nuclei.with_card(name="a copy"))
    session.look_at(look())
    listener.until(lambda: any(update.generation > generation for update in listener.updates))
    np.testing.assert_array_equal(listener.updates[-1].labels[:120, :120], before[:120, :120])


def test_after_an_error_the_engine_goes_on(session, listener, nuclei, picture):
    session.set_source(ArraySource([np.stack([picture, picture])]))
    session.set_model(nuclei)
    session.look_at(look())
    listener.until(lambda: listener.errors)
    error, generation = listener.errors[0]
    assert isinstance(error, ImageError)
    assert generation == session.generation
    session.set_source(ArraySource([picture[None]]))
    session.look_at(look())
    listener.until(lambda: listener.updates)


def test_closing_ends_the_thread_and_lets_go_of_the_image(listener, nuclei, picture, counting):
    session = LiveSession(on_update=listener.update, on_error=listener.error)
    source = ArraySource([picture[None]])
    gone = weakref.ref(source)
    session.set_source(source)
    session.set_model(nuclei)
    session.look_at(look())
    listener.until(lambda: listener.updates)
    session.close()
    assert session.wait(20)
    session.look_at(look())  # is ignored
    listener.updates.clear()
    del source
    gc.collect()
    assert gone() is None
    assert not [thread for thread in threading.enumerate() if thread.name == "grd-live"]


def test_without_a_source_the_image_is_let_go(session, listener, nuclei, picture):
    source = ArraySource([picture[None]])
    gone = weakref.ref(source)
    session.set_source(source)
    session.set_model(nuclei)
    session.look_at(look())
    listener.until(lambda: listener.updates)
    session.set_source(None)
    listener.updates.clear()
    del source
    deadline = time.monotonic() + 20
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert gone() is None


def test_scrolling_prepares_the_next_plane(session, listener, nuclei, picture, counting):
    session.set_source(ArraySource([np.stack([picture] * 4)[None] * np.arange(1, 5, dtype=np.uint16)[:, None, None]]))
    session.set_model(nuclei)
    for plane in (0, 1):
        session.look_at(look(plane=(plane,)))
        listener.until(lambda at=plane: any(update.view.plane == (at,) for update in listener.updates))
    listener.until(lambda: any(update.idle for update in listener.updates))
    calls = len(counting.calls)
    session.look_at(look(plane=(2,)))
    listener.until(lambda: any(update.view.plane == (2,) for update in listener.updates))
    assert len(counting.calls) == calls


def test_live_finds_the_network_prepared_that_was_prepared_when_the_model_was_loaded(listener, picture, monkeypatch):
    model = Model.create(ModelConfig(network={"widths": (2, 2, 2, 2, 2)}))
    compiled = []
    compile_network = runtime._prepare
    monkeypatch.setattr(runtime, "_prepare", lambda *args: compiled.append(args) or compile_network(*args))
    prepare(model)
    assert len(compiled) == 1
    session = LiveSession(on_update=listener.update, on_error=listener.error, on_busy=listener.busy.append)
    session.set_source(ArraySource([picture[None]]))
    session.set_model(model)
    session.look_at(look())
    listener.until(lambda: listener.updates)
    session.close()
    assert session.wait(20)
    assert len(compiled) == 1
