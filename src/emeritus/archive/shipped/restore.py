"""Give back a model that lies in this archive, bit for bit. RESTORE.md, beside this file, says how to use it.

Needs Python 3.8 or newer, numpy and zstandard, and frames.py beside this file: nothing of Emeritus. Format version 1,
script version 3.
"""

import hashlib
import json
import os
import re
import runpy
import struct
import sys
from pathlib import Path

FRAMES = runpy.run_path(str(Path(__file__).resolve().with_name("frames.py")))  # writes nothing beside it
decode, DAMAGE = FRAMES["decode"], FRAMES["DAMAGE"]
HEX64, SAFE = re.compile("[0-9a-f]{64}"), re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|]+")


class Refused(Exception):
    """Something is missing, damaged, or not what a reader should trust."""


class Object:
    """An object of the archive: a header, frames, and a table that says how long each is and how it is encoded."""

    def __init__(self, store, name, depth=0):
        if not HEX64.fullmatch(name) or depth > 2:
            raise ValueError(f"{name} is no object, or too many differences stand on each other")
        self.file = (store / "objects" / name[:2] / name).open("rb")
        magic, size = struct.unpack("<8sI", self.file.read(12))
        if magic != b"EMROBJ\x00\x01" or size > 65536:
            raise ValueError(f"{name} does not begin as an object does")
        self.header = json.loads(self.file.read(size))
        self.length, self.step = self.header["length"], self.header["frame"]
        if not 0 < self.step <= 4 << 20:
            raise ValueError(f"{name} has frames of an impossible length")
        count, at, self.rows = -(-self.length // self.step), 12 + size, []
        self.file.seek(-32 - 24 * count, os.SEEK_END)
        for encoding, length in struct.iter_unpack("<B3xI16x", self.file.read(24 * count)):
            self.rows.append((encoding, at, length))
            at += length
        self.base = Object(store, self.header["base"], depth + 1) if self.header["base"] else None

    def frame(self, number):
        """Return the raw bytes of one frame."""
        encoding, at, size = self.rows[number]
        start, stop = number * self.step, min((number + 1) * self.step, self.length)
        self.file.seek(at)
        base = self.base.bytes(start, stop) if self.base and encoding >= 16 else b""
        raw = decode(encoding, self.file.read(size), stop - start, base)
        if len(raw) != stop - start:
            raise ValueError(f"frame {number} has another length")
        return raw

    def bytes(self, start, end):
        """Return raw bytes of this object; nothing beyond its end."""
        first, last = start // self.step, -(-min(end, self.length) // self.step)
        joined = b"".join(map(self.frame, range(first, last)))
        return joined[start - first * self.step : end - first * self.step]


def pieces(store, part):
    """Yield the raw bytes of a part of a file, frame by frame."""
    if "inline" in part:
        yield bytes.fromhex(part["inline"])
        return
    try:
        thing, digest = Object(store, part["object"]), hashlib.sha256()
        for raw in map(thing.frame, range(len(thing.rows))):
            digest.update(raw)
            yield raw
        if digest.hexdigest() != thing.header["sha256"]:
            raise ValueError(f"it, or its base {thing.header['base']}, decodes to other bytes")
    except FileNotFoundError as why:
        raise Refused(f"{why.filename} is missing from this archive") from None
    except DAMAGE as why:
        raise Refused(f"object {part['object']} is damaged: {why}") from None


def place(target, name):
    """Return where a file belongs below the target, if it is safe to write there."""
    if not SAFE.fullmatch(name) or any(part in ("", "..") or part[0] == "." for part in name.split("/")):
        raise Refused(f"{name!r} is not a safe name for a file")
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.resolve() != (target.resolve() / name).parent or os.path.lexists(path):
        raise Refused(f"{path} is there already, or lies behind a link: restore into an empty folder")
    return path


def restore(store, manifest, target):
    """Write all files that a manifest lists; each gets its name when it is whole and right."""
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
