"""The header of a safetensors file: 8 bytes of length, then JSON.

Source: the format's own description, https://github.com/huggingface/safetensors#format.
"""

import json
from typing import Any, NoReturn

import msgspec

from emeritus.archive.containers.layout import MAX_HEADER, MAX_TENSORS, Claims, Layout, Span, refusal
from emeritus.archive.ports import Read

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
    "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_FLOATS = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "C64": 4}
_MAX_COMMAS = 8 * MAX_TENSORS  # what bounds the memory that a hostile header can ask for


class _Tensor(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def parse(read: Read, size: int, file: str) -> Layout:
    """Return the layout of the safetensors file called *file* of *size* bytes.

    A dtype that is not known here is taken by its offsets, as bytes.

    Raises:
        ContainerInvalid: when it is truncated or its header does not tell the truth.
    """
    if size < 8:
        raise _wrong(file, f"it has only {size} bytes")
    length = int.from_bytes(read(0, 8), "little")
    if length > MAX_HEADER:
        raise _wrong(file, f"its header claims {length} bytes, more than the {MAX_HEADER} allowed")
    if 8 + length > size:
        raise _wrong(file, f"it ends inside its header of {length} bytes")
    header = _json(read(8, 8 + length), file)
    claims = Claims(file, "safetensors", 8 + length, size)
    for name, raw in header.items():
        if name == "__metadata__":
            if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
                claims.refuse("its __metadata__ is not a map of texts")
            continue
        _claim(claims, name, raw, 8 + length)
    return claims.layout()


def _claim(claims: Claims, name: str, raw: Any, start: int) -> None:
    try:
        tensor = msgspec.convert(raw, _Tensor)
    except msgspec.ValidationError:
        claims.refuse(f"its entry for {name[:60]!r} lacks a dtype, a shape or two offsets")
    begin, end = tensor.data_offsets
    if not 0 <= begin <= end:
        claims.refuse(f"tensor {name!r} claims the bytes {begin} to {end}")
    count = claims.count(name, tensor.shape)
    bits = _BITS.get(tensor.dtype)
    if bits is not None and count * bits != (end - begin) * 8:
        claims.refuse(
            f"tensor {name!r} of {tensor.dtype} {list(tensor.shape)} needs {(count * bits + 7) // 8} bytes "
            f"and claims {end - begin}"
        )
    if bits is None and (not tensor.dtype.isprintable() or len(tensor.dtype) > 32):
        claims.refuse(f"tensor {name!r} has no dtype that could be one")
    fields, is_float = elements(tensor.dtype)
    claims.add(Span("tensor", start + begin, end - begin, name, tensor.dtype, tensor.shape, fields, is_float))


def elements(dtype: str) -> tuple[tuple[int, ...], bool]:
    """Return what repeats in a tensor of *dtype* (`Span.fields`), and whether it is a row of floats."""
    is_float = dtype in _FLOATS
    return (1,) * (_FLOATS[dtype] if is_float else max(1, _BITS.get(dtype, 8) // 8)), is_float


def _json(data: bytes, file: str) -> dict[str, Any]:
    if not data.startswith(b"{"):
        raise _wrong(file, "its header is not a JSON object")
    if data.count(b",") > _MAX_COMMAS or data.count(b"[") + data.count(b"{") > _MAX_COMMAS:
        raise _wrong(file, f"its header names more than {MAX_TENSORS} tensors")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in found if names.count(name) > 1)
            raise _wrong(file, f"{twice[:60]!r} is there twice")
        return found

    def no_number(text: str) -> NoReturn:
        raise ValueError(text)

    try:
        value = json.loads(data, object_pairs_hook=once, parse_constant=no_number)
    except (ValueError, RecursionError):
        raise _wrong(file, "its header is not JSON") from None
    if not isinstance(value, dict):
        raise _wrong(file, "its header is not a JSON object")
    return value


def _wrong(file: str, wrong: str) -> Exception:
    return refusal(file, "safetensors", wrong, "Get the file again from where it was published.")
