"""A file of corrections dropped on the window finds its labels, or says what to do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_grd._napari.correct.widget import CorrectWidget
from napari_grd._napari.docks import show_panel
from napari_grd._napari.files.readers import NO_LAYER, get_corrections_reader
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import open_journal
from napari_grd.corrections.kinds import Merge

JOIN = Merge([(20, 20), (22, 45)])
LONG = 60_000


@pytest.fixture
def of_ada(picture: np.ndarray, tmp_path: Path) -> Path:
    made = Corrections(ImageRef.of(picture, name="adas.tif"), [JOIN])
    return save_corrections(made, tmp_path / "ada.grd-corrections.geojson")


@pytest.fixture
def docked(viewer: Any, data_folder: Path) -> Any:
    """The widget without a model, which a drop finds and uses."""
    notification_manager.records.clear()
    widget = show_panel(viewer, CorrectWidget, "Correct")
    widget.form.model.set_name(None)
    yield widget
    widget.release()


def drop(viewer: Any, path: Path) -> None:
    """As from the file manager. napari would open a dialog where this raises."""
    assert viewer.open(str(path), plugin=None) == []


def messages() -> list[str]:
    return [str(record.message) for record in notification_manager.records]


def test_it_is_made_on_the_labels_it_is_of(
    docked: Any, viewer: Any, picture: Any, blocks: Any, of_ada: Path, qtbot: Any
) -> None:
    viewer.add_image(picture)
    layer = viewer.add_labels(blocks)
    viewer.add_image(picture[::-1], name="another of that shape")
    viewer.add_labels(blocks[:50], name="of another shape")
    drop(viewer, of_ada)
    qtbot.waitUntil(lambda: docked.toolbox.session is not None, timeout=LONG)
    assert docked.toolbox.session.layer is layer
    assert docked.toolbox.session.target.source.layer.name == "picture"
    assert layer.data[20, 20] == layer.data[22, 45]
    assert list(viewer.window.dock_widgets) == ["Correct (GRD)"]
    assert "Corrections restored: 1." in docked.message.text()
    docked.toolbox.undo()
    np.testing.assert_array_equal(layer.data, blocks)


def test_the_journal_that_a_crash_left_can_be_dropped(
    docked: Any, viewer: Any, picture: Any, blocks: Any, tmp_path: Path, qtbot: Any
) -> None:
    with open_journal(tmp_path / "ada.grd-corrections.geojson", ImageRef.of(picture)) as journal:
        journal.add(JOIN)
    assert [path.suffix for path in tmp_path.glob("ada*")] == [".journal"]
    viewer.add_image(picture)
    layer = viewer.add_labels(blocks)
    drop(viewer, tmp_path / "ada.grd-corrections.journal")
    qtbot.waitUntil(lambda: docked.toolbox.session is not None, timeout=LONG)
    assert layer.data[20, 20] == layer.data[22, 45]
    assert [path.suffix for path in tmp_path.glob("ada*")] == [".journal"], "it is read only"


def test_it_is_added_to_what_is_being_corrected(
    docked: Any, viewer: Any, picture: Any, blocks: Any, of_ada: Path, tmp_path: Path, qtbot: Any
) -> None:
    viewer.add_image(picture)
    layer = viewer.add_labels(blocks)
    viewer.add_image(picture[:50], name="half")
    viewer.add_labels(blocks[:50], name="half of them")
    docked.form.labels.set_layer(layer)
    docked.start.click()
    qtbot.waitUntil(lambda: docked.toolbox.session is not None, timeout=LONG)
    drop(viewer, of_ada)
    qtbot.waitUntil(lambda: "Added 1" in docked.message.text(), timeout=LONG)
    assert layer.data[20, 20] == layer.data[22, 45]
    half = Corrections(ImageRef.of(picture[:50]), [JOIN])
    drop(viewer, save_corrections(half, tmp_path / "half.grd-corrections.geojson"))
    qtbot.waitUntil(lambda: "Press Done first" in docked.message.text(), timeout=LONG)
    assert docked.toolbox.session.layer is layer


def test_without_its_labels_it_says_what_to_do(
    docked: Any, viewer: Any, picture: Any, of_ada: Path, qtbot: Any
) -> None:
    viewer.add_image(picture)
    drop(viewer, of_ada)
    qtbot.waitUntil(lambda: bool(messages()), timeout=LONG)
    assert "'ada.grd-corrections.geojson'" in messages()[-1]
    assert "'adas.tif'" in messages()[-1]
    assert "segment it with Live" in messages()[-1]
    assert docked.toolbox.session is None


def test_a_broken_file_is_told(docked: Any, viewer: Any, tmp_path: Path, qtbot: Any) -> None:
    path = tmp_path / "broken.grd-corrections.geojson"
    path.write_text("{")
    drop(viewer, path)
    qtbot.waitUntil(lambda: bool(messages()), timeout=LONG)
    assert "broken.grd-corrections.geojson" in messages()[-1]


def test_without_a_viewer_there_is_nothing_to_correct(of_ada: Path) -> None:
    notification_manager.records.clear()
    read = get_corrections_reader(str(of_ada))
    assert read is not None
    assert read(str(of_ada)) == NO_LAYER
    assert "Open a viewer first" in messages()[-1]
    assert get_corrections_reader("cells.geojson") is None
