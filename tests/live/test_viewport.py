from hypothesis import given
from hypothesis import strategies as st

from napari_grd.inference.source import choose_level
from napari_grd.live.viewport import Viewport, central_part, visible_region

sizes = st.integers(1, 3000)
corners = st.floats(-4000, 4000)
factors = st.sampled_from([1.0, 2.0, 3.7, 8.0])


@given(st.tuples(corners, corners), st.tuples(corners, corners), factors, st.tuples(sizes, sizes), st.integers(1, 64))
def test_the_region_holds_what_is_visible_and_little_more(one, other, downsample, shape, multiple):
    low, high = (tuple(fold(a, b) for a, b in zip(one, other, strict=True)) for fold in (min, max))
    found = visible_region(Viewport((), low, high), downsample, shape, multiple=multiple)
    seen = [
        (max((a + 0.5) / downsample, 0), min((b + 0.5) / downsample, s))
        for a, b, s in zip(low, high, shape, strict=True)
    ]
    if found is None:
        assert any(stop <= start for start, stop in seen)
        return
    for span, (start, stop), size in zip(found, seen, shape, strict=True):
        assert 0 <= span.start < span.stop <= size
        assert span.start <= start
        assert span.stop >= stop
        assert span.start % multiple == 0
        assert span.stop % multiple == 0 or span.stop == size
        assert span.start > start - 1 - multiple
        assert span.stop < stop + 1 + multiple


@given(st.tuples(sizes, sizes), st.tuples(sizes, sizes), st.integers(1, 10**6))
def test_the_central_part_is_inside_and_small_enough(start, size, limit):
    region = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
    part = central_part(region, limit)
    assert all(r.start <= p.start < p.stop <= r.stop for r, p in zip(region, part, strict=True))
    area = (part[0].stop - part[0].start) * (part[1].stop - part[1].start)
    assert area <= limit
    assert area >= min(limit, size[0] * size[1]) / 4


@given(st.lists(st.floats(1.1, 4), max_size=5), st.floats(0.05, 20))
def test_the_level_is_the_coarsest_that_keeps_the_detail(steps, scale):
    downsamples = [1.0]
    for step in steps:
        downsamples.append(downsamples[-1] * step)
    level = choose_level(downsamples, scale)
    assert level == 0 or downsamples[level] * scale <= 1.05
    assert level == len(steps) or downsamples[level + 1] * scale > 1.05
