"""Channels-last outputs at no extra cost."""

import math
from typing import Any

import numpy as np

from napari_grd.inference.openvino_graph import openvino


def channels_last(graph: Any) -> Any:
    """Move the channels of an OpenVINO model's only output, ``(1, C, *S)``, to the end; the graph is changed.

    A transposition takes a fifth of the time of a small network, because OpenVINO copies the output twice. If the last
    layer is a convolution of 1 x 1 pixels, it is therefore written as a matrix product, ``(S, C_in) @ (C_in, C)``,
    which writes its result in the desired order. A sub-pixel convolution becomes two such products for each row of its
    input, one for each of the two rows of its output. The values are the same.
    """
    op = openvino().opset13
    last = graph.get_results()[0].input_value(0)
    return _ending_in(graph, _product(op, last) or _subpixel_product(op, last) or _transposed(op, last))


def transposed(graph: Any) -> Any:
    """The same as :func:`channels_last` by a transposition, which is the faster way for a graph of one size."""
    return _ending_in(graph, _transposed(openvino().opset13, graph.get_results()[0].input_value(0)))


def _ending_in(graph: Any, output: Any) -> Any:
    graph.get_results()[0].input(0).replace_source_output(output.output(0))
    graph.validate_nodes_and_infer_types()
    return graph


def _transposed(op: Any, last: Any) -> Any:
    rank = len(last.get_partial_shape())
    return op.transpose(last, op.constant(np.array([0, *range(2, rank), 1])))


def _product(op: Any, last: Any) -> Any | None:
    """A bias and a convolution of 1 x 1 pixels as a matrix product; None for anything else."""
    add = last.get_node()
    convolution = add.input_value(0).get_node() if add.get_type_name() == "Add" else None
    if convolution is None or convolution.get_type_name() != "Convolution":
        return None
    weights, bias = convolution.input_value(1).get_node(), add.input_value(1).get_node()
    if {weights.get_type_name(), bias.get_type_name()} != {"Constant"} or not _is_pointwise(convolution, weights):
        return None
    features = convolution.input_value(0)
    channels_out, channels_in, *pixel = weights.get_output_shape(0)
    spatial = list(range(2, 2 + len(pixel)))
    shape = op.shape_of(features)
    matrix = _variable(op, weights.get_data().reshape(channels_out, channels_in).T[None].copy(), shape)
    flat = op.reshape(features, op.constant([1, channels_in, -1]), False)
    product = op.add(op.matmul(flat, matrix, True, False), op.constant(bias.get_data().reshape(1, 1, -1)))
    sides = op.gather(shape, op.constant(spatial), op.constant(0))
    whole = op.concat([op.constant([1]), sides, op.constant([channels_out])], 0)
    return op.reshape(product, whole, False)


def _subpixel_product(op: Any, last: Any) -> Any | None:
    """A bias and a sub-pixel convolution as matrix products; None for anything else."""
    subpixel = _subpixel_convolution(last.get_node())
    if subpixel is None:
        return None
    convolution, factors = subpixel
    weights, bias = convolution.input_value(1).get_node().get_data(), last.get_node().input_value(1).get_node()
    features = convolution.input_value(0)
    ndim, channels_in = len(factors), weights.shape[1]
    channels_out = weights.shape[0] // math.prod(factors)
    # A row of the product is a row of the output: (C_out, rows..., column, C_in) to (rows..., C_in, column and C_out).
    rows = weights.reshape(channels_out, *factors, channels_in)
    rows = rows.transpose(*range(1, ndim), ndim + 1, ndim, 0).reshape(*factors[:-1], channels_in, -1)
    shape = op.shape_of(features)
    matrices = _variable(op, np.expand_dims(rows, [*range(0, 2 * ndim - 2, 2)]).copy(), shape)
    pixels = op.transpose(features, op.constant([2, 0, *range(3, 2 + ndim), 1]))  # in 2D (H, 1, W, C_in)
    if ndim > 2:
        pixels = op.unsqueeze(pixels, op.constant([*range(3, 2 * ndim - 1, 2)]))
    offsets = op.constant(np.tile(bias.get_data().reshape(-1), factors[-1]))
    product = op.add(op.matmul(pixels, matrices, False, False), offsets)
    spatial = op.gather(shape, op.constant([*range(2, 2 + ndim)]), op.constant(0))
    whole = op.concat([op.constant([1]), op.multiply(spatial, op.constant([*factors])), op.constant([channels_out])], 0)
    return op.reshape(product, whole, False)


def _subpixel_convolution(add: Any) -> tuple[Any, tuple[int, ...]] | None:
    """The convolution before a bias and a sub-pixel shuffle, and the sides of a cell; None for anything else.

    The shuffle is torch's `pixel_shuffle`, or `napari_grd.models.fast3d.voxel_shuffle`.
    """
    path = [add]
    for kind in ("Add", "Reshape", "Transpose", "Reshape", "Convolution"):
        if path[-1].get_type_name() != kind:
            return None
        path.append(path[-1].input_value(0).get_node())
    _, moved, transpose, split, convolution, _ = path
    weights, bias = convolution.input_value(1).get_node(), add.input_value(1).get_node()
    order = transpose.input_value(1).get_node()
    if {each.get_type_name() for each in (weights, bias, order)} != {"Constant"}:
        return None
    ndim = len(weights.get_output_shape(0)) - 2
    parts, whole = (list(node.get_output_partial_shape(0)) for node in (split, moved))
    if len(parts) != 2 + 2 * ndim or len(whole) != 2 + ndim or not _is_pointwise(convolution, weights):
        return None
    if not all(part.is_static for part in parts[2 : 2 + ndim]):
        return None
    factors = tuple(part.get_length() for part in parts[2 : 2 + ndim])
    channels = weights.get_output_shape(0)[0] // math.prod(factors)
    has_order = order.get_data().tolist() == [0, 1, *(n for axis in range(ndim) for n in (2 + ndim + axis, 2 + axis))]
    has_bias = [*bias.get_output_shape(0)][-ndim - 1 :] == [channels, *[1] * ndim]
    return (convolution, factors) if has_order and has_bias else None


def _variable(op: Any, values: Any, shape: Any) -> Any:
    """Values as the result of an operation: for a constant matrix OpenVINO would transpose the features first."""
    height = op.convert(op.gather(shape, op.constant([2]), op.constant(0)), "f32")
    nothing = op.multiply(height, op.constant(np.zeros(1, np.float32)))
    return op.add(op.constant(values), nothing)


def _is_pointwise(convolution: Any, weights: Any) -> bool:
    settings = convolution.get_attributes()
    steps, widths = settings["strides"], [*settings["pads_begin"], *settings["pads_end"]]
    return {*weights.get_output_shape(0)[2:], *steps} == {1} and not any(widths)
