"""No byte lost: what comes out of the archive is what went in."""

import hashlib
import math
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emeritus.archive import (
    FileRecipe,
    ManifestMissing,
    MemoryBlobs,
    SignatureInvalid,
    TargetOccupied,
    held,
    ingest,
    ingest_file,
    inspect,
    load,
    measure,
    read_file,
    restore,
    seal,
    signatures,
    verify,
)
from emeritus.archive.fakes import FakeTensor, gguf_bytes, safetensors_bytes
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.store.blobs import FolderBlobs


def sign(data):
    return b"signed:" + hashlib.sha256(data).digest()


def verifier(data, signature):
    return signature == sign(data)


def same(source, folder):
    return all((folder / file.name).read_bytes() == file.path.read_bytes() for file in source.files)


BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64, "F16": 16,
    "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "F8_E5M2": 8, "F8_E4M3": 8, "F4": 4, "NEW_TYPE": 24,
}  # fmt: skip
GGML = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 8: (32, 34), 12: (256, 144), 14: (256, 210), 24: (1, 1), 28: (1, 8),
        30: (1, 2), 39: (32, 17), 777: (1, 5)}  # fmt: skip
SPECIAL = [
    b"\x00\x00\xc0\x7f",
    b"\x01\x00\xc0\xff",
    b"\x00\x00\x00\x80",
    b"\x00\x80",
    b"\x01\x7c",
    b"\x00\x00",
    b"\xff",
]


@st.composite
def contents(draw, size):
    """Bytes as tensors have them: noise, bell-shaped floats, constants, NaNs with payloads, negative zeros."""
    seed = draw(st.integers(0, 2**32))
    match draw(st.sampled_from(["noise", "floats", "constant", "special"])):
        case "noise":
            return random.Random(seed).randbytes(size)
        case "floats":
            chance = random.Random(seed)
            return b"".join(
                bytes([seed & 255, chance.randrange(256), chance.choice((60, 61, 188)), 63])
                for _ in range(size // 4 + 1)
            )[:size]
        case "constant":
            return bytes([seed & 255]) * size
    piece = draw(st.sampled_from(SPECIAL))
    return (piece * (size // len(piece) + 1))[:size]


shapes = st.lists(st.integers(0, 9), max_size=4).map(tuple)


@st.composite
def safetensors_files(draw):
    tensors = []
    for number, dtype in enumerate(draw(st.lists(st.sampled_from(sorted(BITS)), max_size=8))):
        shape = draw(shapes)
        size = math.prod(shape) * BITS[dtype]
        if size % 8:
            shape, size = (*shape, 2), size * 2
        tensors.append(FakeTensor(f"t{number}", dtype, shape, draw(contents(size // 8))))
    metadata = draw(st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3))
    return safetensors_bytes(tensors, metadata) + draw(st.binary(max_size=80))


@st.composite
def gguf_files(draw):
    alignment = draw(st.sampled_from([1, 8, 32, 64]))
    tensors = []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(sorted(GGML)), max_size=8))):
        elements, block = GGML[kind]
        shape = draw(shapes.filter(bool))
        count = math.prod(shape)
        tensors.append(
            FakeTensor(f"t{number}", kind, (shape[0] * elements, *shape[1:]), draw(contents(count * block)))
        )
    metadata = {"general.alignment": alignment, "words": ["a", "ß"], "x": 0.5, "yes": True}
    data = gguf_bytes(tensors, metadata, alignment=alignment)
    return data if any(t.dtype == 777 for t in tensors) else data + draw(st.binary(max_size=80))


def round_trip(folder: Path, name: str, data: bytes):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    blobs = MemoryBlobs()
    stored = ingest(inspect(path), "model", blobs, sign=sign)
    manifest = load("model", stored.digest, blobs, verify=verifier)
    assert verify(manifest, blobs).is_sound
    out = folder / "out"
    restore(manifest, blobs, out)
    assert (out / name).read_bytes() == data
    (out / name).unlink()
    path.unlink()


slow = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@slow
@given(safetensors_files())
def test_any_safetensors_file_is_restored_bit_for_bit(tmp_path, data):
    """All dtypes, empty tensors, zero dimensions, NaN payloads, negative zeros, unknown dtypes, a tail."""
    round_trip(tmp_path / "s", "m.safetensors", data)


@slow
@given(gguf_files())
def test_any_gguf_file_is_restored_bit_for_bit(tmp_path, data):
    """Quantised blocks, unknown types, any alignment, a tail."""
    round_trip(tmp_path / "g", "m.gguf", data)


def test_a_whole_folder_in_every_store(any_blobs, model_folder, tmp_path):
    """The life of a model: archived, sealed, signed, checked, restored, with folders and empty files."""
    source = inspect(model_folder)
    stored = ingest(source, "tiny", any_blobs, sign=sign)
    assert list(held(any_blobs)) == list(held(any_blobs, "tiny")) == [("tiny", stored.digest)]
    assert stored.bytes_in == source.size == stored.manifest.size
    assert stored.bytes_out == measure(stored.manifest, any_blobs)
    manifest = load("tiny", stored.digest, any_blobs, verify=verifier)
    assert manifest == stored.manifest
    assert verify(manifest, any_blobs).is_sound
    paths = restore(manifest, any_blobs, tmp_path / "out")
    assert same(source, tmp_path / "out")
    assert [path.name for path in paths] == [Path(file.name).name for file in source.files]
    for file in source.files:
        assert manifest.file(file.name).sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()


def test_archiving_again_changes_nothing(any_blobs, source):
    """Idempotent: the same digest, every object reused, the same blobs."""
    first = ingest(source, "tiny", any_blobs, sign=sign)
    before = list(any_blobs.list())
    again = ingest(source, "tiny", any_blobs, sign=sign)
    assert again.digest == first.digest
    assert (again.objects_new, again.bytes_out, again.objects_reused) == (0, 0, first.objects_new)
    assert list(any_blobs.list()) == before


def test_identical_tensors_are_stored_once(tmp_path, blobs):
    """Across names, files and models."""
    data = bytes(range(256)) * 20
    one, two = FakeTensor("a", "U8", (5120,), data), FakeTensor("b", "U8", (5120,), data)
    (tmp_path / "one.safetensors").write_bytes(safetensors_bytes([one, two]))
    stored = ingest(inspect(tmp_path / "one.safetensors"), "one", blobs, sign=sign)
    assert stored.objects_new == 2  # the header and the tensor
    (tmp_path / "two.safetensors").write_bytes(safetensors_bytes([two]))
    other = ingest(inspect(tmp_path / "two.safetensors"), "two", blobs, sign=sign)
    assert (other.objects_new, other.objects_reused) == (1, 1)


def test_steps_make_the_same_manifest(model_folder):
    """File by file, with the recipes kept as JSON between the steps, in any thread count."""
    source = inspect(model_folder)
    whole = ingest(source, "tiny", MemoryBlobs(), sign=sign, threads=1)
    blobs = MemoryBlobs()
    kept = [ingest_file(file, blobs, threads=3).json() for file in source.files]
    sealed = seal("tiny", [FileRecipe.from_json(recipe) for recipe in kept], blobs, sign=sign)
    assert sealed.digest == whole.digest
    assert seal("tiny", sealed.files, blobs, sign=sign).digest == sealed.digest


def test_long_spans_become_several_objects(tmp_path, monkeypatch):
    """A tensor longer than a part is cut between blocks, and comes back whole."""
    import sys

    monkeypatch.setattr(sys.modules["emeritus.archive.digesting"], "PART", 1000)
    data = random.Random(3).randbytes(34 * 100)
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes([FakeTensor("t", 8, (32, 100), data)]))
    blobs = MemoryBlobs()
    stored = ingest(inspect(path), "m", blobs, sign=sign)
    tensor = next(span for span in stored.manifest.files[0].spans if span.kind == "tensor")
    assert [part.length for part in tensor.parts] == [986, 986, 986, 442]
    restore(stored.manifest, blobs, tmp_path / "out")
    assert (tmp_path / "out" / "m.gguf").read_bytes() == path.read_bytes()


@pytest.fixture
def stored(tmp_path, blobs):
    """A file of several frames, archived."""
    chance = random.Random(5)
    tensors = [
        FakeTensor("big", "BF16", (2_500_000,), chance.randbytes(1_000_000) + bytes(4_000_000)),
        FakeTensor("small", "U8", (10,), chance.randbytes(10)),
    ]
    path = tmp_path / "ranges.safetensors"
    path.write_bytes(safetensors_bytes(tensors))
    return path.read_bytes(), ingest(inspect(path), "m", blobs, sign=sign).manifest


def test_ranges_of_a_file(stored, blobs):
    """Any range is what a slice of the file is, across spans and frames."""
    data, manifest = stored
    chance = random.Random(6)
    ranges = [
        (0, len(data)),
        (0, 0),
        (len(data), len(data)),
        (len(data) - 1, len(data)),
        (7, 9),
        (2_097_100, 2_097_300),
    ]
    ranges += [tuple(sorted(chance.randrange(len(data) + 1) for _ in range(2))) for _ in range(20)]
    for start, end in ranges:
        assert b"".join(read_file(manifest, "ranges.safetensors", blobs, start, end)) == data[start:end]
    assert b"".join(read_file(manifest, "ranges.safetensors", blobs)) == data


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4), (0, 10**9), (10**9, None)])
def test_ranges_outside_a_file(stored, blobs, start, end):
    with pytest.raises(InvalidInput):
        read_file(stored[1], "ranges.safetensors", blobs, start, end)


def test_a_file_that_the_model_does_not_have(stored, blobs):
    with pytest.raises(NotFound, match="other"):
        read_file(stored[1], "other", blobs)


def test_restoring_again_keeps_what_is_there(source, blobs, tmp_path):
    """An identical file is checked and left alone; another one is never overwritten."""
    manifest = ingest(source, "tiny", blobs, sign=sign).manifest
    (path,) = restore(manifest, blobs, tmp_path / "out")
    before = path.stat()
    restore(manifest, blobs, tmp_path / "out")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(TargetOccupied, match=r"tiny\.gguf"):
        restore(manifest, blobs, tmp_path / "out")
    assert path.read_bytes().endswith(b"?")


def test_restoring_does_not_follow_links(model_folder, blobs, tmp_path):
    """A link planted in the target leads nowhere."""
    manifest = ingest(inspect(model_folder), "tiny", blobs, sign=sign).manifest
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    out.mkdir()
    (out / "tokenizer").symlink_to(elsewhere)
    with pytest.raises(TargetOccupied):
        restore(manifest, blobs, out)
    (out / "tokenizer").unlink()
    (out / "config.json").symlink_to(elsewhere / "config.json")
    with pytest.raises(TargetOccupied):
        restore(manifest, blobs, out)
    assert list(elsewhere.iterdir()) == []


def test_progress_ends_at_the_total(model_folder, blobs, tmp_path):
    """It never goes back and ends with everything done."""
    source = inspect(model_folder)
    for act in (
        lambda watch: ingest(source, "tiny", blobs, sign=sign, progress=watch),
        lambda watch: ingest(source, "tiny", blobs, sign=sign, progress=watch),
        lambda watch: verify(load("tiny", next(held(blobs))[1], blobs), blobs, progress=watch),
        lambda watch: restore(
            load("tiny", next(held(blobs))[1], blobs), blobs, tmp_path / "out", progress=watch
        ),
    ):
        seen = []
        act(lambda done, total, what, seen=seen: seen.append((done, total)))
        assert seen[-1] == (source.size, source.size)
        assert seen == sorted(seen)


def test_a_signature_by_another_key(source, blobs):
    """Without a good signature a manifest is not taken; a second signer's stands beside the first."""
    stored = ingest(source, "tiny", blobs, sign=lambda data: b"somebody else")
    with pytest.raises(SignatureInvalid, match="tiny"):
        load("tiny", stored.digest, blobs, verify=verifier)
    ingest(source, "tiny", blobs, sign=sign)
    assert load("tiny", stored.digest, blobs, verify=verifier) == stored.manifest
    assert len(list(signatures("tiny", stored.digest, blobs))) == 2


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "nonsense", "../../x", ""])
def test_a_manifest_that_is_not_there(blobs, digest):
    with pytest.raises(ManifestMissing):
        load("tiny", digest, blobs)


@pytest.mark.parametrize("model", ["a/b", "..", "../x", "A", ""])
def test_a_model_id_that_is_none(source, blobs, model):
    with pytest.raises(InvalidInput):
        ingest(source, model, blobs, sign=sign)
    assert list(blobs.list()) == []


@pytest.mark.model
def test_the_real_model(smollm2, tmp_path):
    """SmolLM2 goes in, is verified, and comes out with the same SHA-256, in less space."""
    blobs = FolderBlobs(tmp_path / "store")
    source = inspect(smollm2)
    assert (source.summary.architecture, source.summary.tensors) == ("llama", 272)
    stored = ingest(source, "smollm2-135m-instruct", blobs, sign=sign)
    manifest = load("smollm2-135m-instruct", stored.digest, blobs, verify=verifier)
    report = verify(manifest, blobs)
    assert report.is_sound
    assert report.stored_bytes < source.size / 1.12
    (path,) = restore(manifest, blobs, tmp_path / "out")
    with path.open("rb") as out, smollm2.open("rb") as original:
        assert hashlib.file_digest(out, "sha256").digest() == hashlib.file_digest(original, "sha256").digest()
    assert path.stat().st_nlink == 1
