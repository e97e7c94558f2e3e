"""A file as an ordered list of spans that cover every byte of it exactly once."""

import math
import re
from collections.abc import Iterable
from typing import Literal, NoReturn

from attrs import evolve, frozen

from emeritus.archive.errors import ContainerInvalid

Kind = Literal["header", "tensor", "gap", "tail", "bytes"]

MAX_HEADER = 100_000_000
"""Longest header read, in bytes; the limit that the safetensors library sets too."""
MAX_TENSORS = 250_000
MAX_DIMENSION = 2**48
MAX_DIMENSIONS = 16

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@frozen
class Span:
    """A run of bytes: a header, one tensor, the gap before the next, the tail, or plain bytes.

    *fields* are the widths in bytes of what repeats: the bytes of an element, the fields of a block of a
    quantised type; ``(1,)`` when nothing is known. *is_float* says that the elements are IEEE-like
    numbers with the sign on top.
    """

    kind: Kind
    offset: int
    length: int
    name: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    fields: tuple[int, ...] = (1,)
    is_float: bool = False

    @property
    def stride(self) -> int:
        """Bytes of one element or block."""
        return sum(self.fields)


@frozen
class Layout:
    """What a file is (``gguf``, ``safetensors`` or ``bytes``) and its spans in order."""

    container: str
    spans: tuple[Span, ...]

    def __attrs_post_init__(self) -> None:
        at = 0
        for span in self.spans:
            if span.offset != at or span.length < 0:
                raise ValueError(f"spans leave a hole or overlap at byte {at}")
            at += span.length

    @property
    def size(self) -> int:
        return sum(span.length for span in self.spans)

    @property
    def tensors(self) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.kind == "tensor")


def whole(size: int) -> Layout:
    """Return the layout of a file of *size* bytes of which nothing is known."""
    return Layout("bytes", (Span("bytes", 0, size),) if size else ())


class Claims:
    """What a header claims about one file: collects tensors, refuses lies, and ends as a layout."""

    def __init__(self, file: str, container: str, data_start: int, size: int) -> None:
        self._file = file
        self._container = container
        self._start = data_start
        self._size = size
        self._tensors: list[Span] = []
        self._names: set[str] = set()

    def refuse(
        self, wrong: str, next_step: str = "Get the file again from where it was published."
    ) -> NoReturn:
        raise refusal(self._file, self._container, wrong, next_step)

    def add(self, tensor: Span) -> None:
        """Take one tensor, its offset counted from the start of the file."""
        self.name(tensor.name)
        if tensor.offset < self._start or tensor.offset + tensor.length > self._size:
            self.refuse(
                f"tensor {tensor.name!r} claims the bytes {tensor.offset} to "
                f"{tensor.offset + tensor.length} of a file of {self._size}"
            )
        self._tensors.append(tensor)

    def name(self, name: str) -> None:
        """Refuse a tensor name that was seen before or that is none."""
        if not name or len(name) > 1024 or _CONTROL.search(name):
            self.refuse(f"{name[:60]!r} cannot be the name of a tensor")
        if name in self._names:
            self.refuse(f"tensor {name!r} is there twice")
        if len(self._names) >= MAX_TENSORS:
            self.refuse(f"it claims more than {MAX_TENSORS} tensors")
        self._names.add(name)

    def count(self, name: str, shape: Iterable[int]) -> int:
        """Return the number of elements of *shape*, refusing what no tensor can have."""
        dims = tuple(shape)
        if len(dims) > MAX_DIMENSIONS:
            self.refuse(f"tensor {name!r} has {len(dims)} dimensions")
        if any(not 0 <= dim <= MAX_DIMENSION for dim in dims):
            self.refuse(f"tensor {name!r} has a dimension that cannot be: {max(dims, key=abs)}")
        return math.prod(dims)

    def layout(self) -> Layout:
        """Order the tensors, refuse overlaps, and fill what is between them."""
        spans = [Span("header", 0, self._start)]
        spans += [evolve(tensor, offset=self._start) for tensor in self._tensors if not tensor.length]
        at = self._start
        before = ""
        for tensor in sorted(self._tensors, key=lambda span: (span.offset, span.length, span.name)):
            if tensor.length == 0:
                continue
            if tensor.offset < at:
                self.refuse(f"tensors {before!r} and {tensor.name!r} claim the same bytes")
            if tensor.offset > at:
                spans.append(Span("gap", at, tensor.offset - at))
            spans.append(tensor)
            at = tensor.offset + tensor.length
            before = tensor.name
        if at < self._size:
            spans.append(Span("tail", at, self._size - at))
        return Layout(self._container, tuple(spans))


def refusal(file: str, container: str, wrong: str, next_step: str) -> ContainerInvalid:
    """Return the error that says what is wrong with *file*."""
    kind = {"gguf": "GGUF", "safetensors": "safetensors"}[container]
    return ContainerInvalid(f"{file} is not a sound {kind} file: {wrong}.", next_step=next_step)
