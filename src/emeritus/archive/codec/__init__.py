"""Frames: runs of at most 4 MiB, each in the smallest of a few documented encodings, and back.

See docs/reference/archive-format.md, which a stranger can decode by without this package.

    scheme = choose(span, samples, base_samples, "dense")
    encoding, payload = encode(scheme, raw, base)
    decode_into(encoding, payload, out, base)

*base* is what another object holds at the same offset; where it ends before *raw*, zeros follow.
"""

from emeritus.archive.codec.choice import SAMPLE, candidates, choose, estimate, frame_length, is_near, unit
from emeritus.archive.codec.frames import FRAME, MAX_FRAME, decode, decode_into, encode, frame_size
from emeritus.archive.codec.order import ordered
from emeritus.archive.codec.schemes import RAW, ZSTD, Encoding, Profile, Scheme, Undecodable

__all__ = [
    "FRAME",
    "MAX_FRAME",
    "RAW",
    "SAMPLE",
    "ZSTD",
    "Encoding",
    "Profile",
    "Scheme",
    "Undecodable",
    "candidates",
    "choose",
    "decode",
    "decode_into",
    "encode",
    "estimate",
    "frame_length",
    "frame_size",
    "is_near",
    "ordered",
    "unit",
]
