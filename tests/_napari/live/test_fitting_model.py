"""Live begins with the built-in model that fits the image, and says why."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from scipy import ndimage

from napari_grd._napari.descriptions import describe
from napari_grd._napari.live.fitting_model import best_fit, fit_text, image_source, rank
from napari_grd._napari.live.widget import LiveWidget
from napari_grd.data.image_kind import image_kind
from napari_grd.data.simulate import nuclei_2d
from napari_grd.inference.suggestion import Suggestion
from napari_grd.models.model import ModelCard

NUCLEI = nuclei_2d(np.random.default_rng(0), (128, 128))[0]


def phase() -> np.ndarray[Any, Any]:
    """Rims, bright outside and dark inside, on a gray ground."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :200]
    image = rng.normal(120, 1.5, (200, 200))
    for place in rng.uniform(20, 180, (4, 2)):
        distance = np.hypot(y - place[0], x - place[1])
        image += 80 * np.exp(-(((distance - 17) / 2) ** 2)) - 60 * np.exp(-(((distance - 13) / 2) ** 2))
    return image


def tissue() -> np.ndarray[Any, Any]:
    dark = ndimage.gaussian_filter((np.percentile(NUCLEI, 85) < NUCLEI).astype(float), 1)
    return np.dstack([235 - 120 * dark, 185 - 150 * dark, 235 - 60 * dark]).astype(np.uint8)


@pytest.fixture
def opened(viewer: Any) -> Iterator[Any]:
    """Opens Live as the menu does, with the models as they are."""
    widgets = []

    def open_it() -> LiveWidget:
        widgets.append(LiveWidget(viewer))
        viewer.window.add_dock_widget(widgets[-1])
        return widgets[-1]

    yield open_it
    for widget in widgets:
        widget.release()


def test_the_finest_level_of_a_pyramid_decides(viewer: Any) -> None:
    """On the coarsest, objects of two pixels are texture."""
    fine = nuclei_2d(np.random.default_rng(3), (1024, 1024))[0]
    levels = [fine, *(fine.reshape(n, 1024 // n, n, 1024 // n).mean((1, 3)) for n in (256, 64))]
    assert image_kind(levels[-1][None]).kind == "dense texture"
    layer = viewer.add_image(levels, multiscale=True)
    assert rank(image_source(viewer, layer))[0].name == "nuclei"


def click(box: Any) -> None:
    QTest.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(10, box.height() // 2))


def test_images_decide_until_the_user_does(viewer: Any, opened: Any, qtbot: Any) -> None:
    viewer.add_image(phase(), name="cells")
    widget = opened()
    click(widget.live)  # at once, while nothing is loaded
    assert widget.live.isChecked()
    qtbot.waitUntil(lambda: "instance" in widget.readout.text(), timeout=60_000)
    assert widget.form.model.name() == viewer.layers[-1].metadata["napari_grd"]["model"]["name"] == "phase"
    assert not widget.form.fit.isHidden()
    assert "looks like phase contrast" in widget.form.fit.text()
    assert "Next best: yeast" in widget.form.fit.text()
    viewer.layers.clear()
    assert widget.form.fit.isHidden()
    viewer.add_image(tissue(), name="slide")
    qtbot.waitUntil(lambda: widget.form.model.name() == "tissue", timeout=60_000)
    qtbot.waitUntil(lambda: "stained tissue" in widget.form.fit.text(), timeout=60_000)
    tips = [widget.form.model.itemData(row, Qt.ItemDataRole.ToolTipRole) or "" for row in range(4)]
    assert "Nuclei in 2D fluorescence" in tips[0]
    assert "bbbc039_nuclei: AP50 0.93" in tips[0]

    QTest.keyClick(widget.form.model, Qt.Key.Key_Home)  # the user chooses: the first is "nuclei"
    assert widget.form.model.name() == "nuclei"
    qtbot.waitUntil(lambda: "tissue fits better" in widget.form.fit.text(), timeout=60_000)
    viewer.layers.clear()
    viewer.add_image(phase(), name="others")
    qtbot.waitUntil(lambda: "phase fits better" in widget.form.fit.text(), timeout=60_000)
    assert widget.form.model.name() == "nuclei"


def test_make_permanent_waits_for_the_model_that_fits(viewer: Any, opened: Any, qtbot: Any) -> None:
    widget = opened()
    qtbot.waitUntil(lambda: widget._model is not None, timeout=60_000)
    viewer.add_image(phase(), name="cells")
    click(widget.permanent.start)
    qtbot.waitUntil(lambda: "instances of cells" in viewer.layers, timeout=60_000)
    assert viewer.layers["instances of cells"].metadata["napari_grd"]["model"]["name"] == "phase"


@pytest.mark.parametrize(
    ("scores", "current", "best"),
    [((1.0, 0.5), "b", "a"), ((1.0, 1.0), "b", None), ((0.1, 0.0), "b", None), ((0.6, 0.5), "mine", "a")],
)
def test_only_a_better_model_is_followed(scores: tuple[float, float], current: str, best: str | None) -> None:
    ranked = tuple(Suggestion(name, score, f"As {name}.") for name, score in zip("ab", scores, strict=True))
    found = best_fit(ranked, current)
    assert (found and found.name) == best
    assert best_fit((), current) is None


def test_the_reason_is_one_line() -> None:
    ranked = (Suggestion("a", 1.0, "It is bright."), Suggestion("b", 0.5, "It is dark."), Suggestion("c", 0.0, "No."))
    assert fit_text(ranked, "a") == "It is bright. Next best: b."
    assert fit_text(ranked, "b") == "It is dark. a fits better."
    assert fit_text(ranked, "mine") == ""
    assert fit_text((), "a") == ""
    assert "No built-in model" in fit_text((Suggestion("a", 0.1, "Odd."),), "a")


def test_a_description_says_what_scores_were_measured_on() -> None:
    card = ModelCard(
        name="m", summary="Worms", scores={"x/ap50": 0.5, "x/aji": 0.25, "x/ap50 of the teacher": 0.9, "ap50": 0.75}
    )
    assert describe(card) == "Worms.\nx: AP50 0.50, AJI 0.25\nvalidation images: AP50 0.75"
    assert describe(ModelCard()) == "Nothing is known about this model."
