"""An object is judged by its bytes, whatever its own header claims."""

import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus.archive import ObjectDamaged
from emeritus.archive.codec import Encoding
from emeritus.archive.drafts import Draft
from emeritus.archive.facts import MAGIC, missing
from emeritus.archive.objects import StoredObject
from emeritus.archive.ports import Put
from emeritus.core.digests import canonical
from emeritus.store.blobs import FolderBlobs

RAW = b"raw bytes of a tensor" * 10
DIGEST = blake3(RAW).hexdigest()


def forge(rows, payload, **claims):
    """Return an object with a sound checksum that claims whatever it likes."""
    header = canonical(
        {
            "version": 1,
            "blake3": DIGEST,
            "sha256": "",
            "length": len(RAW),
            "dtype": "",
            "frame": 4096,
            "base": None,
        }
        | claims
    )
    head = MAGIC + struct.pack("<I", len(header)) + header
    table = b"".join(
        struct.pack("<B3xI16s", encoding, length, blake3(piece).digest()[:16])
        for encoding, length, piece in rows
    )
    return head + payload + table + blake3(head + table).digest()


def no_base(digest, below):
    raise missing(digest)


def read_all(data):
    with ThreadPoolExecutor(1) as pool:
        stored = StoredObject.parse(lambda start, end: data[start:end], len(data), DIGEST, no_base)
        return b"".join(stored.whole(pool))


def test_a_sound_object_reads_back():
    assert read_all(forge([(0, len(RAW), RAW)], RAW)) == RAW


FORGERIES = {
    "other bytes": forge([(0, len(RAW), RAW[::-1])], RAW[::-1]),
    "another name": forge([(0, len(RAW), RAW)], RAW, blake3="0" * 64),
    "a later version": forge([(0, len(RAW), RAW)], RAW, version=2),
    "an unknown encoding": forge([(9, len(RAW), RAW)], RAW),
    "a reserved encoding": forge([(16, len(RAW), RAW)], RAW),
    "a base": forge([(0, len(RAW), RAW)], RAW, base="0" * 64),
    "an enormous length": forge([(0, len(RAW), RAW)], RAW, length=2**52, frame=1),
    "an enormous frame": forge([(0, len(RAW), RAW)], RAW, length=2**52, frame=2**52),
    "no length": forge([], b"", length=0),
    "a negative length": forge([], b"", length=-5),
    "no frame length": forge([(0, len(RAW), RAW)], RAW, frame=0),
    "a longer length": forge([(0, len(RAW), RAW)], RAW, length=len(RAW) + 1),
    "a payload beyond its place": forge([(0, len(RAW) + 9, RAW)], RAW),
    "more than it says": forge([(0, len(RAW), RAW)], RAW + b"more"),
    "too many frames": forge([(0, len(RAW), RAW), (0, 0, b"")], RAW),
    "something more": forge([(0, len(RAW), RAW)], RAW, more=1),
    "a header of text": MAGIC + struct.pack("<I", 3) + b"abc" + bytes(60),
    "an endless header": MAGIC + struct.pack("<I", 2**32 - 1) + bytes(100),
    "nothing": b"",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_object_is_damaged(forgery):
    """A store that makes up objects, checksum and all, is found out."""
    with pytest.raises(ObjectDamaged, match=DIGEST):
        read_all(FORGERIES[forgery])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(Encoding)), st.binary(max_size=200), st.integers(1, 5000), st.integers(1, 5000))
def test_forged_payloads_are_damaged(encoding, payload, length, frame):
    with pytest.raises(ObjectDamaged):
        read_all(forge([(encoding, len(payload), payload)], payload, length=length, frame=frame))


def test_a_name_is_given_only_to_what_the_disk_has(tmp_path, monkeypatch):
    """Sync the bytes, then link, then sync the folder: in any other order a power cut could lose them."""
    acts = []
    real_sync, real_link = os.fsync, os.link

    def sync(fd):
        acts.append(("sync", str(Path(f"/proc/self/fd/{fd}").readlink())))
        real_sync(fd)

    def link(source, target, **options):
        real_link(source, target, **options)
        acts.append(("link", str(target)))

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    with Draft(tmp_path, "x") as draft:
        draft.write(b"x")
        draft.sync()
        assert draft.publish(tmp_path / "deep" / "x")
    kinds = [
        (kind, "draft" if path.endswith(".draft") else os.path.relpath(path, tmp_path)) for kind, path in acts
    ]
    assert kinds == [("sync", "draft"), ("sync", "."), ("link", "deep/x"), ("sync", "deep")]


def test_names_given_together_are_as_safe(tmp_path, monkeypatch):
    """All bytes are synced before the first name, and each folder after its last."""
    acts = []
    real_sync, real_link = os.fsync, os.link

    def sync(fd):
        acts.append(("sync", str(Path(f"/proc/self/fd/{fd}").readlink())))
        real_sync(fd)

    def link(source, target, **options):
        real_link(source, target, **options)
        acts.append(("link", str(target)))

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    assert all(FolderBlobs(tmp_path).put_together([Put(f"o/{n % 3}/{n}", [b"x"]) for n in range(30)]))
    links = [at for at, (kind, _) in enumerate(acts) if kind == "link"]
    drafts = [at for at, (kind, path) in enumerate(acts) if kind == "sync" and path.endswith(".draft")]
    assert len(links) == len(drafts) == 30
    assert max(drafts) < min(links)
    for folder in ("o/0", "o/1", "o/2"):
        own = [at for at in links if Path(acts[at][1]).parent == tmp_path / folder]
        assert ("sync", str(tmp_path / folder)) in acts[max(own) :]
    above = [at for at, act in enumerate(acts) if act == ("sync", str(tmp_path / "o"))]
    assert above
    assert min(above) < min(links)


def test_memory_is_bounded(tmp_path):
    """A tensor of 192 MB passes through archive and back in a fraction of that."""
    work = """
import resource, sys, json, struct
from pathlib import Path
from emeritus.archive import ingest, inspect, restore, verify
from emeritus.store.blobs import FolderBlobs
folder = Path(sys.argv[1])
blobs = FolderBlobs(folder / "store")
def write(name, size):
    header = json.dumps({"t": {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}}).encode()
    with (folder / name).open("wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        out.truncate(8 + len(header) + size)
    return inspect(folder / name)
def through(source, model):
    stored = ingest(source, model, blobs, sign=lambda data: b"x")
    assert verify(stored.manifest, blobs).is_sound
    restore(stored.manifest, blobs, folder / "out")
through(write("small.safetensors", 1 << 20), "small")  # what is loaded once is not what grows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
through(write("m.safetensors", 192 << 20), "m")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", work, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 96 << 10  # KiB
    (tmp_path / "out" / "m.safetensors").unlink()
