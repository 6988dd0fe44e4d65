"""Networks, their registry, and the Model type."""

# Importing a network's module registers it.
from napari_grd.models import enet as _enet  # noqa: F401
from napari_grd.models import espnet as _espnet  # noqa: F401
from napari_grd.models import fast as _fast  # noqa: F401
from napari_grd.models import mobilenet as _mobilenet  # noqa: F401
from napari_grd.models import resunet as _resunet  # noqa: F401
from napari_grd.models import unetpp as _unetpp  # noqa: F401
from napari_grd.models.model import Model, ModelCard, ModelConfig
from napari_grd.models.registry import build, names, register

__all__ = ["Model", "ModelCard", "ModelConfig", "build", "names", "register"]
