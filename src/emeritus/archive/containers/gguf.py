"""The header of a GGUF file, versions 2 and 3, little-endian.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; block sizes from ggml's type table.
"""

import struct
from typing import Any

from attrs import frozen

from emeritus.archive.containers.layout import MAX_HEADER, MAX_TENSORS, Claims, Layout, Span, refusal
from emeritus.archive.ports import Read

MAX_PAIRS = 65_536
MAX_DEPTH = 4
_KEPT_TEXT = 4096
_WINDOW = 1 << 20

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY, _UINT32 = 8, 9, 4

# type id: name, elements in a block, widths in bytes of the block's fields (ggml-common.h; a number of
# more than one byte, such as a scale, stands as its single bytes). Types whose size has differed between
# programs (Q8_1, which no file holds; those above 39) are left out: their neighbours tell their extent.
_TYPES: dict[int, tuple[str, int, tuple[int, ...]]] = {
    0: ("F32", 1, (1,) * 4),
    1: ("F16", 1, (1,) * 2),
    2: ("Q4_0", 32, (1, 1, 16)),
    3: ("Q4_1", 32, (1, 1, 1, 1, 16)),
    6: ("Q5_0", 32, (1, 1, 4, 16)),
    7: ("Q5_1", 32, (1, 1, 1, 1, 4, 16)),
    8: ("Q8_0", 32, (1, 1, 32)),
    10: ("Q2_K", 256, (16, 64, 1, 1, 1, 1)),
    11: ("Q3_K", 256, (32, 64, 12, 1, 1)),
    12: ("Q4_K", 256, (1, 1, 1, 1, 12, 128)),
    13: ("Q5_K", 256, (1, 1, 1, 1, 12, 32, 128)),
    14: ("Q6_K", 256, (128, 64, 16, 1, 1)),
    15: ("Q8_K", 256, (1, 1, 1, 1, 256, 32)),
    16: ("IQ2_XXS", 256, (1, 1, 64)),
    17: ("IQ2_XS", 256, (1, 1, 64, 8)),
    18: ("IQ3_XXS", 256, (1, 1, 96)),
    19: ("IQ1_S", 256, (1, 1, 32, 16)),
    20: ("IQ4_NL", 32, (1, 1, 16)),
    21: ("IQ3_S", 256, (1, 1, 64, 8, 32, 4)),
    22: ("IQ2_S", 256, (1, 1, 64, 8, 8)),
    23: ("IQ4_XS", 256, (1, 1, 2, 4, 128)),
    24: ("I8", 1, (1,)),
    25: ("I16", 1, (1,) * 2),
    26: ("I32", 1, (1,) * 4),
    27: ("I64", 1, (1,) * 8),
    28: ("F64", 1, (1,) * 8),
    29: ("IQ1_M", 256, (32, 16, 8)),
    30: ("BF16", 1, (1,) * 2),
    34: ("TQ1_0", 256, (48, 4, 1, 1)),
    35: ("TQ2_0", 256, (64, 1, 1)),
    39: ("MXFP4", 32, (1, 16)),
}
_FLOATS = {"F16", "BF16", "F32", "F64"}
_FIELDS = {name: fields for name, _, fields in _TYPES.values()}


def elements(dtype: str) -> tuple[tuple[int, ...], bool]:
    """Return what repeats in a tensor of *dtype* (`Span.fields`), and whether it is a row of floats."""
    return _FIELDS.get(dtype, (1,)), dtype in _FLOATS


@frozen
class Metadata:
    """The key-value pairs of a GGUF file: scalars and short texts as they are, arrays by length only."""

    values: dict[str, Any]
    array_lengths: dict[str, int]

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        value = self.values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


@frozen
class _Claim:
    name: str
    type_id: int
    shape: tuple[int, ...]
    offset: int


def parse(read: Read, size: int, file: str) -> tuple[Layout, Metadata]:
    """Return the layout and metadata of the GGUF file called *file* of *size* bytes.

    A tensor of a type that is not known here is taken as bytes up to the next one.

    Raises:
        ContainerInvalid: when it is truncated or its header does not tell the truth.
    """
    cursor = _Cursor(read, size, file)
    if cursor.take(4) != b"GGUF":
        raise cursor.wrong("it does not begin with 'GGUF'")
    version = cursor.number("<I")
    if version not in (2, 3):
        if version in (2 << 24, 3 << 24):
            raise cursor.wrong("it is big-endian", "Convert it with llama.cpp's gguf_convert_endian.py.")
        raise cursor.wrong(f"its version is {version}", "Convert it with a current llama.cpp to version 3.")
    tensors, pairs = cursor.number("<Q"), cursor.number("<Q")
    if tensors > MAX_TENSORS or pairs > MAX_PAIRS:
        raise cursor.wrong(f"it claims {tensors} tensors and {pairs} metadata pairs")
    metadata = _metadata(cursor, pairs)
    claimed = [_claim(cursor) for _ in range(tensors)]
    alignment = metadata.values.get("general.alignment", 32)
    if type(alignment) is not int or not 1 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise cursor.wrong(f"its alignment is {alignment!r}, not a power of two")
    start = -(-cursor.at // alignment) * alignment
    if start > size:
        if any(claim.shape.count(0) == 0 for claim in claimed):
            raise cursor.wrong("it ends before its first tensor")
        start = size
    return _layout(Claims(file, "gguf", start, size), claimed, start, size, alignment), metadata


def _layout(claims: Claims, claimed: list[_Claim], start: int, size: int, alignment: int) -> Layout:
    offsets = sorted({claim.offset for claim in claimed})
    following = dict(zip(offsets, [*offsets[1:], size - start], strict=False))
    for claim in claimed:
        count = claims.count(claim.name, claim.shape)
        if claim.offset % alignment:
            claims.refuse(f"tensor {claim.name!r} lies at {claim.offset}, off its alignment of {alignment}")
        if count and start + claim.offset > size:
            claims.refuse(f"tensor {claim.name!r} begins at {start + claim.offset} in a file of {size} bytes")
        name, elements, fields = _TYPES.get(claim.type_id, (f"ggml-{claim.type_id}", 0, (1,)))
        if elements == 0:
            length = max(0, following[claim.offset] - claim.offset) if count else 0
        else:
            if (claim.shape[0] if claim.shape else 1) % elements:
                claims.refuse(
                    f"tensor {claim.name!r} of {name} has rows that are no whole blocks of {elements}"
                )
            length = count // elements * sum(fields)
        claims.add(
            Span(
                "tensor", start + claim.offset if length else start, length, claim.name, name,
                claim.shape, fields, name in _FLOATS,
            )
        )  # fmt: skip
    return claims.layout()


def _claim(cursor: "_Cursor") -> _Claim:
    name = cursor.text(1024, "the name of a tensor")
    dims = cursor.number("<I")
    if dims > 8:
        raise cursor.wrong(f"tensor {name!r} has {dims} dimensions")
    shape = tuple(cursor.number("<Q") for _ in range(dims))
    return _Claim(name, cursor.number("<I"), shape, cursor.number("<Q"))


def _metadata(cursor: "_Cursor", pairs: int) -> Metadata:
    values: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for _ in range(pairs):
        key = cursor.text(65_535, "a metadata key")
        if key in values or key in lengths:
            raise cursor.wrong(f"the metadata key {key[:60]!r} is there twice")
        kind = cursor.number("<I")
        if kind == _ARRAY:
            lengths[key] = _skip_array(cursor, key, 1)
        elif kind == _STRING:
            raw = cursor.take(cursor.number("<Q"))
            values[key] = raw[:_KEPT_TEXT].decode("utf-8", "replace")
        elif kind in _SCALARS:
            values[key] = cursor.number(_SCALARS[kind])
        else:
            raise cursor.wrong(f"the metadata value {key[:60]!r} is of the unknown kind {kind}")
    return Metadata(values, lengths)


def _skip_array(cursor: "_Cursor", key: str, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise cursor.wrong(f"the metadata value {key[:60]!r} nests arrays more than {MAX_DEPTH} deep")
    kind, length = cursor.number("<I"), cursor.number("<Q")
    if kind in _SCALARS:
        cursor.skip(length * struct.calcsize(_SCALARS[kind]))
    elif kind == _STRING:
        cursor.need(length * 8)
        for _ in range(length):
            cursor.skip(cursor.number("<Q"))
    elif kind == _ARRAY:
        cursor.need(length * 12)
        for _ in range(length):
            _skip_array(cursor, key, depth + 1)
    else:
        raise cursor.wrong(f"the metadata value {key[:60]!r} holds the unknown kind {kind}")
    return int(length)


class _Cursor:
    """Walks through the header in windows of 1 MiB; never beyond the file, never beyond the bound."""

    def __init__(self, read: Read, size: int, file: str) -> None:
        self._read = read
        self._size = size
        self._file = file
        self._window = b""
        self._window_at = 0
        self.at = 0

    def wrong(
        self, wrong: str, next_step: str = "Get the file again from where it was published."
    ) -> Exception:
        return refusal(self._file, "gguf", wrong, next_step)

    def need(self, length: int) -> None:
        if self.at + length > self._size:
            raise self.wrong(f"it ends inside its header, which claims {length} bytes more at byte {self.at}")
        if self.at + length > MAX_HEADER:
            raise self.wrong(f"its header is longer than the {MAX_HEADER} bytes allowed")

    def skip(self, length: int) -> None:
        self.need(length)
        self.at += length

    def take(self, length: int) -> bytes:
        self.need(length)
        begin = self.at - self._window_at
        if begin < 0 or begin + length > len(self._window):
            end = min(self._size, self.at + max(length, _WINDOW))
            self._window, self._window_at, begin = self._read(self.at, end), self.at, 0
        self.at += length
        return self._window[begin : begin + length]

    def number(self, code: str) -> Any:
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def text(self, limit: int, what: str) -> str:
        length = self.number("<Q")
        if length > limit:
            raise self.wrong(f"{what} claims {length} bytes")
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self.wrong(f"{what} is not UTF-8") from None
