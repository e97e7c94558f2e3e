"""What entropy allows: bounds that a coder of order 0 cannot pass, computed from the data of the run."""

from pathlib import Path

import numpy as np
from benchmarks.archive.reference import in_order, tensors


def entropy(counts: np.ndarray) -> float:
    """Return the bits that symbols counted like this take together."""
    seen = counts[counts > 0].astype(np.float64)
    return float((seen * np.log2(seen.sum() / seen)).sum())


def alone_bf16(path: Path) -> float:
    """Return the ratio by the entropies of sign, exponent and mantissa of all BF16 numbers."""
    words = _words(path, "BF16", "<u2")
    fields = (words >> 15, (words >> 7) & 0xFF, words & 0x7F)
    return words.size * 16 / sum(entropy(np.bincount(field)) for field in fields)


def alone_f32(path: Path) -> float:
    """Return the ratio by the entropies of sign, exponent, and the mantissa's upper 7 bits and two lower bytes."""
    words = _words(path, "F32", "<u4")
    fields = (words >> 31, (words >> 23) & 0xFF, (words >> 16) & 0x7F, (words >> 8) & 0xFF, words & 0xFF)
    return words.size * 32 / sum(entropy(np.bincount(field)) for field in fields)


def difference_bf16(path: Path, base: Path, *, leave_out: str = "\0") -> float:
    """Return the ratio by the entropy of the integer difference in float order, given the base's exponent."""
    new, old = (_words(where, "BF16", "<u2", leave_out) for where in (path, base))
    difference = (in_order(new) - in_order(old)).astype(np.uint32)
    exponent = ((old >> 7) & 0xFF).astype(np.uint32)
    counts = np.bincount(exponent << 16 | difference, minlength=1 << 24).reshape(256, -1)
    return new.size * 16 / sum(entropy(row) for row in counts)


def _words(path: Path, dtype: str, words: str, leave_out: str = "\0") -> np.ndarray:
    raw = path.read_bytes()
    parts = [
        np.frombuffer(raw, words, (end - begin) // np.dtype(words).itemsize, begin)
        for name, kind, begin, end in tensors(raw)
        if kind == dtype and leave_out not in name
    ]
    return np.concatenate(parts)
