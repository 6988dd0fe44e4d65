"""State shared by the widgets of one viewer: its models, and which is the live student."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal, SignalGroup

from napari_grd._napari.descriptions import describe
from napari_grd._napari.gl_context import delete_in_own_context
from napari_grd._napari.remote import listed_models
from napari_grd.errors import ConfigError
from napari_grd.hub import builtin_paths, resolve_model

if TYPE_CHECKING:
    from napari_grd.models.model import Model


class StateSignals(SignalGroup):
    """What can change."""

    names = Signal(list)
    student = Signal(str)
    live = Signal(bool)
    descriptions = Signal()


class State:
    """Models by name, the live student, and whether Live is on.

    Creating it imports nothing slow; a built-in or fetched model is loaded when it is first used.

    Attributes
    ----------
    chosen : bool
        Whether the live student was chosen by the user, or distilled, and is not a suggestion.
    descriptions : dict of str to str
        What is known about models, by their names.
    teachers : dict of str to str
        Names of the models that students were distilled from, by the students' names.
    """

    def __init__(self) -> None:
        self.events = StateSignals()
        self.remote = listed_models()  # once: an invalid list is not reported again by every picker
        self._models: dict[str, Model | None] = dict.fromkeys(
            [*builtin_paths(), *(name for name, model in self.remote.items() if model.here)]
        )
        self._student: str | None = next(iter(self._models), None)
        self._live = False
        self.chosen = False
        self.descriptions: dict[str, str] = {}
        self.teachers: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """All models that can be chosen: built in, then fetched, opened or distilled ones."""
        return list(self._models)

    def add(self, model: "Model", name: str | None = None) -> str:
        """Offer a model; returns its name, made unique with a number."""
        wanted = name or model.card.name
        unique, number = wanted, 2
        while unique in self._models:
            unique, number = f"{wanted} ({number})", number + 1
        self._models[unique] = model
        self.descriptions[unique] = describe(model.card)
        self.events.names.emit(self.names)
        return unique

    def get(self, name: str) -> "Model":
        """A model by name. The first call for a model takes seconds: make it in a worker.

        Raises
        ------
        ConfigError
            If there is none of that name.
        ModelFileError
            If its file cannot be read.
        """
        if name not in self._models:
            raise ConfigError(f"There is no model named {name!r}.", f"Choose one of: {', '.join(self._models)}.")
        model = self._models[name]
        if model is None:
            from napari_grd.hub import load_model

            model = self._models[name] = load_model(resolve_model(name)).with_card(name=name)
        return model

    @property
    def student(self) -> str | None:
        """Name of the model that segments live."""
        return self._student

    @student.setter
    def student(self, name: str) -> None:
        if name not in self._models:
            raise ConfigError(f"There is no model named {name!r}.", f"Choose one of: {', '.join(self._models)}.")
        if name != self._student:
            self.chosen = True
            self._student = name
            self.events.student.emit(name)

    def suggest(self, name: str) -> None:
        """Make a model the live student until the user chooses one."""
        chosen = self.chosen
        self.student = name
        self.chosen = chosen

    def describe(self, descriptions: Mapping[str, str]) -> None:
        """Add what is known about models."""
        self.descriptions.update(descriptions)
        self.events.descriptions.emit()

    @property
    def live(self) -> bool:
        """Whether Live is on; other jobs then leave it a core."""
        return self._live

    @live.setter
    def live(self, on: bool) -> None:
        if on != self._live:
            self._live = on
            self.events.live.emit(on)


_states: "WeakKeyDictionary[Any, State]" = WeakKeyDictionary()


def state_of(viewer: Any) -> State:
    """The state of a viewer, made at the first call."""
    viewer = unwrap(viewer)
    if viewer not in _states:
        _states[viewer] = State()
        delete_in_own_context(viewer)
    return _states[viewer]


def unwrap(viewer: Any) -> Any:
    """The viewer itself, behind the proxy that napari passes to plugins.

    The proxy looks at the calling frame and swaps Python's warning filters at
    each access of an attribute: too slow for what follows the camera, and not
    safe beside threads. Nothing private is touched through it.
    """
    return getattr(viewer, "__wrapped__", viewer)
