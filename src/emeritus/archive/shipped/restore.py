"""Give back a model that lies in this archive, bit for bit. RESTORE.md, beside this file, says how to use it.

Needs Python 3.8 or newer, numpy and zstandard, and nothing of Emeritus. Format version 1, script version 1.
"""

import hashlib
import json
import os
import re
import struct
import sys
from pathlib import Path

import numpy
import zstandard

HEX64, SAFE = re.compile("[0-9a-f]{64}"), re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|]+")


class Refused(Exception):
    """Something is missing, damaged, or not what a reader should trust."""


def unzip(data, size):
    if zstandard.frame_content_size(data) != size:
        raise ValueError("a compressed run has another length")
    return zstandard.ZstdDecompressor().decompress(data)


def decode(encoding, payload, length, base):
    """Return the raw bytes of one frame; *base* holds the base's bytes at the same place, for a difference."""
    if encoding == 0:
        return payload
    if encoding == 1:
        return unzip(payload, length)
    if encoding not in (2, 3):
        raise ValueError(f"the encoding {encoding} is unknown to this script")
    (fields,) = struct.unpack_from("<H", payload)
    rows = [struct.unpack_from("<BHI", payload, 2 + 7 * i) for i in range(fields)]
    stride = sum(width for _, width, _ in rows)
    count, at, place = length // stride, 2 + 7 * fields, 0
    blocks = numpy.empty((count, stride), numpy.uint8)
    for packed, width, size in rows:
        plane = payload[at : at + size]
        plane = unzip(plane, count * width) if packed else plane
        blocks[:, place : place + width] = numpy.frombuffer(plane, numpy.uint8).reshape(count, width)
        at, place = at + size, place + width
    if encoding == 3:
        words = blocks.reshape(-1).view(f"<u{stride}")
        words[:] = (words >> 1) | (words << (8 * stride - 1))
    return blocks.tobytes() + payload[at:]


class Object:
    """An object of the archive, read frame by frame; one frame is held in memory, and one of each base."""

    def __init__(self, store, name, depth=0):
        if not HEX64.fullmatch(name) or depth > 2:
            raise Refused(f"{name} is no object, or too many differences stand on each other")
        self.name, self.file, self.held = name, (store / "objects" / name[:2] / name).open("rb"), (None, b"")
        magic, size = struct.unpack("<8sI", self.file.read(12))
        if magic != b"EMROBJ\x00\x01" or size > 65536:
            raise Refused(f"object {name} does not begin as an object does")
        self.header = json.loads(self.file.read(size))
        self.length, self.frame = self.header["length"], self.header["frame"]
        if not 0 < self.frame <= 4 << 20:
            raise Refused(f"object {name} has frames of an impossible length")
        count, at, self.rows = -(-self.length // self.frame), 12 + size, []
        self.file.seek(-32 - 24 * count, os.SEEK_END)
        for row in struct.iter_unpack("<B3xI16x", self.file.read(24 * count)):
            self.rows.append((row[0], at, row[1]))
            at += row[1]
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

    def frames(self):
        """Yield all raw bytes, and raise at the end when they are not those that were stored."""
        digest = hashlib.sha256()
        for start in range(0, self.length, self.frame):
            digest.update(raw := self.bytes(start, start + self.frame))
            yield raw
        if digest.hexdigest() != self.header["sha256"]:
            raise ValueError("it decodes to other bytes")


def pieces(store, part):
    if "inline" in part:
        yield bytes.fromhex(part["inline"])
        return
    try:
        thing = Object(store, part["object"])
        with thing.file:
            yield from thing.frames()
    except FileNotFoundError as why:
        raise Refused(f"{why.filename} is missing from this archive") from None
    except (ValueError, LookupError, TypeError, struct.error, zstandard.ZstdError, OSError) as why:
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
        return sys.exit("To restore one of these: restore.py MODEL FOLDER [DIGEST]")
    return restore(store, found[0], Path(target))


if __name__ == "__main__":
    try:
        main(Path(__file__).resolve().parent, *sys.argv[1:])
    except (Refused, OSError, TypeError) as problem:
        print(f"Not restored: {problem}.", file=sys.stderr)
        sys.exit(1 if isinstance(problem, Refused) else 2)
