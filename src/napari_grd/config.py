"""All settings, as frozen and validated objects.

The GUI form, YAML files, command-line flags and Python all produce these
objects; checkpoints and model files store them. Arrays, layers and the paths
of data never enter them.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from napari_grd.config_base import Config, without_defaults

Background = Literal["class", "ignore", "boundary", "none"]


class NormalizationConfig(Config):
    """Intensities are mapped linearly so that two percentiles become 0 and 1.

    The percentiles are taken per channel over the whole plane (2D) or volume
    (3D), so a crop and the whole image agree.
    """

    low: float = Field(1.0, ge=0, lt=50, description="percentile mapped to 0")
    high: float = Field(99.8, gt=50, le=100, description="percentile mapped to 1")


class PartitionConfig(Config):
    """The partition of affinities and foreground into instances."""

    method: Literal["mutex", "agglomeration", "multicut"] = Field(
        "mutex",
        description="mutex: mutex watershed of the pixels; agglomeration: watershed fragments, merged by mean affinity;"
        " multicut: fragments, partitioned at the lowest cost",
    )
    fragments: Literal["volume", "slices"] = Field(
        "volume",
        description="watershed fragments of a volume: across slices, or within each slice (slices that are far apart)",
    )
    foreground_threshold: float = Field(0.5, gt=0, lt=1, description="a pixel is foreground above this probability")
    bias: float = Field(0.0, ge=-0.9, le=0.9, description="positive merges, negative splits")
    stride: int = Field(3, ge=1, description="spacing in pixels of the long-range edges")
    min_size: int = Field(16, ge=0, description="objects with fewer pixels are merged with a neighbor, or removed")
    fragment_ratio: float = Field(
        0.3,
        ge=0,
        le=1,
        serialization_alias="crumb",
        description="a fragment with less than this ratio of the pixels of an adjacent object is merged into it",
    )
    max_hole: int = Field(16, ge=0, description="holes inside an object up to this many pixels are filled")

    @model_serializer(mode="wrap")
    def _as_before(self, standard: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        return without_defaults(self, standard(self), info, ("method", "fragments"))


class SegmentConfig(Config):
    """Settings of a model's prediction on an image."""

    runtime: Literal["auto", "openvino", "torch"] = Field("auto", description="OpenVINO on a CPU, torch elsewhere")
    precision: Literal["auto", "f32", "bf16", "int8"] = Field(
        "auto", description="auto: bf16 if the device supports it; int8 needs a calibrated model"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    threads: int = Field(0, ge=0, description="CPU threads, 0 for all")
    tile: int = Field(
        1024,
        ge=128,
        description="largest side of a tile in pixels, halo not included; a tile of a volume has at most 5 tile²"
        " voxels, with its halo",
    )
    halo: int = Field(
        80,
        ge=16,
        description="context around a tile in pixels; a ResUNet's receptive field has a radius of 80. Of a 3D"
        " network, its radius along each axis, if that is smaller",
    )
    object_diameter: Annotated[float, Field(gt=0)] | Literal["auto"] | None = Field(
        "auto",
        description="typical object diameter in pixels; the image is rescaled to that of the training images."
        " auto: estimated from the image; None: no rescaling",
    )
    pixel_size: float | None = Field(
        None, gt=0, description="pixel size of the image in micrometers, an alternative to object_diameter"
    )
    invert: bool | Literal["auto"] = Field(
        "auto",
        description="invert intensities; auto: if objects are dark on bright and those of the training images are not",
    )
    intensity_range: tuple[tuple[float, float], ...] | None = Field(
        None,
        min_length=1,
        description="intensities mapped to 0 and 1, low and high per channel; None: measured in each plane",
    )
    link: bool = Field(True, description="an object keeps its label through the planes of a stack or series")
    stack: Literal["auto", "shape", "overlap"] = Field(
        "auto",
        description="how a model for planes links those of a z-stack; shape: compact objects, divided in 3D at necks;"
        " overlap: plane by plane, as in time; auto: shape for models of bright or dark objects, such as nuclei",
    )
    anisotropy: float | None = Field(
        None,
        gt=0,
        description="distance of the planes of a z-stack or volume divided by the width of a pixel. None: that of the"
        " file; else, for a model for planes, estimated, and for a model for volumes, that of its training",
    )
    partition: PartitionConfig | None = Field(None, description="None: the settings stored in the model")

    @field_validator("intensity_range")
    @classmethod
    def _spans(cls, ranges: tuple[tuple[float, float], ...] | None) -> tuple[tuple[float, float], ...] | None:
        for low, high in ranges or ():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(
                    f"intensity_range must be (low, high) with low < high for each channel, got {low}, {high}"
                )
        return ranges

    def as_known(self) -> "SegmentConfig":
        """The same settings without automatic rescaling or inversion; a given size is kept."""
        size = None if self.object_diameter == "auto" else self.object_diameter
        return self.replace(object_diameter=size, invert=self.invert is True)


class NetworkConfig(Config):
    """Architecture and width of a network."""

    name: str = Field("resunet", description="a name from the registry of networks")
    widths: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None, min_length=1, description="channels at each level, None for the network's own (ResUNet: the tiny student)"
    )
    embedding: int = Field(16, ge=2, description="length of a pixel's embedding")


class AugmentConfig(Config):
    """Random augmentation of a training patch; each field is a probability or a size."""

    flip: bool = Field(True, description="flip axes")
    rotate90: bool = Field(True, description="rotate by right angles")
    rotate: float = Field(0.3, ge=0, le=1, description="probability of a free rotation")
    scale: float = Field(0.3, ge=0, le=1, description="probability of a change of scale")
    scale_range: tuple[float, float] = Field((0.8, 1.25), description="smallest and largest scale factor")
    elastic: float = Field(0.2, ge=0, le=1, description="probability of an elastic deformation")
    elastic_amplitude: float = Field(4.0, ge=0, description="standard deviation of the displacement in pixels")
    intensity: float = Field(0.5, ge=0, le=1, description="probability of a change of gain, offset and gamma")
    noise: float = Field(0.3, ge=0, le=1, description="probability of Gaussian noise")
    noise_sigma: float = Field(0.05, ge=0, description="largest standard deviation, in normalized intensity")
    blur: float = Field(0.2, ge=0, le=1, description="probability of a Gaussian blur")
    blur_sigma: float = Field(1.0, ge=0, description="largest standard deviation in pixels")
    stain: float = Field(
        0.0, ge=0, le=1, description="probability of a change of stain, saturation and brightness; RGB tissue only"
    )
    sections: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability that sections of a volume are missing, shifted, or of another contrast; for serial"
        " sections",
    )

    @model_serializer(mode="wrap")
    def _as_before(self, standard: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        return without_defaults(self, standard(self), info, ("stain", "sections"))

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.scale_range
        if not 0 < low <= high:
            raise ValueError(f"scale_range must be 0 < low <= high, got {self.scale_range}")
        return self


class OptimConfig(Config):
    """The optimizer and its schedule (warm-up and cosine decay)."""

    name: Literal["adamw", "adam_paper", "muon"] = Field(
        "adamw", description="adam_paper: amsgrad, eps 0.01, fixed rate; muon: learns more in a few hundred steps"
    )
    lr: float = Field(2e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(1e-4, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1, description="warm-up as a share of the steps")
    clip: float = Field(5.0, gt=0, description="maximum gradient norm")
    ema: float = Field(0.995, ge=0, lt=1, description="decay of the averaged weights, 0 to keep the raw ones")


class TrainConfig(Config):
    """Supervised training of a network on labeled images."""

    network: NetworkConfig = NetworkConfig()
    steps: int = Field(2000, ge=1, description="optimizer steps")
    minutes: float | None = Field(
        None,
        gt=0,
        description="train for so many minutes instead of so many steps; the learning rate follows the time."
        " The result then depends on the speed of the machine",
    )
    batch: int = Field(4, ge=1, description="patches in a step, on each device")
    patch: int = Field(128, ge=32, description="side of a patch in pixels")
    patch_depth: int = Field(32, ge=1, description="planes of a patch; only for networks that take volumes")
    anisotropy: float | None = Field(
        None,
        gt=0,
        description="distance of the planes of a volume divided by their pixel size: 1 if it is isotropic; required for"
        " networks that take volumes",
    )
    background: Background = Field(
        "class",
        description="label 0 is: a class of its own, unlabeled pixels, the boundary between objects (membranes), or"
        " absent (dense labels)",
    )
    widen_borders: bool = Field(
        False, description="pixels at the border of two objects, within each plane, become boundary (method.md, 4)"
    )
    foreground_weight: float = Field(1.0, ge=0, description="weight of the foreground loss against labels")
    optim: OptimConfig = OptimConfig()
    augment: AugmentConfig = AugmentConfig()
    normalization: NormalizationConfig = NormalizationConfig()
    pixel_size: float | None = Field(
        None, gt=0, description="pixel size of the training images in micrometers, stored in the model"
    )
    validate_every: int = Field(250, ge=1, description="steps between validations")
    patience: int = Field(0, ge=0, description="validations without a better score before stopping, 0 to never stop")
    min_size: int = Field(0, ge=0, description="objects with fewer pixels are ignored in the scores")
    seed: int = Field(0, ge=0, description="seed of all random numbers")
    device: str = Field("auto", description="auto, cpu, cuda, mps")
    devices: int = Field(1, ge=1, description="number of devices for data-parallel training")
    workers: int = Field(
        0,
        ge=0,
        description="processes that draw patches ahead for a GPU; each holds a copy of the images. Not used on a CPU,"
        " in a notebook or in the window; a script of yours needs Python's main guard",
    )
    precision: Literal["auto", "f32", "bf16"] = Field("auto", description="auto: bf16 if the device supports it")
    checkpoint_every: float = Field(60.0, gt=0, description="seconds between checkpoints")

    @model_serializer(mode="wrap")
    def _as_before(self, standard: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        return without_defaults(self, standard(self), info, ("patch_depth", "anisotropy", "widen_borders"))


class LossWeights(Config):
    """Weights of the terms (method.md, section 11, clean inter-image terms)."""

    affinity: float = Field(1.0, ge=0, description="affinities against labels")
    agd: float = Field(10.0, ge=0, description="affinity graph, within an image")
    agd_balanced: bool = Field(
        False,
        description="weight the rare (repulsive) pairs in agd as the labels do; the paper weights all pairs equally;"
        " soft affinities are always weighted so",
    )
    node: float = Field(0.1, ge=0, description="instance graph nodes, within an image")
    edge: float = Field(0.1, ge=0, description="instance graph edges, within an image")
    agd_inter: float = Field(4.0, ge=0, description="affinity graph, across images")
    igd_inter: float = Field(1.0, ge=0, description="instance graph edges, across images")
    teacher_foreground: float = Field(1.0, ge=0, description="foreground against the teacher's probability")


class BankConfig(Config):
    """The memory bank of past teacher images (method.md, section 8)."""

    capacity: int = Field(32, ge=1, description="maximum number of entries; the oldest are dropped first")
    sample: int = Field(12, ge=1, description="entries drawn for each step")


class AssistantConfig(Config):
    """The embedding network trained from a teacher without embeddings, which then acts as the teacher."""

    use: bool = Field(
        True,
        description="train a larger network from a teacher without embeddings and use it as the teacher;"
        " else labels and soft affinities are distilled into the student directly",
    )
    network: NetworkConfig = NetworkConfig(widths=(16, 32, 64, 128, 256))
    steps: int = Field(1500, ge=1, description="optimizer steps of the assistant")


class DistillConfig(TrainConfig):
    """Distillation of a student from a teacher."""

    weights: LossWeights = LossWeights()
    bank: BankConfig = BankConfig()
    assistant: AssistantConfig = AssistantConfig()
    online: bool = Field(
        False,
        description="let the teacher predict each augmented patch, instead of caching predictions of whole images;"
        " faster on a GPU; for a teacher that is a model of the same scale",
    )
    confidence: float = Field(
        0.0,
        ge=0,
        le=1,
        description="minimum agreement of the teacher's instances under test-time augmentation (IoU), below which they"
        " are ignored; needs four forward passes, 0 to keep all",
    )
    labeled_share: float = Field(
        0.5,
        ge=0,
        lt=1,
        serialization_alias="labelled_share",
        description="share of the patches from labeled images if few are labeled; 0 to sample all images uniformly",
    )


class FineTuneConfig(Config):
    """Fine-tuning on a few corrected objects, within a time limit for interactive use."""

    mode: Literal["these_images", "keep"] = Field(
        "these_images",
        description="these_images: for images like the corrected ones; keep: stay as good on images of the model's own"
        " kind, which are rehearsed",
    )
    train: Literal["auto", "all", "decoder"] = Field(
        "auto",
        description="what is trained: the whole network, or only the last layers of its decoder, from features that"
        " are computed once; auto: the latter for networks of more than a million parameters",
    )
    seconds: float | None = Field(
        60.0, gt=0, description="time limit in seconds; None: only the steps limit it (reproducible)"
    )
    steps: int = Field(400, ge=1, description="maximum number of optimizer steps, those of the trials included")
    lr: float = Field(4e-3, gt=0, description="peak learning rate")
    batch: int = Field(4, ge=2, description="patches in a step, including rehearsal")
    patch: int = Field(96, ge=32, description="side of a patch in pixels of the network's grid")
    rehearsal: float = Field(
        0.5,
        ge=0,
        lt=1,
        serialization_alias="replay",
        description="share of the patches for rehearsal of what the original model predicts, where there is something"
        " to rehearse; 0 for none",
    )
    blend: float = Field(
        1.0,
        gt=0,
        le=1,
        description="largest interpolation between the original (0) and the fine-tuned (1) weights; held-out objects"
        " decide whether less is better",
    )
    object_diameter: Annotated[float, Field(gt=0)] | Literal["auto"] | None = Field(
        "auto",
        description="typical object diameter in the corrected images in pixels; they are rescaled to that of the"
        " training images. auto: the median of the corrected objects; None: no rescaling",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    threads: int = Field(0, ge=0, description="CPU threads, 0 for all")
    seed: int = Field(0, ge=0, description="seed of all random numbers")


class TeachConfig(Config):
    """Teaching a teacher by corrections, and distilling a student from it."""

    fine_tune: FineTuneConfig = FineTuneConfig(seconds=180.0)
    distill: DistillConfig = DistillConfig(minutes=5.0)
