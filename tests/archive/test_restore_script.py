"""The script that lies in every archive gives models back to somebody who has numpy and zstandard, and nothing of ours."""

import ast
import hashlib
import importlib.util
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emeritus import archive
from emeritus.archive import MemoryBlobs
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.shipped import SHIPPED, ship, text
from emeritus.store.blobs import FolderBlobs

ALONE = """
import runpy, sys
sys.path[:0] = [{packages!r}]
for name in ("emeritus", "blake3", "attrs", "msgspec"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{{name}} should not be here")
sys.argv = [{script!r}, *{arguments!r}]
runpy.run_path({script!r}, run_name="__main__")
"""


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """A folder with numpy and zstandard alone."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("numpy", "zstandard"):
        place = Path(importlib.util.find_spec(name).origin).parent
        (folder / name).symlink_to(place)
        if (libraries := place.with_name(f"{name}.libs")).is_dir():
            (folder / libraries.name).symlink_to(libraries)
    return folder


@pytest.fixture
def run(packages):
    """Run the script of a store in a Python of its own: no site-packages, no environment."""

    def run(store: Path, *arguments: object) -> subprocess.CompletedProcess:
        program = ALONE.format(
            packages=str(packages),
            script=str(store / "restore.py"),
            arguments=[str(one) for one in arguments],
        )
        command = [sys.executable, "-I", "-S", "-c", program]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    return run


def stored(source: Path, model: str, blobs: FolderBlobs) -> archive.Stored:
    kept = archive.ingest(archive.inspect(source), model, blobs, sign=lambda _: b"signed")
    ship(blobs)
    return kept


def same(source: Path, target: Path) -> None:
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    assert files
    assert sorted(files) == sorted(path.relative_to(target) for path in target.rglob("*") if path.is_file())
    for name in files:
        assert (source / name).read_bytes() == (target / name).read_bytes()


def noisy(count: int, seed: int) -> bytes:
    """Bytes of BF16 numbers as weights have them: random mantissas, few exponents."""
    rng = random.Random(seed)
    return b"".join(bytes((rng.randrange(256), rng.choice((0x3C, 0x3D, 0xBC, 0xBD)))) for _ in range(count))


def test_a_stranger_restores_a_gguf_and_a_safetensors_model(
    folder_blobs, gguf_file, model_folder, tmp_path, run
):
    """Files of every kind come back bit for bit, folders and empty files included, and are printed with digests."""
    stored(gguf_file, "tiny", folder_blobs)
    stored(model_folder, "sharded", folder_blobs)
    for model, source in (("tiny", gguf_file.parent), ("sharded", model_folder)):
        done = run(folder_blobs.root, model, tmp_path / "out" / model)
        assert (done.returncode, done.stderr) == (0, "")
        same(source, tmp_path / "out" / model)
        listed = dict(line.split("  ")[::-1] for line in done.stdout.splitlines())
        assert listed == {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in listed}


def test_large_tensors_come_back_frame_by_frame(folder_blobs, tmp_path, run):
    """Tensors of several frames, in every dtype's own encoding, with a tail that is no whole number."""
    folder = tmp_path / "large"
    folder.mkdir()
    rng = random.Random(3)
    tensors = [
        FakeTensor("bf16", "BF16", (1_600_001,), noisy(1_600_001, 1)),
        FakeTensor("f32", "F32", (700_000,), noisy(1_400_000, 2)),
        FakeTensor("noise", "U8", (3_000_001,), rng.randbytes(3_000_001)),
        FakeTensor("zero", "F64", (400_000,), bytes(3_200_000)),
    ]
    (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    stored(folder, "large", folder_blobs)
    done = run(folder_blobs.root, "large", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    same(folder, tmp_path / "out")


@pytest.mark.model
def test_a_stranger_restores_a_real_model(smollm2, tmp_path, run):
    """A real quantised model comes back with the digest that it had."""
    blobs = FolderBlobs(tmp_path / "store")
    stored(smollm2, "smollm2", blobs)
    done = run(blobs.root, "smollm2", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    again = hashlib.sha256((tmp_path / "out" / smollm2.name).read_bytes()).hexdigest()
    assert again == hashlib.sha256(smollm2.read_bytes()).hexdigest()


def test_without_a_target_it_says_what_is_there(folder_blobs, gguf_file, run):
    """The models and their manifests are listed, and how to go on; the code says that nothing was restored."""
    kept = stored(gguf_file, "tiny", folder_blobs)
    done = run(folder_blobs.root)
    assert done.returncode == 1
    assert done.stdout == f"tiny {kept.digest.removeprefix('sha256:')}\n"
    assert "restore.py MODEL FOLDER" in done.stderr


def test_several_manifests_of_a_model_are_told_apart(folder_blobs, gguf_file, tmp_path, run):
    """Where a model has several manifests, one is asked for by its digest; none is picked silently."""
    first = stored(gguf_file, "tiny", folder_blobs)
    gguf_file.with_name("notes.txt").write_text("more")
    stored(gguf_file.parent, "tiny", folder_blobs)
    assert run(folder_blobs.root, "tiny", tmp_path / "out").returncode == 1
    assert not (tmp_path / "out").exists()
    assert run(folder_blobs.root, "tiny", tmp_path / "out", first.digest).returncode == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tiny.gguf"]


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_no_damaged_object_is_believed(folder_blobs, gguf_file, tmp_path, run):
    """Whichever byte of an object's payload flips, nothing of that name appears, and the message names the object."""
    stored(gguf_file, "tiny", folder_blobs)
    paths = [folder_blobs.root / path for path in folder_blobs.list("objects")]
    for number, path in enumerate(paths):
        sound = path.read_bytes()
        size = int.from_bytes(sound[8:12], "little")
        for at in (0, 12 + size // 2, 12 + size, (12 + size + len(sound)) // 2):
            path.write_bytes(damaged(sound, at))
            target = tmp_path / f"out-{number}-{at}"
            done = run(folder_blobs.root, "tiny", target)
            if done.returncode == 0:  # a flip in what is only a hint
                same(gguf_file.parent, target)
            else:
                assert done.returncode == 1
                assert path.name in done.stderr
                assert "Traceback" not in done.stderr
                assert not (target / "tiny.gguf").exists()
        path.write_bytes(sound)


def test_a_cut_or_missing_object_is_named(folder_blobs, gguf_file, tmp_path, run):
    """An object that ends early, is empty, or is gone: refused by name."""
    stored(gguf_file, "tiny", folder_blobs)
    path = folder_blobs.root / next(folder_blobs.list("objects"))
    sound = path.read_bytes()
    for number, data in enumerate((sound[:-1], sound[:40], sound[:5], b"", None)):
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)
        done = run(folder_blobs.root, "tiny", tmp_path / f"out-{number}")
        assert done.returncode == 1
        assert path.name in done.stderr
        assert "Traceback" not in done.stderr


def test_another_manifest_is_refused(folder_blobs, gguf_file, tmp_path, run):
    """A manifest whose bytes do not have the digest in its name is not followed."""
    kept = stored(gguf_file, "tiny", folder_blobs)
    path = folder_blobs.root / archive.manifest.manifest_path("tiny", kept.digest)
    path.write_bytes(path.read_bytes().replace(b"tiny.gguf", b"evil.gguf"))
    done = run(folder_blobs.root, "tiny", tmp_path / "out")
    assert (done.returncode, "SHA-256" in done.stderr) == (1, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["../out.txt", "/etc/motd", "a/../../b", ".hidden", "a//b", "a\\b", "c:d", "", "a/.b", "x\n"]
)
def test_no_name_leads_out_of_the_folder(folder_blobs, gguf_file, tmp_path, run, name):
    """A manifest of somebody hostile cannot write outside of the target."""
    kept = stored(gguf_file, "tiny", folder_blobs)
    path = folder_blobs.root / archive.manifest.manifest_path("tiny", kept.digest)
    raw = json.loads(path.read_bytes())
    raw["files"][0]["name"] = name
    data = json.dumps(raw).encode()
    path.unlink()
    path.with_name(f"{hashlib.sha256(data).hexdigest()}.json").write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    done = run(folder_blobs.root, "tiny", tmp_path / "out")
    assert (done.returncode, "not a safe name" in done.stderr) == (1, True)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_overwritten_and_no_link_followed(folder_blobs, model_folder, tmp_path, run):
    """What is there stays; a link out of the folder is no folder."""
    stored(model_folder, "sharded", folder_blobs)
    target, outside = tmp_path / "out", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "config.json").write_text("mine")
    assert run(folder_blobs.root, "sharded", target).returncode == 1
    assert (target / "config.json").read_text() == "mine"
    shutil.rmtree(target)
    target.mkdir()
    (target / "tokenizer").symlink_to(outside)
    assert run(folder_blobs.root, "sharded", target).returncode == 1
    assert list(outside.iterdir()) == []


def test_it_is_shipped_once_and_renewed_by_a_newer_release_only():
    """Shipping again changes nothing; an older or damaged copy is replaced, a newer one is left."""
    blobs = MemoryBlobs()
    ship(blobs)
    first = dict(blobs.held)
    assert set(first) == set(SHIPPED)
    ship(blobs)
    assert blobs.held == first
    blobs.held["restore.py"] = b"# script version 0"
    blobs.held["RESTORE.md"] = b""
    ship(blobs)
    assert blobs.held == first
    newer = text("restore.py").replace(b"script version 1", b"script version 2")
    blobs.held["restore.py"] = newer
    ship(blobs)
    assert blobs.held["restore.py"] == newer


def test_it_stays_short_enough_to_be_read():
    """About a hundred lines of code, so that a stranger reads all of it before running it."""
    code = [line for line in text("restore.py").decode().splitlines() if line.strip()]
    assert len(code) <= 140


def test_it_is_python_that_old_systems_have():
    """Its grammar is that of Python 3.8, and beside the standard library it imports numpy and zstandard alone."""
    tree = ast.parse(text("restore.py"), feature_version=(3, 8))
    imported = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert {name for name in imported if name not in sys.stdlib_module_names} == {
        "numpy",
        "zstandard",
        "Path",
    }
