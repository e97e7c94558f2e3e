"""Every encoding gives back every bit."""

import contextlib
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus.archive.codec import (
    RAW,
    ZSTD,
    Encoding,
    Scheme,
    Undecodable,
    candidates,
    choose,
    columns,
    decode,
    decode_into,
    encode,
    fields,
    frame_length,
    frame_size,
    plain,
    unit,
)
from emeritus.archive.codec.arrays import WORDS
from emeritus.archive.codec.fields import NO_HINT
from emeritus.archive.codec.loops import loops
from emeritus.archive.codec.model import (
    TOKENS,
    Class,
    Context,
    Model,
    Tables,
    frequencies,
    rows_of,
    steps_of,
)
from emeritus.archive.containers.layout import Span
from emeritus.archive.shipped import text

NUMBERS = [Scheme(Encoding.NUMBERS, (1,) * width, row) for width in (1, 2, 4, 8) for row in (0, 24)]
ALONE = [
    RAW,
    ZSTD,
    *(
        Scheme(Encoding.PLANES, fields)
        for fields in [(1,), (1, 1), (1,) * 4, (1, 1, 32), (128, 64, 16, 1, 1), (3,)]
    ),
    *(Scheme(Encoding.ROTATED_PLANES, (1,) * size) for size in (2, 4, 8)),
    *NUMBERS,
    Scheme(Encoding.FIELDS, (1, 1, 32), hints=(1, NO_HINT, 1)),
    Scheme(Encoding.FIELDS, (128, 64, 16, 1, 1), hints=(4, 4, 4, 4, NO_HINT)),
    Scheme(Encoding.FIELDS, (3,), hints=(NO_HINT,)),
]
DIFFERENCES = [Scheme(Encoding.DIFFERENCE, each.fields, each.row, alone=each) for each in NUMBERS]
SCRIPT: dict = {"__name__": "frames"}
exec(compile(text("frames.py"), "frames.py", "exec"), SCRIPT)
FLOATS = [0x7FC00001, 0xFFC12345, 0x7F800001, 0x80000000, 0x7F800000, 0xFF800000, 1, 0x80000001, 0x3F800000]


@pytest.fixture(autouse=True, scope="module")
def fields_of_any_length():
    """Code even short fields as numbers, so that small examples try all of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fields, "_SHORT", 64)
        yield


@st.composite
def weights(draw):
    """Bytes as they occur in tensors: noise, chance-drawn numbers, repeated pieces, strange floats, zeros."""
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(0, 3000))
    match draw(st.sampled_from(["noise", "normal", "half", "bfloat", "rows", "strange", "few", "zeros"])):
        case "noise":
            raw = seed.bytes(4 * count)
        case "normal":
            raw = seed.normal(0, 0.02, count).astype("<f4").tobytes()
        case "half":
            raw = seed.normal(0, 0.02, 2 * count).astype("<f2").tobytes()
        case "bfloat":
            raw = (seed.normal(0, 0.02, 2 * count).astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
        case "rows":  # some of whose low bits are all zero, some of them nothing but zeros
            words = seed.normal(0, 0.02, (count // 24, 24)).astype("<f4").view("<u4")
            masks = seed.choice(np.array([0, 0xFFFFE000, 0xFFFF0000, 0xFFFFFFFF], "<u4"), (count // 24, 1))
            raw = (words & masks).tobytes()
        case "strange":
            raw = seed.choice(np.array(FLOATS, "<u4"), count).tobytes()
        case "few":
            raw = seed.choice(np.array([0, 0, 0, 0, 1, 0xFFFF], "<u2"), 2 * count).tobytes()
        case _:
            raw = bytes(4 * count)
    return raw + draw(st.binary(max_size=9))


@st.composite
def changed(draw):
    """Bytes, and a base: alike in one way or another, shorter, longer, or nothing to do with them."""
    raw = draw(weights())
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    words = np.frombuffer(raw, "<u4", len(raw) // 4)
    match draw(st.sampled_from(["same", "decay", "update", "few", "other", "bits"])):
        case "same":
            base = words
        case "decay":
            with np.errstate(all="ignore"):
                base = (words.view("<f4") * np.float32(1 + 1e-5)).view("<u4")
        case "update":
            base = (words.astype("<i8") + seed.normal(0, 300, words.size).astype("<i8")).astype("<u4")
        case "few":
            base = np.where(seed.random(words.size) < 0.02, words + np.uint32(1), words)
        case "other":
            base = np.frombuffer(seed.bytes(4 * words.size), "<u4")
        case _:
            base = words ^ seed.choice(np.array([0, 1, 0x80000000, 0xFFFFFFFF], "<u4"), words.size)
    length = draw(st.sampled_from([0, len(raw) // 2, len(raw), len(raw) + 5]))
    return raw, (base.astype("<u4").tobytes() + bytes(16))[:length]


@contextlib.contextmanager
def plain_loops():
    """Do without numba."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMERITUS_PLAIN_CODEC", "1")
        loops.cache_clear()
        yield
    loops.cache_clear()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ALONE), weights())
def test_what_is_encoded_alone_is_decoded(scheme, raw):
    """NaN payloads, negative zeros, subnormals, odd tails and nothing at all come back as they were."""
    used, payload = encode(scheme, raw)
    assert decode(used, payload, len(raw)) == raw
    assert len(payload) <= len(raw)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(DIFFERENCES), changed())
def test_what_is_encoded_as_a_difference_is_decoded(scheme, pair):
    """Whatever the base is, and however long, every bit comes back."""
    raw, base = pair
    used, payload = encode(scheme, raw, base)
    assert decode(used, payload, len(raw), base) == raw
    assert len(payload) <= len(raw)


@pytest.mark.parametrize("width", [1, 2])
def test_every_pair_of_bit_patterns_comes_back(width):
    """All numbers of one byte against all; all of two bytes against patterns of every kind."""
    every = np.arange(1 << 8 * width).astype(f"<u{width}")
    others = every if width == 1 else np.array([0, 1, 0x7F80, 0x8000, 0x8001, 0xFFFF, 0x3F80, 0xBF7F], "<u2")
    for other in others:
        base = np.full(every.size, other).tobytes()
        scheme = Scheme(Encoding.DIFFERENCE, (1,) * width, 256)
        used, payload = encode(scheme, every.tobytes() * 3, base * 3)
        assert decode(used, payload, 3 * every.nbytes, base * 3) == every.tobytes() * 3


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(Encoding)), st.binary(max_size=120), st.integers(0, 200))
def test_hostile_payloads_are_undecodable_or_of_the_right_length(encoding, payload, length):
    with contextlib.suppress(Undecodable):
        assert len(decode(encoding, payload, length, bytes(length))) == length


def _sound():
    chance = np.random.default_rng(5)
    base = chance.normal(0, 0.02, (90, 24)).astype("<f4")
    tuned = base + chance.normal(0, 1e-5, base.shape).astype("<f4")
    tuned[::3] = base[::3] * np.float32(1 - 1e-6)
    tuned[::7] = base[::7]
    quants = np.concatenate(
        [
            chance.normal(0, 1, (1500, 1)).astype("<f2").view("u1"),
            chance.integers(-9, 9, (1500, 32)).astype("u1"),
        ],
        1,
    )
    yield encode(Scheme(Encoding.NUMBERS, (1,) * 4, 24), base.tobytes()), len(base.tobytes()), None
    yield (
        encode(Scheme(Encoding.FIELDS, (1, 1, 32), hints=(1, 255, 1)), quants.tobytes()),
        quants.nbytes,
        None,
    )
    yield (Encoding.COLUMNS, columns.encode(quants.tobytes(), 8, 5)), quants.nbytes, None
    yield (
        encode(Scheme(Encoding.DIFFERENCE, (1,) * 4, 24), tuned.tobytes(), base.tobytes()),
        base.nbytes,
        base.tobytes(),
    )


SOUND = list(_sound())


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(range(len(SOUND))), st.data())
def test_altered_payloads_never_crash(which, data):
    """Whatever is altered, cut off or added, the decoder ends, and within its bounds."""
    (used, payload), length, base = SOUND[which]
    altered = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, 40), st.integers(0, len(altered) - 1)))
        altered[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(altered), len(altered) - 1, len(altered) // 2, 17]))
    buffer = bytearray(length + 64)
    with contextlib.suppress(Undecodable):
        decode_into(used, bytes(altered[:end]), memoryview(buffer)[32:-32], base)
    assert not any(buffer[:32])
    assert not any(buffer[-32:])


@pytest.mark.parametrize("which", range(len(SOUND)))
def test_a_stream_that_does_not_end_as_it_began_is_undecodable(which):
    """Lanes end in the state that they began in: a flipped bit of the stream is nearly always noticed."""
    (used, payload), length, base = SOUND[which]
    assert used in {Encoding.NUMBERS, Encoding.FIELDS, Encoding.COLUMNS, Encoding.DIFFERENCE}
    noticed = 0
    for at in range(len(payload) // 2, len(payload), 97):
        altered = bytearray(payload)
        altered[at] ^= 1
        try:
            noticed += decode(used, bytes(altered), length, base) != decode(used, payload, length, base)
        except Undecodable:
            noticed += 1
    assert noticed


def test_a_zstd_frame_that_claims_terabytes_is_refused_before_it_is_unpacked():
    bomb = b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", 2**42) + bytes(20)
    with pytest.raises(Undecodable):
        decode(Encoding.ZSTD, bomb, 1000)


def test_a_difference_without_its_base_is_undecodable():
    (used, payload), length, _ = SOUND[-1]
    assert used is Encoding.DIFFERENCE
    with pytest.raises(Undecodable, match="base"):
        decode(used, payload, length)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([8, 5, 4]), st.integers(1, 3), st.booleans())
def test_blocks_beside_their_columns_are_given_back(seed, bits, row, strange):
    """Whatever the scales and the quants: with numba, without it, and by the script that every archive carries."""
    chance = np.random.default_rng(seed)
    count = 8 * row + int(chance.integers(0, 40))
    stride = columns.KINDS[bits].stride
    blocks = np.frombuffer(chance.bytes(count * stride), np.uint8).reshape(-1, stride).copy()
    if not strange:
        scale = chance.lognormal(-7, 0.4, count) * chance.choice([-1, 1] if bits < 8 else [1], count)
        blocks[:, :2] = scale.astype("<f2").view(np.uint8).reshape(-1, 2)
        if bits == 8:
            column = chance.normal(0, 20, 32 * row)[np.arange(32 * count) % (32 * row)].reshape(count, 32)
            blocks[:, 2:] = (
                np.clip(column + chance.normal(0, 9, column.shape), -128, 127).astype(np.int8).view(np.uint8)
            )
            blocks[np.arange(count), 2 + chance.integers(0, 32, count)] = chance.choice([127, 129], count)
    raw = blocks.tobytes() + chance.bytes(int(chance.integers(0, stride)))
    with plain_loops():
        payload = columns.encode(raw, bits, row)
        assert decode(Encoding.COLUMNS, payload, len(raw)) == raw
    assert columns.encode(raw, bits, row) == payload
    assert decode(Encoding.COLUMNS, payload, len(raw)) == raw
    assert SCRIPT["decode"](int(Encoding.COLUMNS), payload, len(raw), None) == raw


def test_columns_are_told_only_where_that_is_smaller():
    """A frame of a few rows, or of mere chance, is written as fields."""
    chance = np.random.default_rng(6)
    mean = chance.normal(0, 30, 64)
    quants = np.clip(mean + chance.normal(0, 4, (900, 64)), -127, 127).astype(np.int8).reshape(-1, 32)
    blocks = np.concatenate([np.tile(np.array([0, 30], np.uint8), (1800, 1)), quants.view(np.uint8)], 1)
    scheme = Scheme(Encoding.COLUMNS, (1, 1, 32), 2, (1, NO_HINT, 1))
    used, payload = encode(scheme, blocks.tobytes())
    assert used is Encoding.COLUMNS
    assert len(payload) < 0.75 * len(
        encode(Scheme(Encoding.FIELDS, (1, 1, 32), 0, (1, NO_HINT, 1)), blocks.tobytes())[1]
    )
    assert encode(scheme, blocks[:12].tobytes())[0] is not Encoding.COLUMNS
    noise = chance.bytes(34 * 1800)
    used, payload = encode(scheme, noise)
    assert used is not Encoding.COLUMNS
    assert len(payload) <= len(noise)


def test_a_quantised_matrix_is_cut_between_its_rows():
    span = Span("tensor", 0, 262144 * 680, "embd", "Q8_0", (640, 262144), (1, 1, 32))
    assert frame_length(span) % 680 == 0
    assert candidates(span)[-1].encoding is Encoding.COLUMNS
    assert candidates(span, "fast")[-1].encoding is Encoding.FIELDS


def _span(raw, dtype="F32", shape=(), fields=(1,) * 4):
    return Span("tensor", 0, len(raw), dtype=dtype, shape=shape, fields=fields, is_float=True)


def test_the_smallest_scheme_is_chosen_and_raw_when_none_helps():
    chance = random.Random(1)
    noise = chance.randbytes(60_000)
    assert choose(_span(noise), [noise]) == RAW
    floats = struct.pack("<20000f", *(chance.gauss(0, 0.02) for _ in range(20_000)))
    chosen = choose(_span(floats, shape=(200, 100)), [floats])
    assert chosen == Scheme(Encoding.NUMBERS, (1,) * 4, 100)
    assert 1 > chosen.share >= len(encode(chosen, floats)[1]) / len(floats)


def test_a_difference_is_chosen_only_when_it_is_smaller_than_alone():
    chance = np.random.default_rng(2)
    base = chance.normal(0, 0.02, (100, 100)).astype("<f4")
    near, far = base + np.float32(1e-6), chance.normal(0, 0.02, (100, 100)).astype("<f4")
    span = _span(base.tobytes(), shape=(100, 100))
    assert choose(span, [near.tobytes()], [base.tobytes()]).encoding is Encoding.DIFFERENCE
    assert not choose(span, [far.tobytes()], [base.tobytes()]).needs_base
    assert not choose(span, [near.tobytes()], [b""]).needs_base


def test_a_frame_for_which_alone_is_smaller_stands_alone():
    """Each frame of a difference may do without its base."""
    raw, base = bytes(100_000), np.random.default_rng(3).bytes(100_000)
    used, payload = encode(Scheme(Encoding.DIFFERENCE, (1,) * 4, 100, alone=ZSTD), raw, base)
    assert used is Encoding.ZSTD
    assert decode(used, payload, len(raw)) == raw


def test_frames_are_whole_blocks_and_whole_rows():
    for stride in (1, 2, 4, 18, 34, 144, 210):
        assert frame_size(stride) % stride == 0
        assert 1 << 20 <= frame_size(stride) <= 4 << 20
    for shape in [(3, 384), (9, 1536), (5, 20_000), (2, 4_000_000), ()]:
        span = _span(b"", shape=shape)
        assert frame_length(span) % unit(span) == 0
        assert 1 << 20 <= frame_length(span) <= 4 << 20


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*NUMBERS, *DIFFERENCES, ALONE[-3], ALONE[-2]]), changed())
def test_with_numba_and_without_the_bytes_are_the_same(scheme, pair):
    """What one machine writes another reads, and both write the same."""
    pytest.importorskip("numba")
    raw, base = pair
    with plain_loops():
        used, payload = encode(scheme, raw, base)
        assert decode(used, payload, len(raw), base) == raw
    assert encode(scheme, raw, base) == (used, payload)
    assert decode(used, payload, len(raw), base) == raw


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(range(len(SOUND))), st.data())
def test_without_numba_altered_payloads_never_crash(which, data):
    (used, payload), length, base = SOUND[which]
    altered = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, 40), st.integers(0, len(altered) - 1)))
        altered[place] = data.draw(st.integers(0, 255))
    with plain_loops(), contextlib.suppress(Undecodable):
        assert len(decode(used, bytes(altered), length, base)) == length


@given(st.integers(0, 2**32), st.integers(1, 128), st.integers(0, 255), st.integers(4, 8), st.integers(0, 20))
def test_sixteen_at_a_time_is_the_same_as_one(seed, size, lane, lanes, first):
    """On processors that can, tokens and numbers are decoded in groups; what comes out does not change."""
    pytest.importorskip("numba")
    from emeritus.archive.codec import kernels, wide

    if not wide.IS_HERE:
        pytest.skip("this processor cannot")
    draw = np.random.default_rng(seed)
    weights = np.zeros((3, TOKENS), np.uint8)
    weights[:, :40] = draw.integers(1, 180, (3, 40))
    slots = np.zeros(3 << 12, np.uint32)
    laid = np.zeros(3 * TOKENS, np.uint8), np.zeros(3 * TOKENS, np.uint64)
    kernels.lay(weights, np.zeros((1, TOKENS), np.uint8), np.zeros(3, np.int64), slots, *laid)
    contexts = draw.integers(0, 3, 128).astype(np.uint8)
    states = draw.integers(1 << 16, 1 << 32, 1 << lanes, dtype=np.uint32)
    words = np.frombuffer(draw.bytes(2048), np.uint8)
    begin, place, at = np.uint64(0), np.uint64(lane % (1 << lanes)), np.uint64(draw.integers(0, 500))
    one, many = np.zeros(128, np.uint16), np.zeros(128, np.uint16)
    each, all_at_once = states.copy(), states.copy()
    ended = kernels._tokens_one(slots, contexts, begin, np.uint64(size), each, place, words, at, one)
    assert (
        kernels._tokens_many(slots, contexts, np.uint64(size), all_at_once, place, words, at, many) == ended
    )
    assert (one == many).all()
    assert (each == all_at_once).all()

    bits = np.tile(np.where(np.arange(TOKENS) < first, 0, draw.integers(0, 17, TOKENS)), 3).astype(np.uint8)
    starts = np.tile(np.arange(TOKENS, dtype=np.uint64), 3)
    told, found = np.zeros(128, np.uint16), np.zeros(128, np.uint16)
    bit, upper = np.uint64(draw.integers(0, 64)), np.uint64(size)
    after = kernels._numbers_one(one, begin, upper, starts, bits, words, bit, told)
    assert (
        kernels._numbers_many(one, upper, starts, bits, np.uint64(first), False, words, bit, found) == after
    )
    assert (told == found).all()


@given(st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([1, 2, 3, 255]), st.booleans())
def test_contexts_laid_out_are_those_of_the_plain_tables(seed, number, tokens, steps):
    """What the compiled loops look up in slots is what the numpy loops find in their tables."""
    pytest.importorskip("numba")
    from emeritus.archive.codec import kernels

    draw = np.random.default_rng(seed)
    bits = steps_of(4) if steps else draw.integers(0, 20, tokens, dtype=np.uint8)
    weights = draw.integers(0, 200, (number, bits.size), dtype=np.uint8)
    weights[:, 0] = 80
    model = Model((bits,), tuple(Context(0, row) for row in weights), (Class(),), 1)
    tables = Tables.of(model)
    slots = np.zeros(number << 12, np.uint32)
    sizes, starts = np.zeros(number * TOKENS, np.uint8), np.zeros(number * TOKENS, np.uint64)
    direct = kernels.lay(*rows_of(model), slots, sizes, starts)
    assert (sizes == tables.bits).all()
    assert (starts == tables.starts).all()
    named = (tables.bits == 0) & (tables.starts == np.tile(np.arange(TOKENS), number))
    assert direct == np.append(np.flatnonzero(~named.reshape(number, TOKENS).all(0)), TOKENS)[0]
    index = np.repeat(np.arange(number * TOKENS), (tables.rates >> 16).astype(np.int64))
    assert (slots & 255 == index % TOKENS).all()
    assert ((slots >> 20) + 1 == tables.rates[index] >> 16).all()
    assert ((slots >> 8) & 4095 == np.arange(slots.size) % 4096 - (tables.rates[index] & 0xFFFF)).all()


@given(st.integers(0, 2**32), st.integers(1, 600), st.sampled_from([16, 64, 256]), st.integers(1, 256))
def test_tokens_spelt_sixteen_at_a_time_are_the_same(seed, size, lanes, tokens):
    """From one token that is certain to many that are rare, and states from the lowest to the highest."""
    pytest.importorskip("numba")
    from emeritus.archive.codec import compiled

    draw = np.random.default_rng(seed)
    weights = np.zeros((2, TOKENS), np.uint8)
    weights[0, 0], weights[1, :tokens] = 1, draw.integers(1, 250, tokens)
    rates = frequencies(weights)
    rates = ((rates << 16) | (np.cumsum(rates, 1) - rates)).reshape(-1).astype(np.uint32)
    codes = draw.integers(0, tokens + 1, size).astype(np.uint32)
    index = np.append(np.arange(TOKENS, TOKENS + tokens), 0).astype(
        np.uint16
    )  # the last is certain, where it is
    tables = Tables(rates, np.zeros(2 * TOKENS, np.uint8), np.zeros(2 * TOKENS, np.uint64))
    states, stream = compiled.spell(codes, index[None], tables, lanes)
    ours, theirs = plain.spell(codes, index[None], tables, lanes)
    assert (states == ours).all()
    assert (stream == theirs).all()


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, TOKENS), st.integers(1, 12), st.booleans())
def test_contexts_are_shared_alike(seed, rows, tokens, most, ordered):
    """Compiled or not, the same rows share a context, and are weighed, priced and laid out the same."""
    pytest.importorskip("numba")
    from emeritus.archive.codec import compiled

    draw = np.random.default_rng(seed)
    counts = draw.poisson(draw.gamma(0.3, 20, (rows, tokens)))
    keys = draw.integers(-1, 9, rows)
    keys[draw.integers(rows)] = 3
    ours = plain.gather(counts, keys, most, ordered=ordered)
    theirs = compiled.gather(counts, keys, most, ordered=ordered)
    for one, other in zip(ours, theirs, strict=True):
        assert (one == other).all()
    bits = draw.integers(0, 8, tokens).astype(np.uint8)
    assert compiled.cost(ours[1], bits) == pytest.approx(plain.cost(ours[1], bits))
    weights = compiled.weigh(counts)
    assert (weights == plain.weigh(counts)).all()
    contexts = tuple(Context(0, row) for row in weights if row.any())
    if contexts:
        model = Model((bits,), contexts, (Class(),), 1)
        laid, plainly = compiled.tables(model), plain.tables(model)
        assert (laid.rates == plainly.rates).all()
        assert (laid.bits == plainly.bits).all()
        assert (laid.starts == plainly.starts).all()


@given(st.integers(0, 2**32), st.sampled_from([1, 2, 4, 8]), st.integers(1, 300), st.integers(1, 3000))
def test_blocks_are_sorted_alike(seed, width, block, count):
    """Compiled or not: blocks that stand still, that decay, and that move, little or far."""
    pytest.importorskip("numba")
    from emeritus.archive.codec import compiled

    draw = np.random.default_rng(seed)
    base = np.frombuffer(draw.bytes(count * width), WORDS[width])
    far = np.exp2(draw.integers(0, 8 * width - 2, -(-count // block))).astype(WORDS[width])
    kinds = draw.integers(0, 3, far.size)
    far = np.repeat(np.where(kinds == 0, 0, far).astype(WORDS[width]), block)[:count]
    moved = np.where(np.repeat(kinds == 1, block)[:count], far, far * draw.random(count)).astype(WORDS[width])
    words = base + (moved << WORDS[width].type(draw.choice([0, 0, 5])))
    for one, other in zip(
        plain.sort_blocks(words, base, block), compiled.sort_blocks(words, base, block), strict=True
    ):
        assert np.array_equal(one, other)


@given(st.integers(0, 2**32), st.integers(1, 200), st.sampled_from([1, 2, 4]), st.floats(0, 1))
def test_raw_bits_drawn_sixteen_at_a_time_are_the_same(seed, size, width, far):
    """The numbers of a difference's partition, from few raw bits to more than fit into one word."""
    pytest.importorskip("numba")
    from emeritus.archive.codec import kernels, wide

    if not wide.IS_HERE:
        pytest.skip("this processor cannot")
    chance = np.random.default_rng(seed)
    bits = np.zeros(TOKENS, np.uint8)
    bits[: steps_of(width).size] = steps_of(width)
    starts = np.cumsum(1 << bits.astype(np.uint64), dtype=np.uint64) - (1 << bits.astype(np.uint64))
    last = np.where(chance.random(200) < far, steps_of(width).size, 16)
    tokens = chance.integers(0, last).astype(np.uint16)
    words, bit = np.frombuffer(chance.bytes(2048), np.uint8), np.uint64(chance.integers(0, 64))
    told, found = np.zeros(200, f"u{width}"), np.zeros(200, f"u{width}")
    begin, upper, first = np.uint64(0), np.uint64(size), np.uint64(16)
    after = kernels._numbers_one(tokens, begin, upper, starts, bits, words, bit, told)
    assert kernels._numbers_many(tokens, upper, starts, bits, first, True, words, bit, found) == after
    assert (told == found).all()


@given(st.integers(0, 2**32), st.integers(1, 200), st.sampled_from([1, 2, 4]), st.floats(0, 1))
def test_raw_bits_written_together_are_the_same(seed, size, width, near):
    """From eight numbers that share a word to one that fills half of it, and to none with any raw bits."""
    pytest.importorskip("numba")
    from emeritus.archive.codec import spelling

    chance = np.random.default_rng(seed)
    bits = steps_of(width)
    starts = np.cumsum(1 << bits.astype(np.uint64), dtype=np.uint64) - (1 << bits.astype(np.uint64))
    tops = np.where(chance.random(size) < near, chance.integers(1, 9), 8 * width)
    values = (chance.integers(0, 2 ** (8 * width), size) >> (8 * width - tops)).astype(f"u{width}")
    codes = (np.searchsorted(starts, values, "right") - 1).astype(np.uint32)
    told, found = np.zeros(size + 2, np.uint64), np.zeros(8 * size + 16, np.uint8)
    used = spelling.write(values, codes, np.arange(bits.size, dtype=np.uint16), bits, starts, told)
    assert spelling.write_steps(values, found) == used
    assert (told.view(np.uint8)[: -(-used // 8)] == found[: -(-used // 8)]).all()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 4, 8]), st.sampled_from([64, 100, 384, 1500]))
def test_whole_rows_are_the_same_with_numba_and_without(seed, width, row):
    """Long enough for what is done many numbers at a time: rows that stay, decay, move little or much, and any bits."""
    pytest.importorskip("numba")
    chance = np.random.default_rng(seed)
    kind = np.dtype(f"<u{width}")
    base = np.frombuffer(chance.bytes(40 * row * width), kind).reshape(40, row)
    calm = (
        chance.normal(0, 0.02, (40, row))
        .astype({4: "<f4", 8: "<f8"}.get(width, "<f4"))
        .view(f"<u{max(4, width)}")
    )
    base = np.where(chance.random((40, 1)) < 0.7, (calm >> (8 * max(0, 4 - width))).astype(kind), base)
    steps = chance.geometric(chance.choice([0.001, 0.05, 0.6], (40, 1)), (40, row)) * chance.choice(
        [-1, 0, 1], (40, row)
    )
    decay = 30 + (base.astype(np.uint64) >> np.uint64(max(0, 8 * width - 19)) & np.uint64(7)).astype(np.int64)
    gaps = np.where(chance.random((40, 1)) < 0.3, decay, steps) * (chance.random((40, 1)) < 0.8)
    tune = (base.astype(np.int64) + gaps).astype(kind)
    tune = np.where(
        chance.random((40, row)) < 0.002,
        np.frombuffer(chance.bytes(40 * row * width), kind).reshape(40, row),
        tune,
    )
    raw, below = tune.tobytes() + b"tail"[: width - 1], base.tobytes()
    for scheme in (
        Scheme(Encoding.DIFFERENCE, (1,) * width, row),
        Scheme(Encoding.NUMBERS, (1,) * width, row),
    ):
        with plain_loops():
            used, payload = encode(scheme, raw, below)
            assert decode(used, payload, len(raw), below) == raw
        assert encode(scheme, raw, below) == (used, payload)
        assert decode(used, payload, len(raw), below) == raw
