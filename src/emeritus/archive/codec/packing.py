"""zstd (RFC 8878), a compressor and a decompressor to each thread."""

import threading

import zstandard

from emeritus.archive.codec.schemes import Undecodable
from emeritus.archive.ports import Bytes

_LOOK = 32 << 10
_contexts = threading.local()


def pack(data: Bytes, *, plane: bool = False, level: int = 1) -> bytes:
    """Return *data* as one zstd frame; *plane*: it is numbers, in which long matches are accidents."""
    packed: bytes = _compressor(0 if plane else level).compress(data)
    return packed


def _compressor(level: int) -> zstandard.ZstdCompressor:
    """Return this thread's compressor of a *level*; of planes for 0."""
    held: dict[int, zstandard.ZstdCompressor] = _contexts.__dict__.setdefault("packing", {})
    if level not in held:
        if level:
            held[level] = zstandard.ZstdCompressor(level=level)
        else:  # look for long matches only, and count on Huffman
            numbers = zstandard.ZstdCompressionParameters.from_level(1, min_match=7, hash_log=6)
            held[level] = zstandard.ZstdCompressor(compression_params=numbers)
    return held[level]


def repeats(data: Bytes, share: float) -> bool:
    """Tell by a look at the middle whether *data* repeats itself so that zstd may leave less than *share*."""
    middle = memoryview(data)[(len(data) - _LOOK) // 2 :][:_LOOK] if len(data) > _LOOK else data
    return len(pack(middle)) < share * len(middle)


def unpack(data: Bytes, length: int) -> bytes:
    """Return the *length* bytes that `pack` wrote. Raises Undecodable."""
    try:
        if zstandard.frame_content_size(data) != length:
            raise Undecodable("a zstd frame of another length")
        if not hasattr(_contexts, "unpack"):
            _contexts.unpack = zstandard.ZstdDecompressor(max_window_size=8 << 20)
        raw: bytes = _contexts.unpack.decompress(data, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as why:
        raise Undecodable(str(why)) from why
    return raw
