import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_grd.distillation.losses import inter_affinity_distillation, inter_edge_distillation
from napari_grd.distillation.memory_bank import BankEntry, MemoryBank, bank_entries, condense_nodes, pool_embedding
from napari_grd.graph.instances import instance_nodes


def entry(number, nodes=2, channels=3):
    return BankEntry(torch.full((nodes, channels), float(number)), number * torch.eye(channels), number)


def numbers(entries):
    return [e.count for e in entries]


def test_the_oldest_entries_go_first():
    bank = MemoryBank(capacity=4, sample=4)
    bank.push(entry(i) for i in range(6))
    assert sorted(numbers(bank.draw())) == [2, 3, 4, 5]


def test_draws_are_without_replacement_and_repeatable():
    bank = MemoryBank(capacity=8, sample=3)
    assert bank.draw() == []
    bank.push([entry(1), entry(2)])
    assert sorted(numbers(bank.draw())) == [1, 2]
    bank.push(entry(i) for i in range(3, 9))
    draws = [numbers(bank.draw(torch.Generator().manual_seed(seed))) for seed in (*range(10), 0)]
    assert all(len(set(draw)) == 3 for draw in draws)
    assert draws[0] == draws[-1]
    assert len({tuple(draw) for draw in draws}) > 5


def test_entries_hold_no_graph_and_no_batch():
    nodes = torch.ones(100, 3, requires_grad=True)
    bank = MemoryBank()
    bank.push([BankEntry((2 * nodes)[:4], torch.eye(3).bfloat16(), 7)])
    (kept,) = bank.draw()
    assert not kept.nodes.requires_grad
    assert kept.nodes.untyped_storage().nbytes() == 4 * 3 * 4
    assert kept.gram.dtype == torch.float32


@pytest.mark.parametrize("counts", [(), (2, 0, 5)])
def test_the_state_survives_a_safetensors_file(tmp_path, counts):
    bank = MemoryBank(capacity=4, sample=4)
    bank.push(entry(i + 1, nodes=n) for i, n in enumerate(counts))
    save_file(bank.state_dict(), tmp_path / "bank.safetensors")
    restored = MemoryBank(capacity=4, sample=4)
    restored.push([entry(9)])
    restored.load_state_dict(load_file(tmp_path / "bank.safetensors"))
    before, after = (b.draw(torch.Generator().manual_seed(1)) for b in (bank, restored))
    assert numbers(after) == numbers(before)
    for a, b in zip(after, before, strict=True):
        assert torch.equal(a.nodes, b.nodes)
        assert torch.equal(a.gram, b.gram)


@pytest.mark.parametrize(("shape", "window"), [((20, 15), (7, 7)), ((5, 3), (7, 7)), ((4, 9, 7), (3, 7, 7))])
def test_pooling_averages_the_unit_embeddings_that_exist(shape, window):
    embedding = torch.randn(2, 4, *shape)
    unit = embedding / embedding.norm(dim=1, keepdim=True)
    starts = torch.cartesian_prod(*(torch.arange(0, n, w) for n, w in zip(shape, window, strict=True))).tolist()
    blocks = [
        unit[(..., *(slice(a, a + w) for a, w in zip(start, window, strict=True)))].flatten(2).mean(2)
        for start in starts
    ]
    torch.testing.assert_close(pool_embedding(embedding), torch.stack(blocks, dim=2))


@pytest.mark.parametrize("shape", [(30, 40), (4, 16, 20)], ids=["2d", "3d"])
def test_compressed_entries_give_the_numbers_of_whole_images(shape):
    generator = torch.Generator().manual_seed(0)
    past, student, teacher = (torch.randn(n, 8, *shape, generator=generator) for n in (3, 2, 2))
    past_labels, labels = (torch.randint(0, 30, (n, *shape), generator=generator) for n in (3, 2))
    bank = MemoryBank(capacity=3, sample=3)
    bank.push(bank_entries(pool_embedding(past), instance_nodes(past, past_labels)))
    drawn = bank.draw(generator)

    p_m, p_s, p_t = (pool_embedding(e) for e in (past, student, teacher))
    naive = torch.stack([(m.T @ p_s - m.T @ p_t).square().mean((1, 2)) for m in p_m]).mean()
    compressed = inter_affinity_distillation(p_s, p_t, [e.gram for e in drawn], [e.count for e in drawn])
    torch.testing.assert_close(compressed, naive, rtol=1e-6, atol=1e-6)

    v_m, v_s, v_t = (instance_nodes(e, m) for e, m in ((past, past_labels), (student, labels), (teacher, labels)))
    cos = torch.nn.functional.cosine_similarity
    naive = torch.stack(
        [
            (cos(s[:, None], u, dim=2) - cos(t[:, None], u, dim=2)).square().mean()
            for s, t in zip(v_s, v_t, strict=True)
            for u in v_m
        ]
    ).mean()
    compressed = inter_edge_distillation(v_s, v_t, [e.nodes for e in drawn])
    torch.testing.assert_close(compressed, naive, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("count", "channels"), [(3, 8), (40, 8), (500, 16), (40, 5)])
def test_condensed_nodes_give_the_same_edges(count, channels):
    generator = torch.Generator().manual_seed(0)
    nodes, student, teacher = (3 * torch.randn(n, channels, generator=generator) for n in (count, 6, 6))
    few = condense_nodes(nodes)
    assert len(few) <= max(2 * channels, 3)
    expected = inter_edge_distillation([student], [teacher], [nodes])
    torch.testing.assert_close(inter_edge_distillation([student], [teacher], [few]), expected, rtol=1e-6, atol=1e-6)


def test_a_full_bank_stays_small_however_many_instances():
    bank = MemoryBank(capacity=32)
    bank.push(bank_entries(torch.randn(32, 16, 100), torch.randn(32, 200, 16).unbind()))
    size = sum(tensor.nbytes for tensor in bank.state_dict().values())
    assert len(bank) == 32
    assert size <= 256 * 1024
