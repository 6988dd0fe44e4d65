"""ENet, a light network of bottlenecks (Paszke et al., arXiv 1606.02147; method.md, section 1.3)."""

from functools import partial

import torch
from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

WIDTHS = (16, 64, 128)
_Activation = type[nn.PReLU] | type[nn.ReLU]


def _unit(conv: nn.Module, channels: int, activation: _Activation) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(channels), activation())


class Bottleneck(nn.Module):
    """Narrow to a quarter with 1x1, convolve, widen with 1x1, beside the identity.

    Parameters
    ----------
    channels : int
        Channels in and out.
    dilation : int, default 1
        Dilation of the 3x3 convolution.
    asymmetric : bool, default False
        A 5x1 and a 1x5 convolution in place of the 3x3.
    dropout : float, default 0.1
        Probability of dropping a whole channel of the branch.
    activation : type, default nn.PReLU
        The encoder learns its slopes, the decoder does not.
    """

    def __init__(
        self,
        channels: int,
        *,
        dilation: int = 1,
        asymmetric: bool = False,
        dropout: float = 0.1,
        activation: _Activation = nn.PReLU,
    ) -> None:
        super().__init__()
        inner = channels // 4
        conv = partial(nn.Conv2d, bias=False)
        if asymmetric:
            tall, wide = conv(inner, inner, (5, 1), padding=(2, 0)), conv(inner, inner, (1, 5), padding=(0, 2))
            middle = nn.Sequential(_unit(tall, inner, activation), _unit(wide, inner, activation))
        else:
            middle = _unit(conv(inner, inner, 3, padding=dilation, dilation=dilation), inner, activation)
        self.branch = nn.Sequential(
            _unit(conv(channels, inner, 1), inner, activation),
            middle,
            conv(inner, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Dropout2d(dropout),
        )
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x + self.branch(x))
        return y


class Down(nn.Module):
    """Bottleneck that halves the resolution; also returns the positions of the maxima."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        inner = in_channels // 4
        conv = partial(nn.Conv2d, bias=False)
        self.branch = nn.Sequential(
            _unit(conv(in_channels, inner, 2, stride=2), inner, nn.PReLU),
            _unit(conv(inner, inner, 3, padding=1), inner, nn.PReLU),
            conv(inner, out_channels, 1),
            nn.BatchNorm2d(out_channels),
            nn.Dropout2d(dropout),
        )
        self.extra = out_channels - in_channels
        self.activation = nn.PReLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, where = _cells(x).max(dim=2)
        padded = nn.functional.pad(pooled, (0, 0, 0, 0, 0, self.extra))
        return self.activation(padded + self.branch(x)), where


class Up(nn.Module):
    """Bottleneck that doubles the resolution by unpooling to the positions of the maxima."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        inner = in_channels // 4
        conv = partial(nn.Conv2d, bias=False)
        self.main = nn.Sequential(conv(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels))
        raised = nn.ConvTranspose2d(inner, inner, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.branch = nn.Sequential(
            _unit(conv(in_channels, inner, 1), inner, nn.ReLU),
            _unit(raised, inner, nn.ReLU),
            conv(inner, out_channels, 1),
            nn.BatchNorm2d(out_channels),
            nn.Dropout2d(0.1),
        )

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        # As max_unpool2d, which neither OpenVINO nor deterministic CUDA has.
        chosen = where.unsqueeze(2) == torch.arange(4, device=x.device).view(4, 1, 1)
        main = nn.functional.pixel_shuffle((self.main(x).unsqueeze(2) * chosen).flatten(1, 2), 2)
        return torch.relu(main + self.branch(x))


def _cells(x: Tensor) -> Tensor:
    """``(B, C, H, W)`` as 2x2 cells, ``(B, C, 4, H/2, W/2)``."""
    b, c, h, w = x.shape
    return nn.functional.pixel_unshuffle(x, 2).view(b, c, 4, h // 2, w // 2)


class Initial(nn.Module):
    """Half resolution at once: a strided convolution beside the max-pooled image."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        # An image with more channels than the block is not concatenated, because no channels would be left for the
        # convolution.
        self.pass_image = in_channels < out_channels
        filters = out_channels - in_channels * self.pass_image
        self.conv = nn.Conv2d(in_channels, filters, 3, stride=2, padding=1, bias=False)
        self.norm = nn.Sequential(nn.BatchNorm2d(out_channels), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.pass_image:
            y = torch.cat([y, nn.functional.max_pool2d(x, 3, stride=2, padding=1)], dim=1)
        out: Tensor = self.norm(y)
        return out


def _context(channels: int) -> list[nn.Module]:
    """The eight bottlenecks of increasing dilation shared by stages 2 and 3 of the paper."""
    return [
        Bottleneck(channels),
        Bottleneck(channels, dilation=2),
        Bottleneck(channels, asymmetric=True),
        Bottleneck(channels, dilation=4),
        Bottleneck(channels),
        Bottleneck(channels, dilation=8),
        Bottleneck(channels, asymmetric=True),
        Bottleneck(channels, dilation=16),
    ]


class ENet(nn.Module):
    """Large encoder at 1/8 resolution, small decoder.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 3 int
        Channels at 1/2, 1/4 and 1/8 resolution, not decreasing.

    Notes
    -----
    As in its paper, with all eight bottlenecks of stage 3. Sides of the input must be multiples
    of 8.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.initial = Initial(in_channels, half)
        self.down1 = Down(half, quarter, dropout=0.01)
        self.stage1 = nn.Sequential(*(Bottleneck(quarter, dropout=0.01) for _ in range(4)))
        self.down2 = Down(quarter, eighth, dropout=0.1)
        self.stage2 = nn.Sequential(*_context(eighth))
        self.stage3 = nn.Sequential(*_context(eighth))
        self.up4 = Up(eighth, quarter)
        self.stage4 = nn.Sequential(*(Bottleneck(quarter, activation=nn.ReLU) for _ in range(2)))
        self.up5 = Up(quarter, half)
        self.stage5 = Bottleneck(half, activation=nn.ReLU)
        self.head = nn.ConvTranspose2d(half, out_channels, 2, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x, where_half = self.down1(self.initial(x))
        x, where_quarter = self.down2(self.stage1(x))
        x = self.stage3(self.stage2(x))
        x = self.stage4(self.up4(x, where_quarter))
        x = self.stage5(self.up5(x, where_half))
        out: Tensor = self.head(x)
        return out


@register("enet", stride=8)
def enet(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = WIDTHS) -> nn.Module:
    """ENet: 3 widths of at least 4, light, large receptive field."""
    widths = checked_widths("enet", widths, 3, smallest=4)
    if list(widths) != sorted(widths):
        raise ValueError(f"widths are {widths}, and must not decrease")
    return ENet(in_channels, out_channels, widths)
