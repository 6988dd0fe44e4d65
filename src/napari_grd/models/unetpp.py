"""U-Net++, a U-Net with nested skips (Zhou et al., DLMIA 2018; method.md, section 1.3)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

WIDTHS = (64, 128, 256, 512, 1024)


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class UNetPlusPlus(nn.Module):
    """Encoder-decoder in which every skip is itself a small decoder.

    Node (i, j) has resolution 1/2^i. Column 0 is the encoder; inputs of node (i, j) are all earlier nodes of its row
    and the up-sampled node below::

        (0,0) (0,1) (0,2) (0,3) (0,4) -> head
        (1,0) (1,1) (1,2) (1,3)
        (2,0) (2,1) (2,2)
        (3,0) (3,1)
        (4,0)

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 5 int
        Channels at full, 1/2, 1/4, 1/8 and 1/16 resolution.

    Notes
    -----
    Without deep supervision: the head reads the last node only. Sides of the input must be
    multiples of 16.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(_block(a, b) for a, b in pairwise((in_channels, *widths)))
        self.decoders = nn.ModuleList(
            nn.ModuleList(_block(column * width + lower, width) for width, lower in pairwise(widths[: 6 - column]))
            for column in range(1, 5)
        )
        self.head = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        nodes: list[list[Tensor]] = []  # by row
        for row, block in enumerate(self.encoder):
            x = block(nn.functional.max_pool2d(x, 2) if row else x)
            nodes.append([x])
        for column in self.decoders:
            below = [row[-1] for row in nodes[1:]]
            nodes.pop()  # each column is one row shorter
            for earlier, block, lower in zip(nodes, column.children(), below, strict=True):
                raised = nn.functional.interpolate(lower, scale_factor=2, mode="bilinear")
                earlier.append(block(torch.cat([*earlier, raised], dim=1)))
        out: Tensor = self.head(nodes[0][-1])
        return out


@register("unet++", stride=16)
def unetpp(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = WIDTHS) -> nn.Module:
    """U-Net++: 5 widths, 64..1024 as a teacher."""
    return UNetPlusPlus(in_channels, out_channels, checked_widths("unet++", widths, 5))
