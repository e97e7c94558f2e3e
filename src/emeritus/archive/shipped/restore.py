"""Give back a model that lies in this archive, bit for bit. RESTORE.md, beside this file, says how to use it.

Needs Python 3.8 or newer, numpy and zstandard, and nothing of Emeritus. Format version 1, script version 2.
"""

import hashlib
import io
import itertools
import json
import os
import re
import struct
import sys
from pathlib import Path

import numpy
import zstandard

HEX64, SAFE = re.compile("[0-9a-f]{64}"), re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|]+")
DAMAGE = (ValueError, LookupError, TypeError, ArithmeticError, OSError, struct.error, zstandard.ZstdError)


class Refused(Exception):
    """Something is missing, damaged, or not what a reader should trust."""


def unzip(data, size):
    if zstandard.frame_content_size(data) != size:
        raise ValueError("a compressed run has another length")
    return zstandard.ZstdDecompressor().decompress(data)


def fields(payload, length, row):
    """Put blocks together whose fields are stored one kind after the other (encodings 2, 3 and 5)."""
    (number,), step = struct.unpack_from("<H", payload), struct.calcsize(row)
    rows = [struct.unpack_from(row, payload, 2 + i * step) for i in range(number)]
    rows = [each if len(each) == 4 else (each[0], 255, *each[1:]) for each in rows]  # kind, hint, width, size
    starts = list(itertools.accumulate((each[3] for each in rows), initial=2 + number * step))
    count, planes = length // sum(each[2] for each in rows), {}
    for i in sorted(range(number), key=lambda i: rows[i][1] != 255):
        kind, hint, width, _ = rows[i]
        plane, size = payload[starts[i] : starts[i + 1]], count * width
        if kind:
            plane = unzip(plane, size) if kind == 1 else numbers(plane, size, hints=planes.get(hint))
        planes[i] = numpy.frombuffer(plane, numpy.uint8).reshape(count, width)
    return numpy.hstack([planes[i] for i in range(number)]), payload[starts[-1] :]


def numbers(payload, length, base=None, hints=None):
    """Return numbers, each a token coded by rANS and some raw bits (encodings 4 and 16, parts of 5)."""
    width, lanes, packed, kept, size, words = struct.unpack_from("<BBBxIII", payload)
    count, lanes, at, word = length // width, 1 << lanes, 16 + kept, numpy.dtype(f"<u{width}")
    file = io.BytesIO(unzip(payload[16:at], size) if packed else payload[16:at])
    # The model: how large the intervals are that tokens name, how frequent tokens are, which blocks are alike.
    partitions, contexts, classes = file.read(3)
    partitions = [file.read(*struct.unpack("<H", file.read(2))) for _ in range(partitions)]
    symbols, rates, gaps = (numpy.zeros((contexts, 4096), numpy.int64) for _ in range(3))
    bits, starts = numpy.zeros((contexts, 256), numpy.int64), numpy.zeros((contexts, 256), numpy.uint64)
    for i in range(contexts):
        raw = partitions[file.read(1)[0]]
        byte = numpy.frombuffer(file.read(len(raw)), numpy.uint8).astype(numpy.int64)
        weight = numpy.where(byte > 0, (16 + (byte & 15)) << (byte >> 4), 0)
        rate = numpy.where(byte > 0, numpy.maximum(1, (weight << 12) // weight.sum()), 0)
        rate[rate.argmax()] += 4096 - rate.sum()
        symbols[i], rates[i] = numpy.repeat(numpy.arange(len(raw)), rate), numpy.repeat(rate, rate)
        gaps[i] = numpy.arange(4096) - numpy.repeat(numpy.cumsum(rate) - rate, rate)
        starts[i, : len(raw)] = [0, *itertools.accumulate(1 << each for each in raw[:-1])]
        bits[i, : len(raw)] = list(raw)
    told, chosen, centres = [], [], []
    for _ in range(classes):
        kind, zeros, shift, log = file.read(4)
        told.append((kind, zeros, shift, (1 << log) - 1, len(chosen)))
        chosen += file.read(1 << log)
        centres += numpy.frombuffer(file.read(4 << log), "<i4").tolist()
    (block,) = struct.unpack("<I", file.read(4))
    of_block = numpy.frombuffer(file.read() if classes > 1 else bytes(-(-count // block)), numpy.uint8)
    kind, zeros, shift, mask, entry = numpy.array(told)[numpy.repeat(of_block, block)[:count]].T
    where = numpy.flatnonzero(kind)  # the others are the base's numbers, or zero
    one, sign = word.type(1), word.type(8 * width - 1)
    top, out = one << sign, numpy.zeros(count, word)
    if base is not None:
        out[:] = numpy.frombuffer(base[: count * width].ljust(count * width, b"\0"), word)
        entry = entry + ((out & ~top) >> shift.astype(word)).astype(numpy.int64) % (mask + 1)
    elif hints is not None:
        entry = entry + (hints.reshape(-1)[numpy.arange(count) // block].astype(numpy.int64) >> shift & mask)
    context, centre = numpy.array(chosen)[entry[where]], numpy.array(centres)[entry[where]].astype(word)
    # The tokens: as many states as lanes take turns, each refilled with 16 bits when it falls below 2^16.
    states = numpy.frombuffer(payload, "<u4", lanes, at).astype(numpy.int64)
    stream = numpy.frombuffer(payload, "<u2", words, at + 4 * lanes).astype(numpy.int64)
    slots, used, rates, gaps = context << 12, 0, rates.reshape(-1), gaps.reshape(-1)
    for begin in range(0, len(where), lanes):
        slot = slots[begin : begin + lanes]
        state = states[: len(slot)]
        slot |= state & 4095
        state[:] = rates[slot] * (state >> 12) + gaps[slot]
        short = numpy.flatnonzero(state < 65536)
        state[short] = (state[short] << 16) | stream[used : used + len(short)]
        used += len(short)
    # The raw bits that tell where in its token's interval each number is, and the number itself.
    token, tail = symbols.reshape(-1)[slots], length % width
    size, first = bits[context, token], starts[context, token]
    bit, stop = numpy.cumsum(size) - size, len(payload) - tail
    raw = numpy.frombuffer(payload[at + 4 * lanes + 2 * words : stop] + bytes(16), numpy.uint8)
    at, shift, raw = bit >> 3, (bit & 7).astype(numpy.uint64), raw.astype(numpy.uint64)
    found, ones = raw[at] >> shift, numpy.full(len(bit), 2**64 - 1, numpy.uint64)
    for i in range(1, (int(size.max(initial=0)) + 14) // 8):
        found |= (raw[at + i] << numpy.uint64(1)) << (numpy.uint64(8 * i - 1) - shift)
    half, size = (size // 2).astype(numpy.uint64), size.astype(numpy.uint64)
    found = (first + (found & ~((ones << half) << (size - half)))).astype(word)
    low, rest, zeros = found & one, found >> one, zeros[where].astype(word)
    if base is None:
        out[where] = (rest << zeros) | (low << sign)
    else:
        near = out[where]
        signed = ((rest ^ (word.type(0) - low)) << zeros) + centre + (near & ~top)
        out[where] = numpy.where(signed & top, ~signed | top, signed) ^ (near & top)
    return out.tobytes() + payload[stop:]


def columns(payload, length):
    """Return blocks of a scale and 32 quants, coded beside what their columns lead to expect (encoding 6)."""
    row, shift, bits, packed, told = struct.unpack_from("<HBBII", payload)
    peak, (count, tail), told = {8: 127, 5: 16, 4: 8}[bits], divmod(length, 2 + 4 * bits), told + 12 + packed
    table = numpy.frombuffer(unzip(payload[12 : 12 + packed], 96 * row), numpy.uint8).reshape(3, -1)
    means = (table[1].astype(numpy.int8).astype(numpy.int64) * 256 + table[0]) << shift
    spreads = (4 + (table[2].astype(numpy.int64) & 3)) << (table[2] >> 2)
    beside = fields(payload[12 + packed : told], 3 * count, "<BBHI")[0]
    low, high, peaks = beside.astype(numpy.int64).T
    power, rest = (high >> 2) & 31, low | ((high & 3) << 8)
    scale = numpy.where(power > 0, (1024 + rest) << numpy.clip(power - 1, 0, 29), rest) * (power < 31)
    scale, sign = numpy.repeat(scale, 32), numpy.repeat(1 - 2 * (high >> 7), 32) * numpy.repeat(scale > 0, 32)
    column, whole = numpy.arange(32 * count) % (32 * row), numpy.maximum(scale, 1)
    expected = numpy.clip((2 * means[column] + whole) // (2 * whole), -127, 127) * sign
    wide = numpy.minimum(16 * spreads[column] // whole, 65535) * (scale > 0)
    log = numpy.maximum(numpy.frexp(wide)[1].astype(numpy.int64), 3)
    known = numpy.where(wide < 4, wide, 4 * (log - 2) + ((wide >> (log - 3)) & 3)).astype(numpy.uint8)
    at, kept = numpy.flatnonzero(peaks < 64), numpy.ones(32 * count, bool)
    tops = 32 * at + peaks[at] % 32
    kept[tops] = False
    rest = numpy.frombuffer(
        numbers(payload[told : len(payload) - tail], int(kept.sum()), hints=known[kept]), numpy.int8
    )
    expected[kept] += rest
    expected[tops] = numpy.where(peaks[at] < 32, peak, -peak)
    quants = (expected + (peak if bits < 8 else 0)).reshape(count, 32).astype(numpy.uint8)
    parts = [quants]
    if bits < 8:
        parts = [quants[:, :16] & 15 | quants[:, 16:] << 4]
    if bits == 5:
        parts.insert(0, numpy.packbits(quants >> 4 & 1, axis=1, bitorder="little"))
    return numpy.hstack([beside[:, :2], *parts]).tobytes() + payload[len(payload) - tail :]


def decode(encoding, payload, length, base):
    """Return the raw bytes of one frame; *base* holds the base's bytes at the same place, for a difference."""
    if encoding in (0, 1):
        return unzip(payload, length) if encoding else payload
    if encoding in (4, 16):
        return numbers(payload, length, base if encoding == 16 else None)
    if encoding == 6:
        return columns(payload, length)
    if encoding not in (2, 3, 5):
        raise ValueError(f"the encoding {encoding} is unknown to this script")
    blocks, tail = fields(payload, length, "<BBHI" if encoding == 5 else "<BHI")
    if encoding == 3:
        words = blocks.reshape(-1).view(f"<u{blocks.shape[1]}")
        words[:] = (words >> 1) | (words << (8 * blocks.shape[1] - 1))
    return blocks.tobytes() + tail


class Object:
    """An object of the archive, read frame by frame; one frame is held in memory, and one of each base."""

    def __init__(self, store, name, depth=0):
        if not HEX64.fullmatch(name) or depth > 2:
            raise ValueError(f"{name} is no object, or too many differences stand on each other")
        self.file, self.held = (store / "objects" / name[:2] / name).open("rb"), (None, b"")
        magic, size = struct.unpack("<8sI", self.file.read(12))
        if magic != b"EMROBJ\x00\x01" or size > 65536:
            raise ValueError(f"{name} does not begin as an object does")
        self.header = json.loads(self.file.read(size))
        self.length, self.frame = self.header["length"], self.header["frame"]
        if not 0 < self.frame <= 4 << 20:
            raise ValueError(f"{name} has frames of an impossible length")
        count, at, self.rows = -(-self.length // self.frame), 12 + size, []
        self.file.seek(-32 - 24 * count, os.SEEK_END)
        for encoding, length in struct.iter_unpack("<B3xI16x", self.file.read(24 * count)):
            self.rows.append((encoding, at, length))
            at += length
        self.base = Object(store, self.header["base"], depth + 1) if self.header["base"] else None

    def bytes(self, start, end):
        """Return raw bytes of this object; nothing beyond its end."""
        parts = []
        for number in range(start // self.frame, -(-min(end, self.length) // self.frame)):
            first = number * self.frame
            if self.held[0] != number:
                encoding, at, size = self.rows[number]
                stop = min(first + self.frame, self.length)
                self.file.seek(at)
                base = self.base.bytes(first, stop) if self.base and encoding >= 16 else b""
                raw = decode(encoding, self.file.read(size), stop - first, base)
                if len(raw) != stop - first:
                    raise ValueError(f"frame {number} has another length")
                self.held = (number, raw)
            parts.append(self.held[1][max(0, start - first) : end - first])
        return parts[0] if len(parts) == 1 else b"".join(parts)


def pieces(store, part):
    if "inline" in part:
        yield bytes.fromhex(part["inline"])
        return
    try:
        thing, digest = Object(store, part["object"]), hashlib.sha256()
        for start in range(0, thing.length, thing.frame):
            raw = thing.bytes(start, start + thing.frame)
            digest.update(raw)
            yield raw
        if digest.hexdigest() != thing.header["sha256"]:
            raise ValueError(f"it, or its base {thing.header['base']}, decodes to other bytes")
    except FileNotFoundError as why:
        raise Refused(f"{why.filename} is missing from this archive") from None
    except DAMAGE as why:
        raise Refused(f"object {part['object']} is damaged: {why}") from None


def place(target, name):
    if not SAFE.fullmatch(name) or any(part in ("", "..") or part[0] == "." for part in name.split("/")):
        raise Refused(f"{name!r} is not a safe name for a file")
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.resolve() != (target.resolve() / name).parent or os.path.lexists(path):
        raise Refused(f"{path} is there already, or lies behind a link: restore into an empty folder")
    return path


def restore(store, manifest, target):
    if hashlib.sha256(manifest.read_bytes()).hexdigest() != manifest.stem:
        raise Refused(f"{manifest} is damaged: its name is not its SHA-256")
    for file in json.loads(manifest.read_bytes())["files"]:
        path, digest = place(target, file["name"]), hashlib.sha256()
        draft = path.with_name(path.name + ".unfinished")
        with draft.open("wb") as out:
            for part in (part for span in file["spans"] for part in span["parts"]):
                for raw in pieces(store, part):
                    digest.update(raw)
                    out.write(raw)
        if digest.hexdigest() != file["sha256"]:
            raise Refused(f"{file['name']} is damaged: its objects are sound, but do not make it up")
        draft.rename(path)
        print(f"{file['sha256']}  {path}")


def main(store, model=None, target=None, digest="*"):
    found = sorted((store / "manifests").glob(f"{model or '*'}/{digest.replace('sha256:', '')}.json"))
    if target is None or len(found) != 1:
        for manifest in found:
            print(f"{manifest.parent.name} {manifest.stem}")
        sys.exit("To restore one of these: restore.py MODEL FOLDER [DIGEST]")
    restore(store, found[0], Path(target))


if __name__ == "__main__":
    try:
        main(Path(__file__).resolve().parent, *sys.argv[1:])
    except (Refused, OSError, TypeError) as problem:
        print(f"Not restored: {problem}.", file=sys.stderr)
        sys.exit(1 if isinstance(problem, Refused) else 2)
