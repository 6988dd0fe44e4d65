"""What the widgets of a viewer share."""

import subprocess
import sys
from typing import Any

import pytest

from napari_grd._napari.state import state_of
from napari_grd.errors import ConfigError
from napari_grd.hub import builtin_paths
from napari_grd.models.model import Model, ModelCard, ModelConfig


def test_each_viewer_has_one_state_also_through_naparis_proxy(viewer: Any) -> None:
    from napari.utils._proxies import PublicOnlyProxy

    assert state_of(viewer) is state_of(PublicOnlyProxy(viewer))


def test_models_are_added_under_unique_names_and_loaded_when_asked_for(viewer: Any) -> None:
    state = state_of(viewer)
    told: list[list[str]] = []
    state.events.names.connect(told.append)
    model = Model.create(ModelConfig(), ModelCard(name="nuclei"))
    builtin = list(builtin_paths())
    assert state.names == builtin
    assert state.add(model) == "nuclei (2)"
    assert told == [[*builtin, "nuclei (2)"]]
    assert state.get("nuclei (2)") is model
    assert state.get("nuclei").card.name == "nuclei"
    assert state.get("nuclei") is state.get("nuclei")


def test_the_student_changes_once_and_must_be_known(viewer: Any) -> None:
    state = state_of(viewer)
    told: list[str] = []
    state.events.student.connect(told.append)
    assert state.student == "nuclei"
    state.add(Model.create(ModelConfig()), "mine")
    state.student = "mine"
    state.student = "mine"
    assert told == ["mine"]
    with pytest.raises(ConfigError, match=r"'other'.*nuclei,.* mine"):
        state.student = "other"


def test_live_is_told_when_it_changes(viewer: Any) -> None:
    state = state_of(viewer)
    told: list[bool] = []
    state.events.live.connect(told.append)
    state.live = True
    state.live = True
    state.live = False
    assert told == [True, False]


def test_naming_models_takes_no_torch() -> None:
    code = "import sys, napari_grd._napari.state as s; assert s.State().names; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
