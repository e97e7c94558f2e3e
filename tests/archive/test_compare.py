"""How far two models are apart, told in numbers that can be checked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archive.families import sign

from emeritus.archive import MemoryBlobs, compare, ingest, inspect
from emeritus.archive.compare import _order
from emeritus.archive.fakes import FakeTensor, gguf_bytes, safetensors_bytes


def stored(folder, name, tensors, blobs, suffix="safetensors"):
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.{suffix}"
    path.write_bytes((safetensors_bytes if suffix == "safetensors" else gguf_bytes)(tensors))
    return ingest(inspect(path), name, blobs, sign=sign).manifest


def differences(folder, one, two, suffix="safetensors"):
    blobs = MemoryBlobs()
    a, b = stored(folder, "a", one, blobs, suffix), stored(folder, "b", two, blobs, suffix)
    return {each.name: each for each in compare(a, b, blobs)}


def f32(name, values):
    data = np.array(values, "<f4")
    return FakeTensor(name, "F32", data.shape, data.tobytes())


def test_every_verdict(tmp_path):
    """Identical, changed, another shape, another type, and what only one of the two has."""
    found = differences(
        tmp_path,
        [f32("same", [1, 2]), f32("moved", [1, 2]), f32("shape", [1, 2]), f32("type", [1]), f32("a", [5])],
        [
            f32("same", [1, 2]),
            f32("moved", [1, 3]),
            f32("shape", [[1], [2]]),
            FakeTensor("type", "I32", (1,), b"\x01\0\0\0"),
            f32("b", [6]),
        ],
    )
    assert {name: each.verdict for name, each in found.items()} == {
        "same": "identical", "moved": "changed", "shape": "reshaped", "type": "reshaped", "a": "only-in-a",
        "b": "only-in-b",
    }  # fmt: skip
    assert found["type"].other == "I32 [1]"


def test_the_distance_is_told(tmp_path):
    """Share, largest, mean and ulps, over all elements."""
    one = np.linspace(1, 2, 1000, dtype=np.float32)
    two = one.copy()
    two[10] = np.nextafter(np.float32(one[10]), np.float32(9))
    two[20] += 0.5
    each = differences(tmp_path, [f32("w", one)], [f32("w", two)])["w"]
    assert (each.count, each.changed, each.share) == (1000, 2, 0.002)
    assert each.largest == pytest.approx(0.5)
    assert each.mean == pytest.approx(0.5 / 1000, rel=1e-5)
    assert each.ulps == round(0.5 / 2**-23)


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F64", "I8", "U32", "BOOL"])
def test_other_types_are_told_too(tmp_path, dtype):
    """Integers have no ulps."""
    width = {"BF16": 2, "F16": 2, "F64": 8, "I8": 1, "U32": 4, "BOOL": 1}[dtype]
    one, two = bytes(width * 40), b"\x01" + bytes(width * 40 - 1)
    each = differences(tmp_path, [FakeTensor("w", dtype, (40,), one)], [FakeTensor("w", dtype, (40,), two)])[
        "w"
    ]
    assert (each.count, each.changed) == (40, 1)
    assert each.largest > 0
    assert each.ulps == (1 if "F" in dtype else None)


def test_what_is_no_number_is_only_counted(tmp_path):
    """Infinite and not-a-number values do not spoil the rest; a negative zero is another bit pattern."""
    each = differences(tmp_path, [f32("w", [1, 2, 0.0, 3])], [f32("w", [np.nan, np.inf, -0.0, 4])])["w"]
    assert (each.changed, each.largest, each.mean) == (4, 1.0, 0.25)


def test_quantised_blocks_are_counted(tmp_path):
    one = bytes(range(34)) * 10
    two = one[:-1] + b"\xff"
    each = differences(
        tmp_path, [FakeTensor("w", 8, (32, 10), one)], [FakeTensor("w", 8, (32, 10), two)], "gguf"
    )["w"]
    assert (each.count, each.changed, each.largest, each.ulps) == (10, 1, None, None)


def test_long_tensors_are_read_in_pieces(tmp_path):
    """Over many frames, with one number changed in the last."""
    one = np.zeros(6_000_001, "<u2")
    two = one.copy()
    two[-1] = 3
    tensors = [FakeTensor("w", "BF16", one.shape, each.tobytes()) for each in (one, two)]
    each = differences(tmp_path, tensors[:1], tensors[1:])["w"]
    assert (each.count, each.changed, each.ulps) == (6_000_001, 1, 3)


@settings(max_examples=100, deadline=None)
@given(st.floats(width=32, allow_nan=False), st.floats(width=32, allow_nan=False))
def test_places_of_floats_are_in_their_order(one, two):
    """Greater numbers have greater places, neighbours are one apart, and both zeros are one."""
    bits = np.array([one, two], "<f4").view("<u4")
    first, second = (int(place) for place in _order(bits))
    assert (first < second) == (one < two)
    after = np.nextafter(np.float32(one), np.float32(np.inf))
    if np.isfinite(after) and after != one:
        assert int(_order(np.array([after], "<f4").view("<u4"))[0]) - first == 1
