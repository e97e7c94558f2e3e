"""Two models side by side: which tensors differ, and by how much. Read in frames, never a whole tensor."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeAlias

import numpy as np
from attrs import frozen

from emeritus.archive.containers import elements
from emeritus.archive.flow import flow
from emeritus.archive.manifest import Manifest, SpanRecipe
from emeritus.archive.ports import Blobs, Progress, quiet

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Verdict = Literal["identical", "changed", "reshaped", "only-in-a", "only-in-b"]

_PIECE = 1 << 20
_INTEGERS = {"I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "u1", "U16": "<u2", "U32": "<u4",
             "U64": "<u8", "BOOL": "u1"}  # fmt: skip
_FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


@frozen
class Difference:
    """One tensor in two models.

    *changed* counts the elements (of a quantised type: blocks) whose bits differ, of *count*. *largest* and
    *mean* are absolute differences of the values, over all elements; *ulps* is how many representable
    numbers lie between, at most (floats only). Infinite and not-a-number values count as changed, and
    are left out of the rest. All three are None where the numbers cannot be read (quantised types).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    verdict: Verdict
    count: int = 0
    changed: int = 0
    largest: float | None = None
    mean: float | None = None
    ulps: int | None = None
    other: str = ""

    @property
    def share(self) -> float:
        """The share of elements that changed, from 0 to 1."""
        return self.changed / self.count if self.count else 0.0


def compare(
    a: Manifest, b: Manifest, blobs: Blobs, *, progress: Progress = quiet, threads: int = 2
) -> Iterator[Difference]:
    """Yield every tensor of *a* and *b* by name, in the order of *a*, then those that only *b* has.

    Tensors made of the same objects are identical without being read.

    Raises:
        ObjectDamaged, ObjectMissing: when bytes that have to be looked at cannot be had.
    """
    first, second = _tensors(a), _tensors(b)
    total = sum(2 * span.length for name, (_, span) in first.items() if _readable(span, second.get(name)))
    done = 0
    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="archive-compare") as pool:
        for name, (container, span) in first.items():
            if name not in second:
                yield Difference(name, span.dtype, span.shape, "only-in-a")
                continue
            other = second[name][1]
            if (span.dtype, span.shape, span.length) != (other.dtype, other.shape, other.length):
                told = f"{other.dtype} {list(other.shape)}"
                yield Difference(name, span.dtype, span.shape, "reshaped", other=told)
                continue
            measure = _Measure(container, span)
            if not _readable(span, second[name]):
                yield measure.difference("identical")
                continue
            for one, two in zip(_pieces(span, blobs, pool), _pieces(other, blobs, pool), strict=True):
                measure.add(one, two)
                done += len(one) + len(two)
                progress(done, total, name)
            yield measure.difference("changed" if measure.changed else "identical")
    for name, (_, span) in second.items():
        if name not in first:
            yield Difference(name, span.dtype, span.shape, "only-in-b")


def _tensors(manifest: Manifest) -> dict[str, tuple[str, SpanRecipe]]:
    return {
        span.name: (file.container, span)
        for file in manifest.files
        for span in file.spans
        if span.kind == "tensor"
    }


def _readable(span: SpanRecipe, other: tuple[str, SpanRecipe] | None) -> bool:
    """Tell whether two tensors can be compared number by number and are not the same objects."""
    return (
        other is not None
        and (span.dtype, span.shape, span.length) == (other[1].dtype, other[1].shape, other[1].length)
        and span.parts != other[1].parts
    )


def _pieces(span: SpanRecipe, blobs: Blobs, pool: ThreadPoolExecutor) -> Iterator[bytes]:
    """Yield the bytes of a tensor in pieces that hold whole elements, and are alike in both models."""
    held = bytearray()
    for raw in flow(span.parts, blobs, pool):
        held += raw
        while len(held) >= _PIECE * 8:
            yield bytes(held[: _PIECE * 8])
            del held[: _PIECE * 8]
    if held:
        yield bytes(held)


class _Measure:
    """Adds up what differs, piece by piece."""

    def __init__(self, container: str, span: SpanRecipe) -> None:
        self._span = span
        fields, self._is_float = elements(container, span.dtype)
        self._stride = sum(fields) if span.length % sum(fields) == 0 else 1
        self._rest = (b"", b"")
        self.changed = 0
        self._largest: float | None = None
        self._sum = 0.0
        self._ulps: int | None = None

    def add(self, one: bytes, two: bytes) -> None:
        one, two = self._rest[0] + one, self._rest[1] + two
        whole = len(one) // self._stride * self._stride
        self._rest = one[whole:], two[whole:]
        one, two = one[:whole], two[:whole]
        blocks = [np.frombuffer(data, np.uint8).reshape(-1, self._stride) for data in (one, two)]
        differs = (blocks[0] != blocks[1]).any(axis=1)
        self.changed += int(differs.sum())
        values = [_values(self._span.dtype, data) for data in (one, two)]
        if values[0] is None or values[1] is None or not differs.any():
            return
        with np.errstate(all="ignore"):
            distance = np.abs(values[0][differs].astype(np.float64) - values[1][differs].astype(np.float64))
        finite = np.isfinite(distance)
        if finite.any():
            self._largest = max(self._largest or 0.0, float(distance[finite].max()))
            self._sum += float(distance[finite].sum())
        if self._is_float:
            orders = [
                _order(np.frombuffer(data, f"<u{self._stride}")[differs][finite]) for data in (one, two)
            ]
            if orders[0].size:
                above = np.maximum(*orders) - np.minimum(*orders)
                self._ulps = max(self._ulps or 0, int(above.max()))

    def difference(self, verdict: Verdict) -> Difference:
        span = self._span
        count = span.length // self._stride
        readable = _values(span.dtype, b"") is not None
        return Difference(
            span.name,
            span.dtype,
            span.shape,
            verdict,
            count,
            self.changed,
            (self._largest or 0.0) if readable else None,
            (self._sum / count if count else 0.0) if readable else None,
            (self._ulps or 0) if readable and self._is_float else None,
        )


def _values(dtype: str, data: bytes) -> "Array | None":
    """Return the numbers that *data* holds; None when it is not known how."""
    if dtype in _FLOATS:
        return np.frombuffer(data, _FLOATS[dtype])
    if dtype in _INTEGERS:
        return np.frombuffer(data, _INTEGERS[dtype])
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    return None


def _order(bits: Array) -> Array:
    """Return the place of each float among all floats, so that neighbours are one apart."""
    width = bits.dtype.itemsize * 8
    words = bits.astype(np.uint64)
    top = np.uint64(1 << (width - 1))
    return np.where(words & top, top - (words & (top - np.uint64(1))), top + words)
