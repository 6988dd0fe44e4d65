"""Networks, their registry, and the one Model type."""

from napari_grd.models import resunet as _resunet  # noqa: F401  (registers itself)
from napari_grd.models.model import Model, ModelCard, ModelConfig
from napari_grd.models.registry import build, names, register

__all__ = ["Model", "ModelCard", "ModelConfig", "build", "names", "register"]
