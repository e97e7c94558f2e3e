"""Where plain bytes are cut: at places that their content names, so that what moved is still found.

A rolling sum over the last 32 bytes ("gear" hash) decides. The rule stands in
docs/reference/archive-format.md; it is no part of the format: a reader never needs it.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from emeritus.archive.ports import Read

MIN = 128 << 10
MAX = 2 << 20
BITS = 18
"""So many top bits of the hash are zero where a chunk ends: once in 256 KiB on average, beyond MIN."""
ALIGN = 16
"""In files of weights chunks end at multiples of this, so that no number is cut in two."""
_WINDOW = 32
_BLOCK = 128 << 10
_GEAR = np.array(
    [int.from_bytes(hashlib.sha256(b"emeritus gear %d" % n).digest()[:4], "little") for n in range(256)],
    np.uint32,
)


def boundaries(read: Read, start: int, end: int, align: int = 1) -> Iterator[int]:
    """Yield where each chunk of the bytes from *start* up to *end* ends; the last one is *end*."""
    bits = BITS - align.bit_length() + 1  # an end is looked for at fewer places
    while start < end:
        stop = _end(read, start, min(start + MAX, end), align, bits)
        yield stop
        start = stop


def _end(read: Read, start: int, limit: int, align: int, bits: int) -> int:
    at = start + MIN
    while at < limit:
        stop = min(at + _BLOCK, limit)
        sums = _sums(np.frombuffer(read(at - _WINDOW, stop), np.uint8))
        # sums[n] is over the bytes before at + n
        found = np.flatnonzero(sums[-at % align :: align] < 1 << (32 - bits))
        if found.size:
            return at + -at % align + int(found[0]) * align
        at = stop
    return limit


def _sums(data: "np.ndarray[Any, np.dtype[np.uint8]]") -> "np.ndarray[Any, np.dtype[np.uint32]]":
    """Return, for each place from the 32nd byte on, the sum over n of gear(byte n before it) * 2**n."""
    sums = _GEAR[data[:-1]]
    for shift in (1, 2, 4, 8, 16):
        sums[shift:] += sums[:-shift] << np.uint32(shift)
    return sums[_WINDOW - 1 :]
