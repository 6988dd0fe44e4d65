"""One thing a turn of the event loop."""

from typing import Any

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_grd._napari.deferred import DeferredCalls


@pytest.fixture
def parent(qtbot: Any) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def deferred(parent: QWidget) -> DeferredCalls:
    return DeferredCalls(parent)


def test_things_are_done_in_order_with_other_events_between(deferred: DeferredCalls, qtbot: Any) -> None:
    done: list[str] = []
    other = QTimer()
    other.setInterval(5)
    other.timeout.connect(lambda: done.append("."))
    other.start()
    for name in "abc":
        deferred.add(lambda name=name: done.append(name))
    assert done == []
    qtbot.waitUntil(lambda: "c" in done)
    other.stop()
    assert [name for name in done if name != "."] == ["a", "b", "c"]
    assert "a.." in "".join(done)
    assert "b.." in "".join(done)


def test_something_that_adds_to_the_queue(deferred: DeferredCalls, qtbot: Any) -> None:
    done: list[str] = []
    deferred.add(lambda: deferred.add(lambda: done.append("later")))
    qtbot.waitUntil(lambda: done == ["later"])


def test_what_was_cleared_is_not_done(deferred: DeferredCalls, qtbot: Any) -> None:
    done: list[str] = []
    deferred.add(lambda: done.append("never"))
    deferred.clear()
    deferred.add(lambda: done.append("again"))
    qtbot.waitUntil(lambda: bool(done))
    assert done == ["again"]
