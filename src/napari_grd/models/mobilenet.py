"""MobileNetV2 at output stride 8 (Sandler et al., CVPR 2018; method.md, section 1.3)."""

from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

WIDTHS = (32, 16, 24, 32, 64, 96, 160, 320, 1280)
# Expansion, repeats and stride of the seven groups of blocks. Two strides of the paper are 1
# here: at a stride of 32 a nucleus would vanish.
_GROUPS = ((1, 1, 1), (6, 2, 1), (6, 3, 2), (6, 4, 1), (6, 3, 1), (6, 3, 2), (6, 1, 1))


def scaled_widths(multiplier: float) -> tuple[int, ...]:
    """The standard widths times a factor, rounded to multiples of 8 (the paper's width multiplier).

    Parameters
    ----------
    multiplier : float
        Positive; 1 is the standard network. The last width does not fall below 1280.

    Returns
    -------
    tuple of int
        What ``build("mobilenetv2", widths=...)`` takes.

    Examples
    --------
    >>> scaled_widths(0.5)
    (16, 8, 16, 16, 32, 48, 80, 160, 1280)
    """
    *inner, last = WIDTHS
    return (*(_round_to_eight(width * multiplier) for width in inner), _round_to_eight(last * max(1.0, multiplier)))


def _round_to_eight(width: float) -> int:
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Widen with 1x1, filter each channel with 3x3, narrow with 1x1 and no activation."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.layers = nn.Sequential(
            *([_conv(in_channels, hidden, 1)] if expansion > 1 else []),
            _conv(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """MobileNetV2 features, a 1x1 head, and bilinear up-sampling to the size of the input.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 9 int
        Channels of the stem, of the seven groups of blocks and of the last 1x1 convolution.

    Notes
    -----
    Sides of the input must be multiples of 8. The output is made at 1/8 resolution, so objects
    closer than about 8 pixels share an embedding.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        stem, *groups, last = widths
        layers: list[nn.Module] = [_conv(in_channels, stem, 3, stride=2)]
        channels = stem
        for width, (expansion, repeats, stride) in zip(groups, _GROUPS, strict=True):
            for repeat in range(repeats):
                layers.append(InvertedResidual(channels, width, expansion, stride if repeat == 0 else 1))
                channels = width
        layers.append(_conv(channels, last, 1))
        self.features = nn.Sequential(*layers)
        self.head = nn.Conv2d(last, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.head(self.features(x)), scale_factor=8, mode="bilinear")


@register("mobilenetv2", stride=8)
def mobilenetv2(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = WIDTHS) -> nn.Module:
    """MobileNetV2: 9 widths, see :func:`scaled_widths` for a multiplier."""
    return MobileNetV2(in_channels, out_channels, checked_widths("mobilenetv2", widths, 9))
