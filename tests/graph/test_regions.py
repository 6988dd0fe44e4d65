"""Fragments, the region graph, agglomeration and multicut, against independent implementations."""

import builtins
from itertools import product

import numpy as np
import pytest
from bioimage_cpp.graph import features, region_adjacency_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tests.graph.test_partition import blobs, components, noisy_embedding, perfect_affinities, same_partition

from napari_grd.config import PartitionConfig
from napari_grd.errors import ConfigError, ImageError
from napari_grd.graph import parallel
from napari_grd.graph.agglomeration import agglomerate
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.fragments import watershed_fragments
from napari_grd.graph.multicut import multicut
from napari_grd.graph.offsets import OFFSETS_2D, OFFSETS_3D, default_offsets
from napari_grd.graph.partition import partition, partition_embedding
from napari_grd.graph.region_graph import RegionGraph, connected, region_graph
from napari_grd.graph.volume import as_triple, as_vectors, as_volume
from napari_grd.metrics.scores import evaluate

RAW = PartitionConfig(min_size=0, fragment_ratio=0, max_hole=0)
few = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**32 - 1)
shapes = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 8), st.integers(1, 14), st.integers(1, 14)),
)
methods = st.sampled_from(["agglomeration", "multicut"])
places = st.sampled_from(["volume", "slices"])


def strong_components(affinities, offsets, mask):
    """Pixels that affinities of at least one half connect, as a slow loop over all edges."""
    numbers = np.arange(mask.size).reshape(mask.shape)
    ends = []
    for k, offset in enumerate(offsets[: mask.ndim]):
        here = tuple(slice(-o, None) for o in offset)
        there = tuple(slice(None, n + o) for o, n in zip(offset, mask.shape, strict=True))
        kept = mask[here] & mask[there] & (affinities[(k, *here)] >= 0.5)
        ends.append(np.stack([numbers[here][kept], numbers[there][kept]]))
    a, b = np.concatenate(ends, axis=1)
    joins = coo_array((np.ones(len(a)), (a, b)), shape=(mask.size, mask.size))
    pieces = connected_components(joins, directed=False)[1].reshape(mask.shape) + 1
    return np.where(mask, pieces, 0)


def fragments_of(affinities, offsets, mask, *, planar=False, min_size=1):
    near = as_volume(affinities[: mask.ndim].astype(np.float32), mask.ndim, axis=1)
    found = watershed_fragments(near, as_vectors(offsets), as_volume(mask, mask.ndim), planar=planar, min_size=min_size)
    return found.reshape(mask.shape)


def random_graph(rng, count, density=0.6):
    pairs = [(a, b) for a in range(1, count) for b in range(a + 1, count) if rng.random() < density]
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    size = rng.integers(1, 20, len(edges)).astype(float)
    return RegionGraph(np.arange(count), count, edges, rng.random(len(edges)), size, np.zeros(len(edges), bool))


def slow_agglomeration(graph, bias):
    """Merge the pair with the highest mean until it is at most one half, by the definition."""
    edges = {
        (int(a), int(b)): [affinity * size, size]
        for (a, b), affinity, size in zip(graph.edges, graph.affinity, graph.size, strict=True)
    }
    clusters = np.arange(graph.count)
    while edges:
        (a, b), (total, size) = max(edges.items(), key=lambda item: item[1][0] / item[1][1])
        if total / size + bias <= 0.5:
            break
        clusters[clusters == b] = a
        merged = {}
        for (u, v), (more, pairs) in edges.items():
            ends = tuple(sorted((a if u == b else u, a if v == b else v)))
            if ends[0] != ends[1]:
                known = merged.setdefault(ends, [0.0, 0.0])
                known[0] += more
                known[1] += pairs
        edges = merged
    return clusters


def cut_cost(graph, clusters, bias=0.0):
    affinity = np.clip(graph.affinity + bias, 1e-3, 1 - 1e-3)
    costs = np.log(affinity / (1 - affinity)) * graph.size
    return costs[clusters[graph.edges[:, 0]] != clusters[graph.edges[:, 1]]].sum()


@few
@given(shapes, seeds, methods, places, st.integers(1, 7))
def test_perfect_affinities_give_the_labels_back(shape, seed, method, fragments, stride):
    labels = blobs(np.random.default_rng(seed), shape)
    offsets = default_offsets(len(shape))
    config = RAW.replace(method=method, fragments=fragments, stride=stride)
    result = partition(perfect_affinities(labels, offsets), offsets, labels > 0, config)
    np.testing.assert_array_equal(result, components(labels))


@few
@given(shapes, seeds, methods, places)
def test_perfect_affinities_without_background(shape, seed, method, fragments):
    labels = blobs(np.random.default_rng(seed), shape, background=False)
    offsets = default_offsets(len(shape))
    config = RAW.replace(method=method, fragments=fragments)
    np.testing.assert_array_equal(
        partition(perfect_affinities(labels, offsets), offsets, None, config), components(labels)
    )


@pytest.mark.parametrize("method", ["agglomeration", "multicut"])
@pytest.mark.parametrize("fragments", ["volume", "slices"])
def test_thin_neurites_survive_the_smallest_size(method, fragments):
    """A neurite of 2 x 2 pixels is below the smallest size in every slice, not as a whole."""
    labels = np.ones((12, 20, 20), int)
    labels[:, 9:11, 9:11] = 2
    affinities = perfect_affinities(labels, OFFSETS_3D)
    config = PartitionConfig(method=method, fragments=fragments, min_size=16)
    np.testing.assert_array_equal(partition(affinities, OFFSETS_3D, None, config), labels)


@few
@given(shapes, seeds, methods, places, st.booleans(), st.sampled_from([0, 16]))
def test_every_pixel_of_the_foreground_is_in_one_connected_object(shape, seed, method, fragments, masked, min_size):
    rng = np.random.default_rng(seed)
    labels, offsets = blobs(rng, shape), default_offsets(len(shape))
    foreground = rng.random(shape) < 0.7 if masked else None
    config = RAW.replace(method=method, fragments=fragments, min_size=min_size)
    result = partition_embedding(noisy_embedding(rng, labels, 1.5), offsets, foreground, config)
    np.testing.assert_array_equal(components(result), result)
    inside = np.ones(shape, bool) if foreground is None else foreground
    pieces, _ = ndimage.label(inside)
    kept = np.bincount(pieces.ravel()) >= min_size
    np.testing.assert_array_equal(result > 0, kept[pieces] & inside)


@few
@given(shapes, seeds, methods, places)
def test_the_embedding_path_equals_the_affinities_path(shape, seed, method, fragments):
    rng = np.random.default_rng(seed)
    labels, offsets = blobs(rng, shape), default_offsets(len(shape))
    embedding = noisy_embedding(rng, labels)
    config = PartitionConfig(method=method, fragments=fragments, stride=2, bias=0.1)
    expected = partition(affinities_channels_last(embedding, offsets), offsets, None, config)
    np.testing.assert_array_equal(partition_embedding(embedding, offsets, None, config), expected)


@few
@given(shapes, seeds, st.booleans())
def test_fragments_stay_within_strong_edges(shape, seed, planar):
    rng = np.random.default_rng(seed)
    offsets = default_offsets(len(shape))
    affinities = rng.random((len(offsets), *shape)).astype(np.float32) ** 0.3
    mask = rng.random(shape) < 0.9
    found = fragments_of(affinities, offsets, mask, planar=planar)
    np.testing.assert_array_equal(found > 0, mask)
    np.testing.assert_array_equal(components(found), found)
    # Each fragment is in one component of the strong edges: none was joined across a weak one.
    inside = found > 0
    pairs = np.unique(np.stack([found[inside], strong_components(affinities, offsets, mask)[inside]]), axis=1)
    assert len(pairs.T) == found.max()


def test_fragments_of_slices_stay_in_them():
    labels = np.ones((4, 30, 30), int)
    affinities = perfect_affinities(labels, OFFSETS_3D)
    mask = np.ones(labels.shape, bool)
    assert fragments_of(affinities, OFFSETS_3D, mask).max() == 1
    planar = fragments_of(affinities, OFFSETS_3D, mask, planar=True)
    assert planar.max() == 4
    assert (planar == np.arange(1, 5)[:, None, None]).all()


@few
@given(shapes, seeds)
def test_the_region_graph_equals_an_independent_one(shape, seed):
    rng = np.random.default_rng(seed)
    offsets, ndim = default_offsets(len(shape)), len(shape)
    fragments = components(blobs(rng, shape, count=20, background=False)).astype(np.int32)
    affinities = rng.random((len(offsets), *shape)).astype(np.float32)
    near, far = (as_volume(part, ndim, axis=1) for part in (affinities[:ndim], affinities[ndim:]))
    volume, vectors, strides = as_volume(fragments, ndim), as_vectors(offsets), as_triple((1,) * ndim, 1)
    graph = region_graph(volume, near, far[:0], vectors[:ndim], strides)
    expected = region_adjacency_graph(fragments)
    np.testing.assert_array_equal(graph.edges, expected.uv_ids().reshape(-1, 2))
    if not len(graph.edges):
        return
    mean, size = features.affinity_features(expected, fragments, affinities[:ndim], offsets[:ndim]).T
    np.testing.assert_allclose(graph.affinity, mean, rtol=1e-6)
    np.testing.assert_array_equal(graph.size, size)
    # With pairs farther apart, direct neighbors count little.
    both = region_graph(volume, near, far, vectors, strides)
    np.testing.assert_array_equal(both.edges, graph.edges)
    mean_of_all, all_pairs = features.affinity_features(expected, fragments, affinities, offsets).T
    np.testing.assert_allclose(both.size, all_pairs - 0.99 * size)
    np.testing.assert_allclose(both.affinity * both.size, mean_of_all * all_pairs - 0.99 * mean * size, rtol=1e-5)


@few
@given(seeds, st.integers(2, 12), st.sampled_from([-0.2, 0.0, 0.2]))
def test_agglomeration_equals_its_definition(seed, count, bias):
    graph = random_graph(np.random.default_rng(seed), count)
    assert same_partition(agglomerate(graph, bias), slow_agglomeration(graph, bias))


def test_multicut_is_at_or_near_the_optimum_of_all_partitions():
    best, found = [], []
    for seed in range(20):
        graph = random_graph(np.random.default_rng(seed), 6)
        every = (np.array((0, 1, *rest)) for rest in product(range(1, 6), repeat=4))
        best.append(min(cut_cost(graph, clusters) for clusters in every))
        found.append(cut_cost(graph, multicut(graph, 0.0)))
    assert all(low <= cost + 1e-9 for low, cost in zip(best, found, strict=True))
    assert sum(found) <= 0.98 * sum(best) < 0  # costs are negative
    assert np.mean(np.isclose(best, found)) >= 0.8


@pytest.mark.parametrize("solve", [agglomerate, multicut])
def test_nodes_that_must_not_be_linked_stay_apart_along_any_way(solve):
    chain = np.array([[1, 2], [1, 4], [2, 3], [3, 4]])
    apart = np.array([False, True, False, False])
    graph = RegionGraph(np.arange(5), 5, chain, np.array([1.0, 1.0, 0.8, 1.0]), np.array([9.0, 0, 9, 9]), apart)
    clusters = solve(graph, 0.0)
    assert clusters[1] == clusters[2] != clusters[3] == clusters[4]


def test_a_cluster_in_two_places_is_two():
    graph = RegionGraph(np.arange(4), 4, np.array([[1, 2], [2, 3]]), np.ones(2), np.ones(2), np.zeros(2, bool))
    found = connected(graph, [0, 1, 2, 1])
    assert found[0] == 0
    assert len(set(found.tolist())) == 4


@few
@given(seeds, methods)
def test_bias_merges_and_splits(seed, method):
    rng = np.random.default_rng(seed)
    labels = blobs(rng, (40, 40), background=False)
    embedding = noisy_embedding(rng, labels, 1.0)
    few_, some, many = (
        partition_embedding(embedding, OFFSETS_2D, None, RAW.replace(method=method, bias=bias)).max()
        for bias in (0.4, 0.0, -0.4)
    )
    assert few_ <= some <= many
    assert few_ < many


@pytest.mark.parametrize("method", ["agglomeration", "multicut"])
@pytest.mark.parametrize("shape", [(48, 48), (12, 32, 32)])
def test_noise_is_withstood(method, shape):
    rng = np.random.default_rng(3)
    labels = blobs(rng, shape, count=6, background=False)
    embedding = np.eye(7, dtype=np.float32)[labels] + rng.normal(scale=0.2, size=(*shape, 7)).astype(np.float32)
    result = partition_embedding(embedding, default_offsets(len(shape)), None, PartitionConfig(method=method))
    assert evaluate(labels, result).arand < 0.05


@pytest.mark.parametrize("method", ["agglomeration", "multicut"])
@pytest.mark.parametrize("shape", [(64, 64), (24, 48, 48)])
def test_smooth_embeddings_are_separated(method, shape):
    """Affinities of direct neighbors are high everywhere, as with many networks: those farther apart tell."""
    rng = np.random.default_rng(5)
    labels = blobs(rng, shape, count=6, background=False)
    embedding = ndimage.gaussian_filter(np.eye(7, dtype=np.float32)[labels], (*(1,) * len(shape), 0))
    offsets = default_offsets(len(shape))
    near = affinities_channels_last(embedding, offsets[: len(shape)])
    assert near[(slice(None), *(slice(1, None),) * len(shape))].min() > 0.7
    result = partition_embedding(embedding, offsets, None, PartitionConfig(method=method))
    assert evaluate(labels, result).arand < 0.05


def test_a_plane_equals_a_volume_of_one_slice():
    rng = np.random.default_rng(0)
    labels = blobs(rng, (40, 40))
    embedding = noisy_embedding(rng, labels)
    volume_offsets = tuple((0, *offset) for offset in OFFSETS_2D)
    for method in ("agglomeration", "multicut"):
        config = PartitionConfig(method=method)
        plane = partition_embedding(embedding, OFFSETS_2D, labels > 0, config)
        volume = partition_embedding(
            embedding[None], ((-1, 0, 0), *volume_offsets[:2], *volume_offsets[2:]), labels[None] > 0, config
        )
        np.testing.assert_array_equal(volume[0], plane)


@pytest.mark.parametrize("method", ["mutex", "agglomeration", "multicut"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (1, 9, 9), (9, 1, 1), (2, 3, 4)])
def test_small_images(method, shape):
    offsets = default_offsets(len(shape))
    config = RAW.replace(method=method)
    affinities = np.ones((len(offsets), *shape), np.float32)
    assert (partition(affinities, offsets, None, config) == 1).all()
    assert not partition(affinities, offsets, np.zeros(shape), config).any()
    none = partition(np.zeros_like(affinities), offsets, None, config)
    np.testing.assert_array_equal(none, np.arange(1, none.size + 1).reshape(shape))


@pytest.mark.parametrize("method", ["agglomeration", "multicut"])
def test_bad_input_is_named(method):
    config = PartitionConfig(method=method)
    with pytest.raises(ImageError, match="affinities hold NaN"):
        partition(np.full((10, 6, 6), np.nan), OFFSETS_2D, None, config)
    with pytest.raises(ImageError, match="foreground values hold NaN"):
        partition(np.ones((10, 6, 6)), OFFSETS_2D, np.full((6, 6), np.nan), config)


def test_threads_do_not_change_the_labels(monkeypatch):
    rng = np.random.default_rng(0)
    labels = blobs(rng, (9, 40, 40))
    embedding = np.round(noisy_embedding(rng, labels))  # full of ties
    for fragments, method in product(("volume", "slices"), ("agglomeration", "multicut")):
        config = PartitionConfig(method=method, fragments=fragments)
        results = []
        for threads in (1, 2, 7):
            monkeypatch.setattr(parallel, "thread_count", lambda threads=threads: threads)
            results.append(partition_embedding(embedding, OFFSETS_3D, labels > 0, config))
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])


def test_a_missing_package_is_named(monkeypatch):
    load = builtins.__import__

    def without(name, *rest, **options):
        if name.startswith("bioimage_cpp"):
            raise ImportError(name)
        return load(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="need the package bioimage-cpp"):
        partition(np.ones((10, 6, 6)), OFFSETS_2D, None, PartitionConfig(method="multicut"))


def test_files_hold_only_what_was_changed():
    assert not {"method", "fragments"} & set(PartitionConfig().on_disk())
    changed = PartitionConfig(method="multicut", fragments="slices")
    assert changed.on_disk()["method"] == "multicut"
    assert PartitionConfig(**changed.on_disk()) == changed
    assert PartitionConfig().model_dump()["method"] == "mutex"
    assert changed.replace(method="mutex").method == "mutex"
