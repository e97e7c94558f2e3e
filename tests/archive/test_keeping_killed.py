"""`kill -9` in mid-scrub, mid-repair and mid-replicate, on a folder and over S3's protocol: the next run ends it."""

import hashlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emeritus.archive import ingest, inspect, load, scrub_state, verify
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.manifest import held
from emeritus.archive.repair import repair
from emeritus.archive.replicate import replicate
from emeritus.archive.scrub import scrub
from emeritus.store.blobs import open_blobs

WORK = """
import os, signal, sys
from emeritus.archive import manifest
from emeritus.archive.repair import repair
from emeritus.archive.replicate import replicate
from emeritus.archive.scrub import scrub
from emeritus.store.blobs import FolderBlobs, ObjectStoreBlobs, open_blobs

act, here, there, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
count = 0

def counted(name):
    def wrap(kind):
        real = getattr(kind, name)
        def call(*args, **options):
            global count
            count += 1
            if count == limit:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)
        setattr(kind, name, call)
    return wrap

for kind in (FolderBlobs, ObjectStoreBlobs):
    for name in ("_put", "get_range", "peek", "delete"):
        counted(name)(kind)
if act == "scrub":
    stop = iter(range(10**9))
    while not scrub(open_blobs(here), enough=lambda: next(stop) % 3 == 2).is_done:
        pass
elif act == "replicate":
    replicate(open_blobs(here), open_blobs(there))
else:
    repair(open_blobs(here), replicas=[open_blobs(there)])
print(count)
"""


def sign(data):
    return hashlib.sha256(b"key" + data).digest()


def run(act: str, here: str, there: str, limit: int = 0) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WORK, act, here, there, str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    """Gives addresses of empty stores, and where their files lie."""
    if request.param == "folder":
        return lambda name: (str(tmp_path / name), tmp_path / name)
    server = request.getfixturevalue("object_store")
    bucket = request.getfixturevalue("bucket")
    return lambda name: (server.url(bucket, name), server.file(bucket, "", name))


@pytest.fixture
def filled(place, tmp_path) -> tuple[str, Path]:
    """A store with two models of some objects, one a difference from the other."""
    url, root = place("here")
    rng = np.random.default_rng(3)
    values = {name: rng.standard_normal(30_000).astype("<f4") for name in "abcd"}
    base = None
    for model in ("base", "tune"):
        tensors = [FakeTensor(name, "F32", each.shape, each.tobytes()) for name, each in values.items()]
        path = tmp_path / "source" / model / "model.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(safetensors_bytes(tensors))
        base = ingest(inspect(path), model, open_blobs(url), sign=sign, base=base).manifest
        values = {name: (each * np.float32(1.00001)).astype("<f4") for name, each in values.items()}
    return url, root


def points(total: int, wanted: int) -> list[int]:
    return sorted({1 + number * (total - 1) // (wanted - 1) for number in range(wanted)})


def is_whole(url: str) -> None:
    blobs = open_blobs(url)
    assert sorted(model for model, _ in held(blobs)) == ["base", "tune"]
    for model, digest in held(blobs):
        assert verify(load(model, digest, blobs), blobs).is_sound
    scrub_state.forget(blobs)
    assert scrub(blobs).is_sound
    scrub_state.forget(blobs)


def test_killed_in_mid_replicate(filled, place):
    """What can be seen in the replica is whole at every moment; the next run completes it."""
    url, _ = filled
    total = int(run("replicate", url, place("measure")[0]).stdout)
    for limit in points(total, 3):
        there, _ = place(f"there-{limit}")
        assert run("replicate", url, there, limit).returncode == -signal.SIGKILL
        store = open_blobs(there)
        for model, digest in held(store):
            assert verify(load(model, digest, store), store).is_sound
        assert replicate(open_blobs(url), store).is_whole
        is_whole(there)


def test_killed_in_mid_repair(filled, place):
    """At every moment each blob is what it was or what it should be; the next run completes it."""
    url, root = filled
    there, _ = place("there")
    replicate(open_blobs(url), open_blobs(there))
    good = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and "tmp" not in path.parts}

    def spoil() -> dict[Path, bytes]:
        spoiled = {}
        for number, path in enumerate(sorted(good)):
            relative = path.relative_to(root).as_posix()
            data = good[path]
            if relative.startswith(("objects", "parity", "manifests")) and number % 2:
                at = random.Random(number).randrange(len(data))
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            spoiled[path] = data
        return spoiled

    spoil()
    done = run("repair", url, there)
    assert done.returncode == 0, done.stderr
    is_whole(url)
    for limit in points(int(done.stdout), 3):
        spoiled = spoil()
        assert run("repair", url, there, limit).returncode == -signal.SIGKILL
        for path, data in spoiled.items():
            now = path.read_bytes()
            assert now in (data, good[path]) or "objects" in path.parts or "parity" in path.parts
        assert repair(open_blobs(url), replicas=[open_blobs(there)]).is_sound
        is_whole(url)


def test_killed_in_mid_scrub(filled, place):
    """It goes on where it was, and finds what there is to find."""
    url, root = filled
    path = max((root / "objects").rglob("*"))
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    total = int(run("scrub", url, "").stdout)
    for limit in points(total, 3):
        scrub_state.forget(open_blobs(url))
        assert run("scrub", url, "", limit).returncode == -signal.SIGKILL
        before = scrub_state.load(open_blobs(url))
        done = scrub(open_blobs(url))
        assert before is None or done.began == before.began
        assert [finding.object for finding in done.findings][:1] == [path.name]
        assert done.objects == len([each for each in (root / "objects").rglob("*") if each.is_file()])
