"""The Model type of teachers and students."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor, nn

from napari_grd.config import NetworkConfig, NormalizationConfig, PartitionConfig
from napari_grd.config_base import Config
from napari_grd.errors import ConfigError
from napari_grd.graph.offsets import OFFSETS_2D, Offset
from napari_grd.models import networks
from napari_grd.models.registry import NetworkEntry

Contrast = Literal["bright", "dark", "edges"]
"""Contrast of objects: brighter or darker than their surroundings, or edges only."""


class ModelConfig(Config):
    """Everything needed to rebuild a model and to run it as it was trained."""

    network: NetworkConfig = NetworkConfig()
    in_channels: int = Field(1, ge=1)
    foreground: bool = Field(True, description="whether a foreground logit follows the embedding")
    ndim: int = Field(2, ge=2, le=3)
    offsets: tuple[Offset, ...] = OFFSETS_2D
    normalization: NormalizationConfig = NormalizationConfig()
    partition: PartitionConfig = PartitionConfig()
    object_diameter: float | None = Field(
        None, gt=0, description="typical object diameter of the training data in pixels"
    )
    scale: float | None = Field(
        None,
        gt=0,
        description="pixels of the network's grid per pixel of an image of which no size is given; None: 1, unless the"
        " object diameter estimated from the image differs",
    )
    pixel_size: float | None = Field(None, gt=0, description="pixel size of the training data in micrometers")
    contrast: Contrast | None = Field(
        None, description="contrast of objects in the training data with their surroundings; None: unknown"
    )
    anisotropy: float | None = Field(
        None, gt=0, description="of volumes: distance of the planes of the training data divided by their pixel size"
    )

    @property
    def grid_diameter(self) -> float | None:
        """Typical object diameter in pixels of the network's grid: ``object_diameter`` unless a scale is stored."""
        return None if self.object_diameter is None else self.object_diameter * (self.scale or 1.0)

    @model_serializer(mode="wrap")
    def _without_unknown(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Fingerprints, and readers of earlier versions, do not know these.
        values: dict[str, Any] = serialize(self)
        for name in ("scale", "anisotropy"):
            if values[name] is None:
                values.pop(name)
        return values


class ModelCard(Config):
    """Description of a model: training data, scores and limitations."""

    model_config = ConfigDict(allow_inf_nan=True)  # a score without data is NaN

    name: str = "unnamed"
    summary: str = ""
    kind: str = Field("student", description="teacher or student")
    parameters: int = 0
    trained_on: tuple[str, ...] = Field((), description="data sets, with their licenses")
    recipe: dict[str, Any] = Field(default_factory=dict, description="the settings it was trained with")
    teacher: str | None = None
    scores: dict[str, float] = Field(default_factory=dict, description="validation scores")
    limits: str = Field("", description="known limitations")
    license: str = Field("BSD-3-Clause", serialization_alias="licence")
    restrictions: str = Field("", description="restrictions by licenses, in one sentence; empty if there are none")
    version: str = Field("", description="version of napari-grd that created it")
    created: str = Field("", description="date, ISO 8601")


@dataclass(frozen=True)
class Model:
    """A network with its config and card.

    Attributes
    ----------
    network : torch.nn.Module
        Maps ``(B, in_channels, *S)`` to ``(B, embedding + foreground, *S)``.
    config : ModelConfig
        How to rebuild and run it.
    card : ModelCard
        Its description and scores.
    pca : torch.Tensor or None
        ``(4, C)``: mean and first three principal components of the unit embeddings, so that embeddings have the same
        colors in every image.
    calibration : torch.Tensor or None
        ``(N, C_in, *S)`` uint8: calibration patches for int8, see
        :mod:`napari_grd.inference.int8_calibration`.
    """

    network: nn.Module
    config: ModelConfig
    card: ModelCard = field(default_factory=ModelCard)
    pca: Tensor | None = None
    calibration: Tensor | None = None

    @classmethod
    def create(cls, config: ModelConfig, card: ModelCard | None = None) -> "Model":
        """A model with fresh weights.

        Raises
        ------
        ConfigError
            If there is no such network, it is not for images of ``config.ndim`` axes, or its options do not fit it.
        """
        entry = networks.entry(config.network.name)
        if entry.ndim != config.ndim:
            raise ConfigError(
                f"The network {entry.name!r} is for {entry.ndim}D images, and the model is for {config.ndim}D images.",
                f"Choose one of: {', '.join(networks.names(config.ndim))}.",
            )
        options: dict[str, Any] = {}
        if config.network.widths is not None:
            options["widths"] = config.network.widths
        network = networks.build(
            config.network.name,
            in_channels=config.in_channels,
            embedding=config.network.embedding,
            foreground=config.foreground,
            **options,
        )
        card = card or ModelCard()
        return cls(network, config, card.replace(parameters=count_parameters(network)))

    @property
    def entry(self) -> NetworkEntry:
        """The registry's entry of its network."""
        return networks.entry(self.config.network.name)

    @property
    def stride(self) -> int:
        """Sides of the network's input may grow by this, along every axis."""
        return self.entry.stride

    @property
    def strides(self) -> tuple[int, ...]:
        """Sides of the network's input may grow by these, one per axis."""
        return self.entry.strides

    @property
    def margin(self) -> tuple[int, ...]:
        """Pixels that the network removes at each side, one number per axis; zeros for a network with padding."""
        return self.entry.margin

    @property
    def embedding_channels(self) -> int:
        """Length of a pixel's embedding."""
        return self.config.network.embedding

    def split(self, output: Tensor) -> tuple[Tensor, Tensor | None]:
        """Split a network output into embedding ``(B, C, *S)`` and foreground logit ``(B, *S)`` or None."""
        c = self.embedding_channels
        return output[:, :c], (output[:, c] if self.config.foreground else None)

    def with_card(self, **changes: Any) -> "Model":
        """The same model with a changed card."""
        return replace(self, card=self.card.replace(**changes))


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def weights_version(network: nn.Module) -> tuple[tuple[int, int], ...]:
    """Changes whenever weights of a network do."""
    # torch counts the in-place changes of a tensor; tensors made in inference mode cannot change.
    tensors = [*network.parameters(), *network.buffers()]
    return tuple((tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in tensors)
