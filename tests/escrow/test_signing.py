"""Model signatures are those of OpenSSF Model Signing: its own command line, unmodified, is the judge."""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus import archive
from emeritus.archive import MemoryBlobs, SignatureInvalid, signing
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.manifest import FileRecipe, Manifest, Part, SpanRecipe
from emeritus.archive.signing import ModelKey, ModelPublicKey
from emeritus.core.errors import InvalidInput

KEY = ModelKey.generate()


def judge(folder: Path, signature: Path, key: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder)]
    command += ["--signature", str(signature), "--public_key", str(key)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def model(tmp_path):
    """A folder of weights, archived; its manifest and where it lies."""
    folder = tmp_path / "model"
    (folder / "tokenizer").mkdir(parents=True)
    data = random.Random(1).randbytes(4000)
    (folder / "model.safetensors").write_bytes(safetensors_bytes([FakeTensor("w", "U8", (4000,), data)]))
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer" / "ünïcode merges.txt").write_text("a b")
    (folder / "tokenizer.json").write_text("[]")
    (folder / "empty").write_bytes(b"")
    blobs = MemoryBlobs()
    stored = archive.ingest(archive.inspect(folder), "small-1", blobs, sign=lambda _: b"signed")
    return folder, stored.manifest, blobs


def test_their_command_line_accepts_a_restored_model_and_nothing_else(model, tmp_path):
    """A restored folder passes with signature and key beside or inside it; a byte, a file more or less do not."""
    _, manifest, blobs = model
    target = tmp_path / "restored"
    archive.restore(manifest, blobs, target)
    signature, public = target / "model.sig", target / "model.pub.pem"
    signature.write_bytes(signing.keep(manifest, blobs, KEY))
    public.write_bytes(KEY.public.pem)
    done = judge(target, signature, public)
    assert (done.returncode, done.stdout.strip()) == (0, "Verification succeeded")

    moved = tmp_path / "elsewhere.sig"
    moved.write_bytes(signature.read_bytes())
    assert judge(target, moved, public).returncode == 0

    other = tmp_path / "other.pem"
    other.write_bytes(ModelKey.generate().public.pem)
    assert judge(target, signature, other).returncode == 1

    weights = target / "model.safetensors"
    sound = weights.read_bytes()
    weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert judge(target, signature, public).returncode == 1
    weights.write_bytes(sound)
    (target / "config.json").rename(target / "config2.json")
    assert judge(target, signature, public).returncode == 1


def test_their_own_signature_says_the_same(model, tmp_path):
    """What we sign from the manifest is what their tool signs after reading all files."""
    folder, manifest, _ = model
    private, theirs = tmp_path / "key.pem", tmp_path / "their.sig"
    private.write_bytes(KEY.pem)
    command = [sys.executable, "-m", "model_signing", "sign", "key", str(folder)]
    subprocess.run([*command, "--signature", str(theirs), "--private_key", str(private)], check=True)
    payload = json.loads(_payload(theirs.read_bytes()))
    ours = json.loads(signing.statement(manifest))
    assert payload["predicate"]["resources"] == ours["predicate"]["resources"]
    assert payload["subject"][0]["digest"] == ours["subject"][0]["digest"]
    assert payload["predicateType"] == ours["predicateType"]
    theirs_key = json.loads(theirs.read_bytes())["verificationMaterial"]["publicKey"]["hint"]
    assert theirs_key == KEY.public.hint


def _payload(bundle: bytes) -> bytes:
    import base64

    return base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"])


def test_a_signature_is_made_once_and_mended(model):
    """Asking again gives the same bytes; a damaged one is made anew; another key has its own."""
    _, manifest, blobs = model
    first = signing.keep(manifest, blobs, KEY)
    assert signing.keep(manifest, blobs, KEY) == first
    path = signing.signature_path(manifest, KEY.public)
    blobs.held[path] = first[:-20]
    again = signing.keep(manifest, blobs, KEY)
    signing.check(manifest, again, KEY.public)
    other = ModelKey.generate()
    signing.keep(manifest, blobs, other)
    assert blobs.held[path] == again
    assert list(archive.held(blobs)) == [("small-1", manifest.digest)]


def test_every_changed_byte_of_a_signature_is_seen(model):
    """No flipped byte in what matters passes; what cannot be read is refused by name, not with a traceback."""
    _, manifest, blobs = model
    bundle = signing.keep(manifest, blobs, KEY)
    for at in range(0, len(bundle) - 1, 7):
        changed = bundle[:at] + bytes([bundle[at] ^ 4]) + bundle[at + 1 :]
        try:
            signing.check(manifest, changed, KEY.public)
        except SignatureInvalid:
            continue
        # Base64 and the unsigned names of the bundle have room for bytes that say the same.
        assert _payload(changed) == _payload(bundle)
    for junk in (b"", b"{}", b"[]", b"null", b"\xff", b'{"dsseEnvelope": 3}'):
        with pytest.raises(SignatureInvalid):
            signing.check(manifest, junk, KEY.public)


def test_a_signature_of_other_files_is_refused(model):
    """A sound signature by the right key does not pass for another model."""
    _, manifest, _ = model
    other = evolve(manifest, files=manifest.files[:-1])
    with pytest.raises(SignatureInvalid, match="other files"):
        signing.check(manifest, KEY.sign(other), KEY.public)


def test_keys_travel_as_pem_and_strange_ones_are_refused():
    """PEM gives the same key back; keys of other kinds and noise are refused."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    assert ModelKey.from_pem(KEY.pem).public == KEY.public
    assert "PRIVATE" not in repr(KEY)
    forms = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(InvalidInput):
            ModelKey.from_pem(key.private_bytes(*forms))
    for junk in (b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(InvalidInput):
            ModelKey.from_pem(junk)
        with pytest.raises(InvalidInput):
            ModelPublicKey(junk)


def _file(name: str) -> FileRecipe:
    digest = hashlib.sha256(name.encode()).hexdigest()
    part = Part(1, inline="00")
    return FileRecipe(name, 1, digest, digest, "bytes", (SpanRecipe("bytes", 1, (part,)),))


_SEGMENT = st.text("aB.-_ é/", min_size=1, max_size=8)


@settings(max_examples=60)
@given(st.sets(_SEGMENT, min_size=1, max_size=6))
def test_any_names_are_signed_and_checked(names):
    """Whatever the files are called, and whatever their order, the signature holds; it fails for one less."""
    manifest = Manifest("m", tuple(map(_file, sorted(names))), "test")
    turned = evolve(manifest, files=manifest.files[::-1])
    bundle = KEY.sign(manifest)
    signing.check(turned, bundle, KEY.public)
    if len(names) > 1:
        with pytest.raises(SignatureInvalid):
            signing.check(evolve(manifest, files=manifest.files[1:]), bundle, KEY.public)


def test_a_model_with_a_file_called_as_the_signature_is_fully_signed():
    """A file of the model's own that is called model.sig is not left out."""
    manifest = Manifest("m", (_file("model.sig"), _file("w")), "test")
    ignored = json.loads(signing.statement(manifest))["predicate"]["serialization"]["ignore_paths"]
    assert "model.sig" not in ignored
    assert "model.pub.pem" in ignored
