"""Imports what workers on this computer need, once, before they are forked: they share its memory and start at once.

Imports start no thread, so that forking is safe after them.
"""

from contextlib import suppress

import dask.array
import torch.jit
import zarr

import napari_grd.blockwise.block_work
from napari_grd.inference.openvino_graph import openvino

__all__ = ["dask", "napari_grd", "torch", "zarr"]

with suppress(ImportError):  # workers use torch then
    openvino()
