"""What may happen to an archive, by name; each time nothing acknowledged is lost and nothing is half there."""

import hashlib
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.archive.families import base_weights, tuned, write_model

from emeritus.archive import (
    DiskFull,
    FileDamaged,
    ManifestDamaged,
    MemoryBlobs,
    ObjectDamaged,
    ObjectMissing,
    SourceChanged,
    StoreFailed,
    UnsafeName,
    held,
    ingest,
    ingest_file,
    inspect,
    load,
    read_file,
    rebase,
    restore,
    seal,
    storing,
    verify,
)
from emeritus.archive.facts import object_path, read_facts
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.manifest import Manifest, manifest_path
from emeritus.archive.objects import StoredObject
from emeritus.core.digests import canonical, from_canonical
from emeritus.core.errors import IntegrityError
from emeritus.store.blobs import FolderBlobs


def sign(data):
    return hashlib.sha256(b"key" + data).digest()


def flip(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


# --- the machine stops -------------------------------------------------------------------------------

WORK = """
import hashlib, os, signal, sys
from pathlib import Path
from emeritus.archive import ingest, inspect, load, rebase, restore, held
from emeritus.store.blobs import FolderBlobs

act, source, store, target, limit = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5])
count = 0

def watch(event, args):
    global count
    if event in ("open", "os.link", "os.remove", "os.mkdir", "os.rename") and any(
        str(store) in str(arg) or str(target) in str(arg) for arg in args
    ):
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
blobs = FolderBlobs(store)
sign = lambda data: hashlib.sha256(b"key" + data).digest()
if act == "ingest":
    ingest(inspect(source), "m", blobs, sign=sign)
elif act == "tune":
    ingest(inspect(source), "child", blobs, sign=sign, base=load("base", next(held(blobs, "base"))[1], blobs))
elif act == "rebase":
    rebase(load("child", next(held(blobs, "child"))[1], blobs), blobs, depth=0)
else:
    restore(load("m", next(held(blobs))[1], blobs), blobs, target)
print(count)
"""


def run(act, source, store, target, limit=0):
    command = [sys.executable, "-c", WORK, act, str(source), str(store), str(target), str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def points(total, wanted):
    """Crash points from the first touch of the disk to the last."""
    return sorted({1 + number * (total - 1) // (wanted - 1) for number in range(wanted)})


def test_killed_while_writing(model_folder, tmp_path):
    """SIGKILL at many points: what is visible is whole, and the next run ends at the same manifest."""
    store, target = tmp_path / "store", tmp_path / "out"
    done = run("ingest", model_folder, store, target)
    assert done.returncode == 0, done.stderr
    blobs = FolderBlobs(store)
    expected, ((_, digest),) = list(blobs.list()), held(blobs)
    for limit in points(int(done.stdout), 6):
        again = FolderBlobs(tmp_path / f"killed-{limit}")
        assert run("ingest", model_folder, again.root, target, limit).returncode == -signal.SIGKILL
        for path in again.list("objects"):
            check_object(again, path.rpartition("/")[2])
        for model, found in held(again):
            assert verify(load(model, found, again), again).is_sound
        assert ingest(inspect(model_folder), "m", again, sign=sign).digest == digest
        assert list(again.list()) == expected
        assert list((again.root / ".drafts").iterdir()) == []


def test_killed_while_restoring(model_folder, tmp_path):
    """SIGKILL at many points: every file that has its name is whole; the next run completes the rest."""
    source, store = inspect(model_folder), tmp_path / "store"
    blobs = FolderBlobs(store)
    manifest = ingest(source, "m", blobs, sign=sign).manifest
    total = int(run("restore", model_folder, store, tmp_path / "out").stdout)
    for limit in points(total, 4):
        target = tmp_path / f"out-{limit}"
        assert run("restore", model_folder, store, target, limit).returncode == -signal.SIGKILL
        for file in source.files:
            if (target / file.name).exists():
                assert (target / file.name).read_bytes() == file.path.read_bytes()
        restore(manifest, blobs, target)
        left = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
        assert left == {file.name for file in source.files}
        assert all((target / file.name).read_bytes() == file.path.read_bytes() for file in source.files)


@pytest.fixture
def base_store(tmp_path):
    """A store that holds the base of a family, and the weights of a child."""
    blobs = FolderBlobs(tmp_path / "base-store")
    weights = base_weights()
    base = ingest(inspect(write_model(tmp_path / "base", weights)), "base", blobs, sign=sign)
    return blobs.root, write_model(tmp_path / "child", tuned(weights, 1)), base.manifest


def test_killed_while_writing_differences(base_store, tmp_path):
    """SIGKILL at many points: every object is whole, the base is untouched, the next run ends the same."""
    root, child, base = base_store
    shutil.copytree(root, tmp_path / "whole")
    done = run("tune", child, tmp_path / "whole", tmp_path / "none")
    assert done.returncode == 0, done.stderr
    ((_, digest),) = held(FolderBlobs(tmp_path / "whole"), "child")
    for limit in points(int(done.stdout), 4):
        again = FolderBlobs(tmp_path / f"killed-{limit}")
        shutil.copytree(root, again.root)
        assert run("tune", child, again.root, tmp_path / "none", limit).returncode == -signal.SIGKILL
        for path in again.list("objects"):
            check_object(again, path.rpartition("/")[2])
        for model, found in held(again):
            assert verify(load(model, found, again), again).is_sound
        stored = ingest(inspect(child), "child", again, sign=sign, base=base)
        assert (stored.digest, len(stored.manifest.bases)) == (digest, 3)


def test_killed_while_rebasing(base_store, tmp_path):
    """SIGKILL at many points: both models stay sound throughout; doing it again ends it."""
    root, child, base = base_store
    ingest(inspect(child), "child", FolderBlobs(root), sign=sign, base=base)
    shutil.copytree(root, tmp_path / "whole")
    total = int(run("rebase", child, tmp_path / "whole", tmp_path / "none").stdout)
    for limit in points(total, 4):
        again = FolderBlobs(tmp_path / f"killed-{limit}")
        shutil.copytree(root, again.root)
        assert run("rebase", child, again.root, tmp_path / "none", limit).returncode == -signal.SIGKILL
        manifests = [load(model, found, again) for model, found in held(again)]
        assert all(verify(manifest, again).is_sound for manifest in manifests)
        for manifest in manifests:
            rebase(manifest, again, depth=0)
        assert all(read_facts(again, digest).base is None for digest in manifests[1].objects)


def check_object(blobs, digest):
    with ThreadPoolExecutor(1) as pool:
        return b"".join(StoredObject.open(blobs, digest).whole(pool))


# --- the disk is full --------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for one megabyte; without the right to mount one, a limit on file sizes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
    else:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        yield folder
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def large_source(tmp_path):
    noise = hashlib.shake_256(b"noise").digest(3 << 20)
    path = tmp_path / "large.safetensors"
    path.write_bytes(
        safetensors_bytes(
            [
                FakeTensor("small", "U8", (1000,), noise[:1000]),
                FakeTensor("large", "U8", (len(noise),), noise),
            ]
        )
    )
    return path


def test_disk_full(small_disk, large_source, tmp_path):
    """The error says so; nothing half-written is left; with room the same call succeeds."""
    blobs = FolderBlobs(small_disk / "store")
    with pytest.raises(DiskFull, match="no space") as caught:
        ingest(inspect(large_source), "m", blobs, sign=sign)
    assert caught.value.id == "archive.disk_full"
    assert list(held(blobs)) == []
    for path in blobs.list("objects"):
        check_object(blobs, path.rpartition("/")[2])
    assert list((blobs.root / ".drafts").iterdir()) == []


def test_disk_full_while_restoring(small_disk, large_source, tmp_path):
    """No part of a file stands under its name."""
    blobs = MemoryBlobs()
    manifest = ingest(inspect(large_source), "m", blobs, sign=sign).manifest
    with pytest.raises(DiskFull, match="no space"):
        restore(manifest, blobs, small_disk / "out")
    assert list((small_disk / "out").iterdir()) == []


# --- several at once ---------------------------------------------------------------------------------


def _archive(source, store, digests):
    digests.put(ingest(inspect(source), "m", FolderBlobs(store), sign=sign).digest)


def test_two_writers(model_folder, tmp_path):
    """Two processes archive the same model into the same store: both succeed, and one model is there."""
    spawn = multiprocessing.get_context("fork")
    digests = spawn.Queue()
    writers = [
        spawn.Process(target=_archive, args=(model_folder, tmp_path / "store", digests)) for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    found = {digests.get(timeout=60) for _ in writers}
    for writer in writers:
        writer.join(60)
    blobs = FolderBlobs(tmp_path / "store")
    assert [digest for _, digest in held(blobs)] == list(found)
    assert verify(load("m", found.pop(), blobs), blobs).is_sound
    assert list((blobs.root / ".drafts").iterdir()) == []


def test_two_writers_of_different_models_that_share_tensors(tmp_path):
    """In one process, on threads: shared objects are stored once, each model is whole."""
    shared = [
        FakeTensor(f"t{n}", "U8", (5000,), hashlib.shake_256(bytes([n])).digest(5000)) for n in range(20)
    ]
    blobs = FolderBlobs(tmp_path / "store")

    def archive(name):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(safetensors_bytes(shared, {"name": name}))
        return ingest(inspect(path), name, blobs, sign=sign)

    with ThreadPoolExecutor(3) as pool:
        assert len(list(pool.map(archive, ("one", "two", "three")))) == 3
    assert len(list(blobs.list("objects"))) == 20 + 3
    assert all(verify(load(model, digest, blobs), blobs).is_sound for model, digest in held(blobs))


def _archive_child(source, store, base, digests):
    blobs = FolderBlobs(store)
    below = load(base, next(held(blobs, base))[1], blobs) if base else None
    digests.put(ingest(inspect(source), "child", blobs, sign=sign, base=below).digest)


def test_two_writers_with_different_bases(tmp_path):
    """One stores a model on its base, one alone, at the same moment: both succeed, and it is whole."""
    store = tmp_path / "store"
    weights = base_weights(layers=20)
    ingest(inspect(write_model(tmp_path / "base", weights)), "base", FolderBlobs(store), sign=sign)
    child = write_model(tmp_path / "child", tuned(weights, 1))
    spawn = multiprocessing.get_context("fork")
    digests = spawn.Queue()
    writers = [
        spawn.Process(target=_archive_child, args=(child, store, base, digests)) for base in ("base", None)
    ]
    for writer in writers:
        writer.start()
    found = {digests.get(timeout=60) for _ in writers}
    for writer in writers:
        writer.join(60)
    blobs = FolderBlobs(store)
    manifests = [load(model, digest, blobs) for model, digest in held(blobs)]
    assert {manifest.digest for manifest in manifests if manifest.model == "child"} == found
    assert all(verify(manifest, blobs).is_sound for manifest in manifests)


# --- the store fails ---------------------------------------------------------------------------------


class _Failing(MemoryBlobs):
    """A store that answers slowly, and then, from one request on, not at all."""

    def __init__(self, held, left):
        super().__init__()
        self.held = held
        self.left = left

    def ask(self):
        time.sleep(0.0005)
        self.left -= 1
        if self.left < 0:
            raise StoreFailed("The store is gone.", next_step="Wait.")

    def __getattribute__(self, name):
        if name in {
            "put_if_absent",
            "replace",
            "get",
            "get_range",
            "peek",
            "size",
            "exists",
            "list",
            "delete",
        }:
            super().__getattribute__("ask")()
        return super().__getattribute__(name)


def test_a_store_that_fails_midway(tmp_path):
    """Wherever it fails: the error says so, what is visible is whole, and the next run goes on from there."""
    weights = base_weights()
    blobs = MemoryBlobs()
    base = ingest(inspect(write_model(tmp_path / "base", weights)), "base", blobs, sign=sign).manifest
    child = inspect(write_model(tmp_path / "child", tuned(weights, 1)))
    whole = ingest(child, "child", _Failing(dict(blobs.held), 10**6), sign=sign, base=base)
    for left in range(0, 60, 3):
        failing = _Failing(dict(blobs.held), left)
        try:
            stored = ingest(child, "child", failing, sign=sign, base=base)
        except StoreFailed:
            failing.left = 10**6
            for model, digest in held(failing):
                assert verify(load(model, digest, failing), failing).is_sound
            stored = ingest(child, "child", failing, sign=sign, base=base)
        failing.left = 10**6
        assert verify(stored.manifest, failing).is_sound
        assert stored.manifest.files == whole.manifest.files


def test_a_store_that_fails_while_restoring(tmp_path):
    """No file is half there, and another try completes it."""
    weights = base_weights()
    blobs = MemoryBlobs()
    base = ingest(inspect(write_model(tmp_path / "base", weights)), "base", blobs, sign=sign).manifest
    source = inspect(write_model(tmp_path / "child", tuned(weights, 1)))
    manifest = ingest(source, "child", blobs, sign=sign, base=base).manifest
    for left in range(6):
        failing = _Failing(blobs.held, left)
        out = tmp_path / f"out{left}"
        with pytest.raises(StoreFailed):
            restore(manifest, failing, out)
        assert not out.exists() or list(out.iterdir()) == []
        failing.left = 10**6
        (path,) = restore(manifest, failing, out)
        assert path.read_bytes() == source.files[0].path.read_bytes()


# --- bytes rot ---------------------------------------------------------------------------------------


@pytest.fixture
def archived(source, blobs):
    return ingest(source, "tiny", blobs, sign=sign).manifest


def test_flipped_bit_in_an_object(archived, blobs, tmp_path):
    """Wherever it is, in header, frames, table or checksum: found, and the object is named."""
    for digest in archived.objects:
        path = object_path(digest)
        good = blobs.held[path]
        for at in {
            *range(0, len(good), max(1, len(good) // 60)),
            *range(40),
            *range(len(good) - 60, len(good)),
        }:
            blobs.held[path] = flip(good, at, at % 8)
            (damage,) = verify(archived, blobs).damage
            assert (damage.object, damage.files, damage.id) == (
                digest,
                ("tiny.gguf",),
                "archive.object_damaged",
            )
        with pytest.raises(ObjectDamaged, match=digest):
            restore(archived, blobs, tmp_path / "out")
        assert not (tmp_path / "out" / "tiny.gguf").exists()
        with pytest.raises(ObjectDamaged, match=digest):
            b"".join(read_file(archived, "tiny.gguf", blobs))
        blobs.held[path] = good
    assert verify(archived, blobs).is_sound


def test_a_truncated_object(archived, blobs):
    """Cut anywhere, or with bytes behind it, an object is damaged."""
    digest = max(archived.objects, key=archived.objects.__getitem__)
    good = blobs.held[object_path(digest)]
    for bad in (*(good[:length] for length in range(0, len(good), 37)), good + b"\0", b"\0" + good):
        blobs.held[object_path(digest)] = bad
        assert [damage.object for damage in verify(archived, blobs).damage] == [digest]


def test_an_object_in_the_place_of_another(archived, blobs):
    """Sound by itself, but not what was asked for."""
    one, two = list(archived.objects)[:2]
    blobs.held[object_path(one)] = blobs.held[object_path(two)]
    with pytest.raises(ObjectDamaged, match=one):
        check_object(blobs, one)


def test_a_missing_object(archived, blobs, tmp_path):
    """It is named, by `verify` beside all others that are gone, and by whoever needs it."""
    gone = list(archived.objects)[1:3]
    for digest in gone:
        del blobs.held[object_path(digest)]
    report = verify(archived, blobs)
    assert not report.is_sound
    assert [(damage.object, damage.id) for damage in report.damage] == [
        (d, "archive.object_missing") for d in gone
    ]
    with pytest.raises(ObjectMissing, match=gone[0]):
        restore(archived, blobs, tmp_path / "out")
    with pytest.raises(ObjectMissing, match="not sealed"):
        seal("other", archived.files, blobs, sign=sign)


def test_archiving_again_heals_a_damaged_object(source, archived, blobs):
    """The right bytes are at hand: what is damaged is written anew instead of being reused."""
    digest = next(iter(archived.objects))
    blobs.held[object_path(digest)] = flip(blobs.held[object_path(digest)], 100)
    again = ingest(source, "tiny", blobs, sign=sign)
    assert (again.objects_new, again.digest) == (1, archived.digest)
    assert verify(archived, blobs).is_sound


class _Rotting(MemoryBlobs):
    """A store that acknowledges bytes and keeps others."""

    def put_if_absent(self, path, chunks, *, check=None):
        return super().put_if_absent(path, [flip(b"".join(bytes(c) for c in chunks), -200)], check=check)


def test_a_store_that_keeps_other_bytes(source):
    """Decode and compare before commit: nothing becomes visible."""
    blobs = _Rotting()
    with pytest.raises(ObjectDamaged):
        ingest(source, "tiny", blobs, sign=sign)
    assert blobs.held == {}


def test_flipped_bit_in_a_manifest(archived, blobs):
    """Wherever it is, the manifest is refused by name."""
    path = manifest_path("tiny", archived.digest)
    good = blobs.held[path]
    for at in range(0, len(good), 11):
        blobs.held[path] = flip(good, at, at % 8)
        with pytest.raises(ManifestDamaged):
            load("tiny", archived.digest, blobs)


def test_a_manifest_of_another_model(archived, blobs):
    blobs.held[manifest_path("other", archived.digest)] = blobs.held[manifest_path("tiny", archived.digest)]
    with pytest.raises(ManifestDamaged, match="not of other"):
        load("other", archived.digest, blobs)


def altered(manifest, change):
    raw = from_canonical(manifest.canonical())
    change(raw)
    return canonical(raw)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", ".ssh/keys", "a\\..\\evil", ""])
def test_a_manifest_that_leaves_the_folder(archived, blobs, tmp_path, name):
    """A path outside is refused when the manifest is read, and again when it is restored."""
    with pytest.raises(UnsafeName):
        Manifest.from_bytes(altered(archived, lambda raw: raw["files"][0].update(name=name)))
    from attrs import evolve

    lying = evolve(archived, files=(evolve(archived.files[0], name=name),))
    with pytest.raises(UnsafeName):
        restore(lying, blobs, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists()


CHANGES = {
    "another format": lambda raw: raw.update(format="x"),
    "a later version": lambda raw: raw.update(version=2),
    "something more": lambda raw: raw.update(more=1),
    "no files": lambda raw: raw.pop("files"),
    "a wrong size": lambda raw: raw["files"][0].update(size=1),
    "a wrong span": lambda raw: raw["files"][0]["spans"][0].update(length=1),
    "a negative length": lambda raw: raw["files"][0]["spans"][0]["parts"][0].update(length=-1),
    "an object that is a path": lambda raw: raw["files"][0]["spans"][0]["parts"][0].update(object="../x"),
    "an unknown kind": lambda raw: raw["files"][0]["spans"][0].update(kind="x"),
    "files of text": lambda raw: raw.update(files="x"),
    "a model that is a path": lambda raw: raw.update(model="../x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_is_none(archived, change):
    with pytest.raises(ManifestDamaged):
        Manifest.from_bytes(altered(archived, CHANGES[change]))


def test_a_recipe_with_its_parts_swapped(archived, blobs, tmp_path):
    """Sound objects in the wrong order are not the file, and no such file is left."""
    raw = from_canonical(archived.canonical())
    tensors = [span for span in raw["files"][0]["spans"] if span["kind"] == "tensor"]
    spans = raw["files"][0]["spans"]
    spans.remove(tensors[0])
    spans.append(tensors[0])
    lying = Manifest.from_bytes(canonical(raw))
    assert [damage.id for damage in verify(lying, blobs).damage] == ["archive.file_damaged"]
    with pytest.raises(FileDamaged, match="tiny"):
        restore(lying, blobs, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unreadable_store_is_not_called_sound(archived, blobs, tmp_path):
    """Bytes that the disk cannot give back are damage, not a passing failure."""
    folder = FolderBlobs(tmp_path / "store")
    for path, data in blobs.held.items():
        folder.put_if_absent(path, [data])
    assert verify(archived, folder).is_sound
    digest = next(iter(archived.objects))
    path = folder.root / object_path(digest)
    path.write_bytes(path.read_bytes()[:200])
    (damage,) = verify(archived, folder).damage
    assert damage.object == digest
    with pytest.raises(IntegrityError):
        restore(archived, folder, tmp_path / "out")


# --- the source changes ------------------------------------------------------------------------------


def overwrite(path: Path, *, keep_time: bool) -> None:
    """Change one byte in place, as a program would that still writes; optionally hide it in the times."""
    before = path.stat()
    with path.open("r+b") as held_open:
        held_open.seek(-3, os.SEEK_END)
        held_open.write(b"?!?")
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change(path: Path, how: str) -> None:
    match how:
        case "overwrite" | "overwrite and hide":
            overwrite(path, keep_time=how != "overwrite")
        case "append":
            with path.open("ab") as end:
                end.write(b"more")
        case "truncate":
            os.truncate(path, path.stat().st_size // 2)
        case "replace":
            other = path.with_name("other")
            other.write_bytes(path.read_bytes())
            other.rename(path)
        case "remove":
            path.unlink()


@pytest.mark.parametrize(
    "how", ["overwrite", "overwrite and hide", "append", "truncate", "replace", "remove"]
)
@pytest.mark.parametrize("when", [0.0, 0.3, 0.6, 0.95])
def test_file_changes_while_archived(gguf_file, blobs, how, when):
    """However it changes and whenever, no manifest of it is written (unless the change came too late to matter)."""
    source = inspect(gguf_file)
    good = gguf_file.read_bytes()
    changes = []

    def watch(done, total, what):
        if done >= when * total and not changes:
            changes.append(how)
            change(gguf_file, how)

    outcome = []
    try:
        outcome.append(ingest(source, "tiny", blobs, sign=sign, progress=watch, threads=1))
    except SourceChanged as why:
        outcome.append(why)
    assert changes
    match outcome:
        case [SourceChanged() as why]:
            assert why.id == "archive.source_changed"
            assert "tiny.gguf" in str(why)
            assert list(held(blobs)) == []
        case [stored]:  # all of it was read twice before it was changed behind the archive's back
            assert how == "overwrite and hide"
            assert b"".join(read_file(stored.manifest, "tiny.gguf", blobs)) in (good, good[:-3] + b"?!?")


def test_a_changed_file_among_reused_objects(gguf_file, blobs, monkeypatch):
    """Objects that are there already do not hide that the file changed between its two readings."""
    source = inspect(gguf_file)
    ingest(source, "tiny", blobs, sign=sign)
    read_again = storing.compare

    def compare(held, piece):
        if piece.offset + piece.length == held.file.size:
            overwrite(gguf_file, keep_time=True)
        read_again(held, piece)

    monkeypatch.setattr(storing, "compare", compare)
    with pytest.raises(SourceChanged):
        ingest_file(source.files[0], blobs, threads=1)
