"""The script that lies in every archive gives models back to somebody who has numpy and zstandard, and nothing of ours."""

import ast
import contextlib
import hashlib
import importlib.util
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus import archive
from emeritus.archive import MemoryBlobs
from emeritus.archive.codec import Encoding, Scheme, encode
from emeritus.archive.codec.fields import NO_HINT
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.ports import SHIPPED
from emeritus.archive.shipped import ship, text
from emeritus.store.blobs import FolderBlobs

SCRIPT: dict = {"__name__": "frames"}
exec(compile(text("frames.py"), "frames.py", "exec"), SCRIPT)

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
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

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
    numbers = np.random.default_rng(seed).normal(0, 0.02, count).astype("<f4").view("<u4")
    return (numbers >> 16).astype("<u2").tobytes()


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
    newer = text("restore.py").replace(b"script version 3", b"script version 4")
    blobs.held["restore.py"] = newer
    ship(blobs)
    assert blobs.held["restore.py"] == newer


def test_it_stays_short_enough_to_be_read():
    """About a hundred lines that follow the manifest, and less than two hundred that decode, so that a stranger reads both."""
    lines = {
        name: sum(1 for line in text(name).decode().splitlines() if line.strip())
        for name in ("restore.py", "frames.py")
    }
    assert lines["restore.py"] <= 105
    assert lines["frames.py"] <= 190


@st.composite
def frames(draw):
    """Bytes as they occur in tensors, a scheme to write them by, and a base that is near, far, short or empty."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    width, count = draw(st.sampled_from([1, 2, 4, 8])), draw(st.integers(1, 6000))
    words = np.dtype(f"<u{width}")
    match draw(st.sampled_from(["noise", "normal", "few", "coarse", "zeros"])):
        case "noise":
            raw = chance.bytes(width * count)
        case "normal":
            number = {1: "i1", 2: "<f2", 4: "<f4", 8: "<f8"}[width]
            raw = (chance.normal(0, 0.02, count) * (1000 if width == 1 else 1)).astype(number).tobytes()
        case "few":
            raw = chance.integers(0, 9, count).astype(words).tobytes()
        case "coarse":
            raw = (chance.integers(0, 15, count) << (8 * width - 5)).astype(np.uint64).astype(words).tobytes()
        case _:
            raw = bytes(width * count)
    raw += chance.bytes(draw(st.integers(0, width - 1)))
    base = np.frombuffer(raw, np.uint8) ^ (
        chance.random(len(raw)) < draw(st.sampled_from([0, 0.01, 0.3]))
    ).astype(np.uint8)
    row = draw(st.sampled_from([0, 1, 24, 300, 5000]))
    alone = Scheme(Encoding.NUMBERS, (1,) * width, row)
    scheme = draw(
        st.sampled_from(
            [
                alone,
                Scheme(Encoding.DIFFERENCE, (1,) * width, row, alone=alone),
                Scheme(Encoding.PLANES, (1,) * width),
                Scheme(Encoding.ROTATED_PLANES, (1,) * max(2, width)),
                Scheme(Encoding.FIELDS, (1, 1, 32), hints=(1, NO_HINT, 1)),
                Scheme(Encoding.FIELDS, (16, 3, 1), hints=(2, 2, NO_HINT)),
                Scheme(Encoding.COLUMNS, (1, 1, 4, 16), 2, hints=(1, NO_HINT, 1, 1)),
                Scheme(Encoding.ZSTD),
            ]
        )
    )
    return raw, scheme, base.tobytes()[: draw(st.sampled_from([len(raw), len(raw) // 2 + 1]))]


@pytest.fixture(autouse=True, scope="module")
def fields_of_any_length():
    """Code even short fields as numbers, so that small examples try all of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emeritus.archive.codec.fields._SHORT", 64)
        yield


@settings(max_examples=100)
@given(frames())
def test_its_decoder_agrees_with_the_codec(frame):
    """Whatever the codec writes, alone or as a difference, the script's own decoder gives back every bit."""
    raw, scheme, base = frame
    used, payload = encode(scheme, raw, base)
    assert SCRIPT["decode"](int(used), payload, len(raw), base) == raw


@settings(max_examples=60)
@given(frames(), st.data())
def test_its_decoder_survives_damage(frame, data):
    """A payload that decayed gives other bytes or a named error: nothing else escapes, nothing runs wild."""
    raw, scheme, base = frame
    used, payload = encode(scheme, raw, base)
    broken = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    broken = broken[: data.draw(st.integers(len(broken) // 2, len(broken)))]
    with contextlib.suppress(*SCRIPT["DAMAGE"]):
        SCRIPT["decode"](int(used), bytes(broken), len(raw), base)


def tuned(data: bytes, seed: int, much: int) -> bytes:
    """The same BF16 numbers, one in *much* moved by a little."""
    chance, words = np.random.default_rng(seed), np.frombuffer(data, "<u2").copy()
    where = chance.random(words.size) < 1 / much
    words[where] += chance.integers(1, 4, int(where.sum())).astype("<u2")
    return words.tobytes()


def test_a_family_of_fine_tunes_comes_back(folder_blobs, tmp_path, run):
    """Differences on a base, on a difference, and against a longer and a shorter tensor are followed."""
    base = noisy(1_500_000, 5)
    first = tuned(base, 1, 20)
    second = tuned(first, 2, 50)
    resized = second + noisy(70_000, 9)
    below, manifests = None, {}
    for name, data in (("base", base), ("first", first), ("second", second), ("resized", resized)):
        folder = tmp_path / name
        folder.mkdir()
        tensor = FakeTensor("w", "BF16", (len(data) // 2,), data)
        (folder / "model.safetensors").write_bytes(safetensors_bytes([tensor]))
        kept = archive.ingest(
            archive.inspect(folder), name, folder_blobs, sign=lambda _: b"signed", base=below
        )
        below = manifests[name] = kept.manifest
    ship(folder_blobs)
    assert all(manifests[name].bases for name in ("first", "second"))
    for name in manifests:
        done = run(folder_blobs.root, name, tmp_path / "out" / name)
        assert (done.returncode, done.stderr) == (0, "")
        same(tmp_path / name, tmp_path / "out" / name)
    (digest,) = {below for above, below in manifests["first"].bases.items()}
    path = folder_blobs.root / f"objects/{digest[:2]}/{digest}"
    sound = path.read_bytes()
    path.write_bytes(damaged(sound, len(sound) // 2))
    done = run(folder_blobs.root, "first", tmp_path / "again")
    assert (done.returncode, digest in done.stderr) == (1, True)
    path.unlink()
    done = run(folder_blobs.root, "first", tmp_path / "again")
    assert (done.returncode, digest in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("script", "beside"),
    [("restore.py", {"Path"}), ("frames.py", {"numpy", "zstandard"})],
)
def test_it_is_python_that_old_systems_have(script, beside):
    """Its grammar is that of Python 3.8, and beside the standard library it imports numpy and zstandard alone."""
    tree = ast.parse(text(script), feature_version=(3, 8))
    imported = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    } | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in imported if name not in sys.stdlib_module_names} == beside
