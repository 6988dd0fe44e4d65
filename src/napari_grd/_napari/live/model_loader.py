"""Loading the model of Live: the chosen one, or until there is one, the built-in that fits the image."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import ref

from napari.layers import Image

from napari_grd._napari.descriptions import describe_builtin
from napari_grd._napari.live.fitting_model import best_fit, fit_text, image_source, rank
from napari_grd._napari.live.form import LiveForm
from napari_grd._napari.panel import Panel
from napari_grd._napari.source import ImageSource
from napari_grd._napari.worker import Running, run_call
from napari_grd.errors import GrdError

if TYPE_CHECKING:
    from napari_grd.inference.suggestion import Suggestion
    from napari_grd.models.model import Model


class ModelLoader:
    """Loads models in a worker, and suggests one for every new image until the user chooses.

    Parameters
    ----------
    panel : Panel
        The panel that the jobs end with.
    form : LiveForm
        Image and model.
    on_start : callable
        Called when a model is about to be loaded.
    on_loaded : callable
        Called with the model.
    on_error : callable
        Called with the error if it cannot be loaded.

    Attributes
    ----------
    model : Model or None
        None while it is loaded.
    """

    def __init__(
        self,
        panel: Panel,
        form: LiveForm,
        on_start: Callable[[], object],
        on_loaded: "Callable[[Model], object]",
        on_error: Callable[[BaseException], object],
    ) -> None:
        self.model: Model | None = None
        self._panel, self._state, self._form = panel, panel.state, form
        self._on_start, self._on_loaded, self._on_error = on_start, on_loaded, on_error
        self._loading: Running[Any] | None = None
        self._ranking: Running[Any] | None = None
        self._ranked: tuple[Suggestion, ...] = ()
        self._judged: Callable[[], Image | None] = lambda: None  # the image that they were ranked for
        self._adopting = False
        self._waiting: list[Callable[[], object]] = []
        form.model.activated.connect(lambda _index: setattr(self._state, "chosen", True))

    def load(self) -> None:
        """Load the model of the form; at a new image, the one that fits it."""
        name, state = self._form.model.name(), self._state
        if name is None:
            self._panel.say("Choose a model.", "warning")
            return
        judge, chosen = self._judge(), state.chosen

        def load() -> _Loaded:
            # The engine imports torch: not in the GUI thread.
            from napari_grd.live.session import prepare

            ranked = judge()
            best = None if chosen else best_fit(ranked, name)
            fitting = best.name if best is not None and best.name in state.names else name
            model = state.get(fitting)
            prepare(model)
            return _Loaded(fitting, model, ranked, {} if state.descriptions else describe_builtin())

        for running in (self._loading, self._ranking):
            if running is not None:
                running.silence()
        self.model = self._ranking = None
        self._on_start()
        self._loading = run_call(load, on_done=self._loaded, on_error=self._failed)
        self._panel.track(self._loading)

    def model_changed(self) -> None:
        """Another model was picked in the form."""
        name = self._form.model.name()
        if name is not None:
            self._state.student = name
        if not self._adopting:
            self.load()

    def image_changed(self) -> None:
        """Suggest a model if the image is another one."""
        layer = self._form.image.layer()
        if layer is None:
            self._form.show_fit("")
        if layer is None or layer is self._judged():
            return
        if self.model is None and self._loading is not None and self._loading.running:
            self.load()
            return
        self._form.show_fit("")
        judge = self._judge()
        self._ranking = run_call(judge, on_done=self._rank_known, on_error=lambda _error: self._rank_known(()))
        self._panel.track(self._ranking)

    def when_ready(self, act: Callable[[], object], *, of_image: bool = False) -> bool:
        """Call a function when the model is loaded, or cannot be; False if it has to wait.

        What is done ``of_image`` does not wait where there is none.
        """
        loading = self.model is None and self._loading is not None and self._loading.running
        no_image = self._form.image.layer() is None
        if (no_image and of_image) or not (loading or (self._ranking is not None and not no_image)):
            act()
            return True
        self._waiting.append(act)
        return False

    def _judge(self) -> "Callable[[], tuple[Suggestion, ...]]":
        """A call for a worker that ranks the models for the image; for one that was judged already, it ranks none."""
        layer = self._form.image.layer()
        sources: list[ImageSource] = []  # emptied by the call: a job that has ended keeps no image alive
        if layer is not None and layer is not self._judged():
            self._judged, self._ranked = ref(layer), ()
            with suppress(GrdError):  # which is reported when it is segmented
                sources.append(image_source(self._panel.viewer, layer))
        return lambda: rank(sources.pop()) if sources else ()

    def _loaded(self, loaded: "_Loaded") -> None:
        self.model = loaded.model
        self._state.describe(loaded.descriptions)
        self._adopting = True
        try:
            self._state.suggest(loaded.name)
        finally:
            self._adopting = False
        self._show(loaded.ranked or self._ranked)
        self._on_loaded(loaded.model)
        self._go_on()

    def _failed(self, error: BaseException) -> None:
        self._go_on()
        self._on_error(error)

    def _rank_known(self, ranked: "tuple[Suggestion, ...]") -> None:
        self._ranking = None
        self._show(ranked)
        if self.model is not None:
            self._go_on()

    def _show(self, ranked: "tuple[Suggestion, ...]") -> None:
        """Change to the model that fits, unless the user chose one, and give the reason."""
        name = self._form.model.name()
        best = None if self._state.chosen else best_fit(ranked, name)
        self._ranked = ranked
        if best is not None and best.name in self._state.names:
            self._state.suggest(best.name)  # which loads it
        elif name is not None:
            self._form.show_fit(fit_text(ranked, name))

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            act()


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model, the suggestions that it was chosen by, and descriptions of models."""

    name: str
    model: "Model"
    ranked: "tuple[Suggestion, ...]"
    descriptions: dict[str, str]
