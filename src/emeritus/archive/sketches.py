"""Sketches: a few bits of a tensor by which a near relative is found among thousands.

A sketch is eight bands. A band is a hash of what five neighbouring numbers have on top (sign, exponent, two
bits of mantissa), at a place that depends on the tensor's length only. Tensors that were trained from
one another share most bands; strangers share none.
"""

import struct
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import numpy as np
from attrs import frozen
from blake3 import blake3

from emeritus.archive.containers import Span, elements
from emeritus.archive.errors import BlobMissing, ObjectDamaged, ObjectMissing
from emeritus.archive.manifest import FileRecipe, Manifest
from emeritus.archive.objects import StoredObject
from emeritus.archive.ports import Blobs, Read

FOLDER = "sketches"
BANDS = 8
SMALLEST = 16 << 10
"""Shorter tensors are not worth a difference: each costs one more object to read."""
_MAGIC = b"EMRSKT\x00\x01"
_ROW = struct.Struct(f"<32s{BANDS}q")
_CHECKSUM = 32
_RUN = 5
_TOP = {"BF16": 5, "F16": 8, "F32": 21, "F64": 50}  # low bits of a number that do not count

Bands: TypeAlias = tuple[int, ...]


@frozen
class Sketch:
    """The bands of one object; 0 stands for a band that tells nothing."""

    object: str
    bands: Bands


def bands(span: Span, number: int, length: int, read: Read) -> Bands | None:
    """Return the bands of the part *number* of a tensor, *length* bytes that *read* gives; None if short."""
    if span.kind != "tensor" or length < SMALLEST:
        return None
    stride = span.stride
    reach = 1 << ((length // stride).bit_length() - 1)  # of longer relatives the beginning is like ours
    places = [
        ((band * 0x9E3779B97F4A7C15 + 0x1234567) % (1 << 64) * (reach - _RUN)) >> 64 for band in range(BANDS)
    ]
    tops = _tops(span, b"".join(read(at * stride, (at + _RUN) * stride) for at in places))
    found = []
    for band in range(BANDS):
        values = tops[band * _RUN : (band + 1) * _RUN]
        if len(set(values)) < 3:
            found.append(0)  # a run of zeros or ones: everybody has those
            continue
        told = f"{span.dtype}|{number}|{band}|{values}".encode()
        found.append(int.from_bytes(blake3(told).digest(length=8), "little", signed=True))
    return tuple(found)


def _tops(span: Span, runs: bytes) -> list[int]:
    """Return what counts of each number, or block, in *runs*."""
    if span.is_float and span.dtype in _TOP:
        low = np.uint64(_TOP[span.dtype])
        found: list[int] = (np.frombuffer(runs, f"<u{span.stride}").astype(np.uint64) >> low).tolist()
        return found
    blocks = np.frombuffer(runs, np.uint8).reshape(-1, span.stride)
    places = list(_high_bytes(span.fields))
    return [int.from_bytes(bytes(block[places or slice(0, 8)]), "little") for block in blocks]


def _high_bytes(fields: tuple[int, ...]) -> Iterator[int]:
    """Yield where a quantised block has the upper byte of a scale: the second of two single bytes."""
    at, pair = 0, False
    for width in fields:
        pair = width == 1 and not pair
        if width == 1 and not pair:
            yield at
        at += width


def of_stored(files: Iterable[FileRecipe], blobs: Blobs, known: Collection[str] = ()) -> Iterator[Sketch]:
    """Sketch the tensors of *files* from their objects in the store, but for those *known*.

    A damaged or missing object has none: sketches are only a help.
    """
    seen = set(known)
    for file in files:
        for span in file.spans:
            repeats, is_float = elements(file.container, span.dtype)
            laid = Span(span.kind, 0, span.length, span.name, span.dtype, span.shape, repeats, is_float)
            for number, part in enumerate(span.parts):
                if (
                    span.kind != "tensor"
                    or part.object is None
                    or part.object in seen
                    or part.length < SMALLEST
                ):
                    continue
                seen.add(part.object)
                with suppress(ObjectDamaged, ObjectMissing):
                    stored = StoredObject.open(blobs, part.object).keeping(BANDS)
                    found = bands(laid, number, part.length, partial(_read, stored))
                    if found is not None:
                        yield Sketch(part.object, found)


def _read(stored: StoredObject, start: int, end: int) -> bytes:
    return bytes(stored.range(start, end))


def sketches_path(model: str, digest: str) -> str:
    """Return the blob path of the sketches that belong to a manifest."""
    return f"{FOLDER}/{model}/{digest.removeprefix('sha256:')}"


def keep(manifest: Manifest, sketches: Iterable[Sketch], blobs: Blobs) -> None:
    """Store the sketches of a manifest's tensors beside it."""
    rows = {sketch.object: _ROW.pack(bytes.fromhex(sketch.object), *sketch.bands) for sketch in sketches}
    data = _MAGIC + b"".join(rows[name] for name in sorted(rows))
    blobs.put_if_absent(sketches_path(manifest.model, manifest.digest), [data, blake3(data).digest()])


def load(path: str, blobs: Blobs) -> tuple[Sketch, ...]:
    """Return the sketches stored under *path*; none when they are gone or damaged: they are only a help."""
    try:
        data = b"".join(blobs.get(path))
    except BlobMissing:
        return ()
    body, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    rows = body[len(_MAGIC) :]
    if not body.startswith(_MAGIC) or len(rows) % _ROW.size or blake3(body).digest() != checksum:
        return ()
    return tuple(Sketch(row[0].hex(), row[1:]) for row in _ROW.iter_unpack(rows))
