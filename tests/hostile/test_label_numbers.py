"""A label may have any number that its type holds: memory goes by the pixels, never by the largest number."""

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_grd import api
from napari_grd.corrections.image import ImageRef
from napari_grd.data.simulate import nuclei_2d
from napari_grd.distillation.prepare import object_diameter, smallest_object
from napari_grd.errors import ImageError, LabelError
from napari_grd.graph.instances import instance_graph, instance_nodes

IMAGE, SMALL = nuclei_2d(np.random.default_rng(0), (96, 96))
LARGEST = [3_000_000_000, 2**60]


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """A gigabyte more than what is in use."""
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("the size of this process is not known here")
    used = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmSize")) * 1024
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def labels_with(number: int) -> np.ndarray:
    return np.where(SMALL == 1, number, SMALL.astype(np.int64))


@pytest.mark.parametrize("number", LARGEST)
def test_training_and_distilling(number: int) -> None:
    labels = labels_with(number)
    assert object_diameter([labels]) == object_diameter([SMALL])
    assert smallest_object([labels]) == smallest_object([SMALL])
    network = api.NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8)
    small: dict[str, Any] = {"steps": 1, "batch": 2, "patch": 32, "network": network}
    one = api.train([IMAGE], [labels], api.TrainConfig(**small), validation=0.0)
    other = api.train([IMAGE], [SMALL], api.TrainConfig(**small), validation=0.0)
    for name, value in one.network.state_dict().items():
        torch.testing.assert_close(value, other.network.state_dict()[name])
    api.distill(one, [IMAGE], config=api.DistillConfig(**small), labels=[labels], validation=0.0)


@pytest.mark.parametrize("number", LARGEST)
def test_measuring_scoring_and_writing(number: int, tmp_path: Path) -> None:
    labels = labels_with(number)
    assert api.measure(labels, {"nuclei": IMAGE}).columns["label"].max() == number
    assert api.evaluate(reference=SMALL, labels=labels).ap50 == 1
    assert api.filter_objects(labels, min_size=1).max() == number
    if number < 2**32:
        for kind in ("imagej", "geojson", "coco"):
            assert api.export_objects(labels, tmp_path / kind, kind).stat().st_size > 0
    known = api.training_labels(api.Corrections(ImageRef(labels.shape)), labels)
    assert (known == -1).all()


def test_graphs_know_the_objects_by_their_order() -> None:
    embedding = np.random.default_rng(0).random((2, *SMALL.shape), np.float32)
    few = instance_graph(SMALL, embedding)
    many = instance_graph(np.where(SMALL > 0, SMALL.astype(np.int64) + 2**60, 0), embedding)
    np.testing.assert_array_equal(few.ids + 2**60, many.ids)
    np.testing.assert_allclose(few.nodes, many.nodes)
    beyond = np.where(SMALL == 1, np.uint64(2**64 - 1), SMALL.astype(np.uint64))
    assert 1 not in instance_graph(beyond, embedding).ids


def test_a_batch_with_numbers_that_would_run_over() -> None:
    labels = torch.tensor([[[2**62, 0, 5]], [[2**62 + 1, 2**62 + 1, 3]], [[0, 0, 0]]])
    embedding = torch.arange(9.0).reshape(3, 1, 1, 3)
    nodes = instance_nodes(embedding, labels)
    assert [node[:, 0].tolist() for node in nodes] == [[2.0, 0.0], [5.0, 3.5], []]
    full = instance_nodes(embedding[:1], torch.tensor([[[2**62, 2**62, 7]]]))
    assert full[0][:, 0].tolist() == [2.0, 0.5]


def test_numbers_that_no_type_of_ours_holds() -> None:
    labels = np.where(SMALL == 1, np.uint64(2**64 - 1), SMALL.astype(np.uint64))
    with pytest.raises(LabelError, match="18446744073709551615"):
        api.train([IMAGE], [labels], api.TrainConfig(patch=32))


def test_images_to_measure_have_names() -> None:
    with pytest.raises(ImageError, match=r"are a ndarray.*\{'actin': image\}"):
        api.measure(SMALL, IMAGE)  # type: ignore[arg-type]
