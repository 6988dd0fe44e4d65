"""Remote models from the user's list, offered beside the others."""

from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_grd.errors import GrdError
from napari_grd.hub import RemoteModel, remote_models


def listed_models() -> dict[str, RemoteModel]:
    """The models of the user's list, by name; empty, with a message, if the list is invalid."""
    try:
        return remote_models()
    except GrdError as error:
        show_warning(str(error))
        return {}


def may_download(parent: QWidget, model: RemoteModel) -> bool:
    """Ask whether a model may be downloaded."""
    answer = QMessageBox.question(
        parent,
        f"Download {model.name}?",
        f"{model.name} will be downloaded from\n{model.url}\nand kept in {model.path.parent}.",
    )
    return bool(answer == QMessageBox.StandardButton.Yes)
