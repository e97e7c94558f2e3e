"""Every encoding gives back every bit."""

import contextlib
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus.archive.codec import RAW, Encoding, Scheme, Undecodable, choose, decode, encode, frame_size
from emeritus.archive.containers.layout import Span

SCHEMES = [
    RAW,
    Scheme(Encoding.ZSTD),
    *(
        Scheme(Encoding.PLANES, fields)
        for fields in [(1,), (1, 1), (1,) * 4, (1, 1, 32), (128, 64, 16, 1, 1), (3,)]
    ),
    *(Scheme(Encoding.ROTATED_PLANES, (1,) * size) for size in (2, 4, 8)),
]
FLOATS = [0x7FC00001, 0xFFC12345, 0x7F800001, 0x80000000, 0x7F800000, 0xFF800000, 1, 0x80000001, 0x3F800000]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SCHEMES),
    st.one_of(
        st.binary(max_size=2000),
        st.builds(
            lambda piece, times: piece * times, st.binary(min_size=1, max_size=40), st.integers(1, 300)
        ),
        st.lists(st.sampled_from(FLOATS), max_size=300).map(
            lambda words: struct.pack(f"<{len(words)}I", *words)
        ),
    ),
)
def test_what_is_encoded_is_decoded(scheme, raw):
    """NaN payloads, negative zeros, odd tails and nothing at all come back as they were."""
    used, payload = encode(scheme, raw)
    assert decode(used, payload, len(raw)) == raw
    assert len(payload) <= len(raw)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(Encoding)), st.binary(max_size=120), st.integers(0, 200))
def test_hostile_payloads_are_undecodable_or_of_the_right_length(encoding, payload, length):
    with contextlib.suppress(Undecodable):
        assert len(decode(encoding, payload, length)) == length


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SCHEMES[1:]), st.data())
def test_altered_payloads_never_crash(scheme, data):
    raw = bytes(range(64)) * 40
    used, payload = encode(scheme, raw)
    altered = bytearray(payload)
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Undecodable):
        assert len(decode(used, bytes(altered), len(raw))) == len(raw)


def test_a_zstd_frame_that_claims_terabytes_is_refused_before_it_is_unpacked():
    bomb = b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", 2**42) + bytes(20)
    with pytest.raises(Undecodable):
        decode(Encoding.ZSTD, bomb, 1000)


def test_the_smallest_scheme_is_chosen_and_raw_when_none_helps():
    chance = random.Random(1)
    noise = chance.randbytes(60_000)
    assert choose(Span("tensor", 0, len(noise), dtype="F32", fields=(1,) * 4, is_float=True), [noise]) == RAW
    floats = struct.pack("<20000f", *(chance.gauss(0, 0.02) for _ in range(20_000)))
    span = Span("tensor", 0, len(floats), dtype="F32", fields=(1,) * 4, is_float=True)
    assert choose(span, [floats]) == Scheme(Encoding.ROTATED_PLANES, (1,) * 4)


def test_frames_are_whole_blocks():
    for stride in (1, 2, 4, 18, 34, 144, 210):
        assert frame_size(stride) % stride == 0
        assert 1 << 20 <= frame_size(stride) <= 4 << 20
