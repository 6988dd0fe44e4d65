"""napari's readers of files and folders.

If a reader raises, napari offers the next one in a dialog. These show a notification instead, and return napari's value
for "read, but no layer".
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_info, show_warning

from napari_grd._napari.docks import show_panel
from napari_grd._napari.state import state_of
from napari_grd._napari.worker import notify_error, run_call
from napari_grd.errors import DataError, GrdError
from napari_grd.io.names import MODEL_SUFFIX
from napari_grd.io.ome_zarr_metadata import group_folder, is_ome_zarr
from napari_grd.io.remote import address_of

Paths = str | Sequence[str]
Reader = Callable[[Paths], list[Any]]
NO_LAYER: list[Any] = [(None,)]


def get_model_reader(path: Paths) -> Reader | None:
    """A reader for model files; the last one becomes the viewer's live student."""
    return _read_models if all(name.lower().endswith(MODEL_SUFFIX) for name in _listed(path)) else None


def get_corrections_reader(path: Paths) -> Reader | None:
    """A reader for corrections files and journals; corrects the matching Labels layer, with the corrections applied."""
    from napari_grd.corrections.files import JOURNAL_SUFFIX, SUFFIX  # imports numba

    ours = (SUFFIX, JOURNAL_SUFFIX)
    return _read_corrections if all(name.lower().endswith(ours) for name in _listed(path)) else None


def get_ome_zarr_reader(path: Paths) -> Reader | None:
    """A reader for OME-Zarr, also at addresses, and other Zarr folders, which are passed on to napari; else None."""
    if all(is_ome_zarr(name) or address_of(name) for name in _listed(path)):
        return _read_zarrs
    # Our reader is preferred for them by name (see `claims`); returning None would open napari's dialog.
    return _read_with_napari if all(_is_zarr(name) for name in _listed(path)) else None


def get_ome_tiff_reader(path: Paths) -> Reader:
    """A reader for OME-TIFF: labels become a Labels layer, everything else is passed on to napari."""
    # A sequence is a stack. Returning None would open napari's dialog, as above.
    return _read_ome_tiffs if isinstance(path, str) else _read_stack_with_napari


def get_bioio_reader(path: Paths) -> Reader | None:
    """A reader for proprietary microscope formats; a missing package is reported when the file is read."""
    return _read_vendor_files if all(Path(name).is_file() for name in _listed(path)) else None


def _read_models(paths: Paths) -> list[Any]:
    def take(viewer: Any, path: str) -> None:
        run_call(partial(_load_model, path), on_done=partial(_adopt, viewer))

    return _take_in(paths, take, "Open a viewer first: a model becomes the live student of one.")


def _load_model(path: str) -> Any:
    from napari_grd.hub import load_model

    return load_model(path)


def _adopt(viewer: Any, model: Any) -> None:
    from napari_grd._napari.live.widget import LiveWidget

    state = state_of(viewer)
    name = state.add(model)
    state.student = name
    show_panel(viewer, LiveWidget, "Live")
    card = model.card
    trained = f", trained on {'; '.join(card.trained_on)}" if card.trained_on else ""
    show_info(f"{name} is now the live student: {card.parameters:,} parameters{trained}. {card.summary}".strip())


def _read_corrections(paths: Paths) -> list[Any]:
    from napari_grd._napari.correct.dropped import correct_with

    def take(viewer: Any, path: str) -> None:
        correct_with(viewer, Path(path))

    return _take_in(paths, take, "Open a viewer first, with the image and the labels that the corrections are of.")


def _take_in(paths: Paths, take: Callable[[Any, str], None], no_viewer: str) -> list[Any]:
    """Open files that do not become layers."""
    viewer = napari.current_viewer()
    if viewer is None:
        show_warning(no_viewer)
        return NO_LAYER
    for path in _listed(paths):
        take(viewer, path)
    return NO_LAYER


def _read_zarrs(paths: Paths) -> list[Any]:
    from napari_grd._napari.files.plate_picker import TITLE, PlatePicker
    from napari_grd._napari.files.zarr_layers import open_zarr
    from napari_grd.io.ome_zarr import OmeZarr

    def read(path: str) -> list[Any]:
        group, viewer = OmeZarr(path), napari.current_viewer()
        if group.is_plate and not group.path.is_file() and viewer is not None:
            for note in group.notes:
                show_warning(note)
            show_panel(viewer, PlatePicker, TITLE).show_plate(group)
            return []
        layers, notes = open_zarr(group)
        for note in notes:
            show_warning(note)
        return layers

    return _layers(paths, read)


def _read_ome_tiffs(paths: Paths) -> list[Any]:
    from napari_grd._napari.files.label_layers import tiff_layers
    from napari_grd.io.ome_tiff import holds_labels

    def read(path: str) -> list[Any]:
        if not holds_labels(path):
            return _napari_read([path], stack=False)
        layers, notes = tiff_layers(path)
        for note in notes:
            show_warning(note)
        return layers

    return _layers(paths, read)


def _read_stack_with_napari(paths: Paths) -> list[Any]:
    return _napari_read(_listed(paths), stack=True)


def _napari_read(paths: list[str], *, stack: bool) -> list[Any]:
    from npe2 import io_utils

    return io_utils.read(paths, stack=stack, plugin_name="napari")


def _read_vendor_files(paths: Paths) -> list[Any]:
    from napari_grd._napari.files.bioio_layers import bioio_layers

    return _layers(paths, bioio_layers)


def _read_with_napari(paths: Paths) -> list[Any]:
    def read(path: str) -> list[Any]:
        try:
            return _napari_read([str(group_folder(path))], stack=False)
        except Exception as error:  # zarr raises many types
            raise DataError(
                f"{path!r} contains no image that can be opened ({error}).", "Open an image or an array inside it."
            ) from error

    return _layers(paths, read)


def _layers(paths: Paths, read: Callable[[str], list[Any]]) -> list[Any]:
    layers: list[Any] = []
    for path in _listed(paths):
        try:
            layers += read(path)
        except GrdError as error:
            notify_error(error)
    return layers or NO_LAYER


def _is_zarr(path: str) -> bool:
    folder = group_folder(path)
    return folder.is_dir() and any(part.endswith(".zarr") for part in folder.parts)


def _listed(paths: Paths) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)
