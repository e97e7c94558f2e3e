"""The benchmarks' own invariants: what they compare with is lossless, and what they say is complete."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]


def module(name: str):
    spec = importlib.util.spec_from_file_location(
        f"benchmarks_archive_{name}", ROOT / "benchmarks" / "archive" / f"{name}.py"
    )
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


reference = module("reference")


@pytest.mark.parametrize(
    "codec", [reference.PLANES, reference.XOR, reference.INTEGER], ids=lambda one: one.kind
)
@pytest.mark.parametrize("width", [2, 4])
@settings(max_examples=30, deadline=None)
@given(raw=st.binary(max_size=300), base=st.binary(min_size=300, max_size=300))
def test_a_reference_codec_gives_back_every_byte(codec, width, raw, base):
    """Whatever the bits (NaN payloads, negative zero, a tail that is no number), what comes back is what went in."""
    base = base[: len(raw)]
    assert bytes(codec.unpack(codec.pack(raw, width, base), width, base)) == raw


def test_a_reference_codec_gives_back_more_than_one_frame():
    """Frames are decoded into their own places, the last one shorter."""
    chance = np.random.default_rng(1)
    base = chance.bytes(2 * reference.FRAME + 1001)
    raw = bytearray(base)
    raw[:: 1 << 16] = b"\x7f" * len(raw[:: 1 << 16])
    for codec in (reference.PLANES, reference.XOR, reference.INTEGER):
        assert codec.unpack(codec.pack(bytes(raw), 2, base), 2, base) == raw


@pytest.mark.parametrize("dtype", ["<u2", "<u4"])
def test_the_order_of_floats_is_the_order_of_their_integers(dtype):
    """`in_order` maps every pattern to one integer, as floats are ordered, and `out_of_order` back."""
    words = np.arange(1 << 16, dtype="<u4").astype(dtype) << (8 * (np.dtype(dtype).itemsize - 2))
    ordered = reference.in_order(words)
    assert np.array_equal(reference.out_of_order(ordered), words)
    assert len(np.unique(ordered)) == words.size
    values = (words.astype("<u4") << (32 - 8 * words.itemsize)).view("<f4")
    sound = ~np.isnan(values)
    by_integer = values[sound][np.argsort(ordered[sound], kind="stable")]
    assert np.all(by_integer[1:] >= by_integer[:-1])
    assert np.array_equal(reference.unzigzag(reference.zigzag(words)), words)


def test_the_last_line_has_every_key_even_when_nothing_could_be_measured(monkeypatch):
    """A reader of the JSON finds each promised key, null where there is no figure."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.archive import report

    told = report.headline({}, {}, {"raw_bf16": 1, "raw_f32": 1})
    assert list(told)[: len(report.KEYS)] == list(report.KEYS)
    assert {
        "alone_bf16_ratio",
        "alone_f32_ratio",
        "delta50_bf16_ratio",
        "delta200_bf16_ratio",
        "delta50_f32_ratio",
        "delta200_f32_ratio",
        "restore_mb_s",
        "ingest_mb_s",
        "vs_zipnn",
        "vs_xor_zstd",
        "delta50_bf16_noembed_ratio",
        "delta200_bf16_noembed_ratio",
        "family8_slope",
        "gguf_ratio",
    } == set(report.KEYS)


def test_figures_are_what_they_are_called(monkeypatch):
    """Ratios are raw over stored, speeds the slowest median, the slope what one further member takes of its raw bytes."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.archive import report

    seen = {"raw": 3_000_000, "stored": 1_000_000, "restore_s": [9.0, 1.0, 0.5], "store_s": [2.0]}
    slow = {"raw": 1_000_000, "stored": 100_000, "restore_s": [2.0], "store_s": [1.0]}
    results = {
        report.RATIOS: {"alone_bf16": seen, "delta50_bf16": slow, "family_bf16": {"growth": [500, 600, 700]}},
        report.SPEEDS: {"alone_bf16": seen, "delta50_bf16": slow},
        report.XOR: {"delta50_bf16": slow | {"stored": 200_000}},
        "zipnn": {"alone_bf16": seen | {"stored": 1_500_000}},
    }
    told = report.headline(results, {}, {"raw_bf16": 1000, "raw_f32": 2000})
    assert told["alone_bf16_ratio"] == 3
    assert told["vs_zipnn"] == 1.5
    assert told["vs_xor_zstd"] == 2
    assert told["restore_mb_s"] == 0.5
    assert told["ingest_mb_s"] == 1
    assert told["family8_slope"] == 0.1
    assert told["gguf_ratio"] is None


def test_the_record_is_compared_like_with_like(monkeypatch):
    """A proof is told in times quicker, leaves in times as many; without the peer both are null, and the keys stay."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.record import __main__ as record

    told = {"appends_per_s": 9, "proof_ms": 2.0, "proof_bytes": 1, "log_entries": 7, "leaves_per_s": 300}
    told["verify_1000_essays_s"] = 1.0
    beside = {"proof_ms": 500.0, "appends_per_s": 200}
    assert record.headline(told, beside)["vs_pymerkle"] == 250
    assert record.headline(told, beside)["vs_pymerkle_appends"] == 1.5
    alone = record.headline(told, None)
    assert list(alone)[: len(record.KEYS)] == list(record.KEYS)
    assert alone["vs_pymerkle"] is None


@settings(max_examples=60, deadline=None)
@given(order=st.lists(st.sampled_from("abcde"), max_size=12), rooms=st.integers(1, 3))
def test_nobody_loads_less_often_than_belady(order, rooms):
    """The bound is one: no sequence of choices, tried out one by one, does with fewer loads."""
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.density import policies
    finally:
        sys.path.remove(str(ROOT))

    reachable = {frozenset(): 0}
    for model in order:
        following: dict[frozenset[str], int] = {}
        for held, loads in reachable.items():
            choices = [held] if model in held else [held | {model}]
            if model not in held and len(held) == rooms:
                choices = [held - {gone} | {model} for gone in held]
            for choice in choices:
                cost = loads + (model not in held)
                following[choice] = min(following.get(choice, cost), cost)
        reachable = following
    assert policies.belady(order, rooms) == min(reachable.values())
    assert policies.lru(order, rooms) >= policies.belady(order, rooms)


def test_every_model_of_a_trace_is_called_and_answered(monkeypatch):
    """The forgotten ones too; the same seed gives the same calls; the schedule answers each of them."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.density import simulate, trace

    from emeritus.voices import Limits

    made = trace.calls(30, 60, 2.0, seed=1)
    assert made == trace.calls(30, 60, 2.0, seed=1)
    assert len({call.model for call in made}) == 30
    times = simulate.Times([0.5], [1.0], [0.1])
    served = simulate.House(times, Limits(memory=2 * simulate.SIZE, idle=1e9)).run(made)
    assert served.answered == served.calls == len(made)
    assert len(served.models) == 30
    assert served.loads <= served.answered
