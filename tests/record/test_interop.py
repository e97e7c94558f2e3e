"""Others' implementations accept our checkpoints, tiles and proofs, and refuse what was changed."""

import base64
import hashlib
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emeritus.core.clock import SettableClock
from emeritus.core.people import person
from emeritus.record import Act, MemoryLog, SigningKey, merkle
from emeritus.record.tiles import bundle, tiles_of

KEY = SigningKey.from_seed("record.example.org/house", bytes(range(32)))
ADA = person("Ada Lovelace")
SIZES = (1, 2, 255, 256, 257, 700)
GO_SOURCES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb")


def act(number: int) -> Act:
    return Act("test.done", {"number": number, "word": "ünïcode"}, ADA, "m", f"s{number % 7}", f"k{number}")


def published(folder: Path, size: int, older: tuple[int, ...] = ()) -> MemoryLog:
    """Write a log of *size* entries as static files, with the checkpoints that it had on the way."""
    log = MemoryLog(SettableClock(datetime(2026, 1, 5, tzinfo=UTC)), KEY)
    (folder / "older").mkdir(parents=True)
    for number in range(size):
        log.append(act(number))
        if number + 1 in older:
            (folder / f"older/{number + 1}").write_text(log.signed_checkpoint())
    (folder / "checkpoint").write_text(log.signed_checkpoint())
    for tile in tiles_of(size):
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if tile.level is None:
            found = log.entries(begin=tile.position * 256, limit=tile.width)
            path.write_bytes(bundle([entry.data for entry in found]))
        else:
            path.write_bytes(log.tile(tile.level, tile.position, tile.width))
    proofs = [
        f"inclusion {n} {_line(merkle.inclusion(log, n, size))}" for n in range(0, size, size // 40 + 1)
    ]
    proofs += [f"consistency {n} {_line(merkle.consistency(log, n, size))}" for n in range(1, size + 1, 13)]
    (folder / "proofs").write_text("\n".join(proofs) + "\n")
    return log


def _line(path: list[bytes]) -> str:
    return " ".join(base64.b64encode(digest).decode() for digest in path)


# ---- the Go project's own code, where Debian's golang-go and golang-golang-x-mod-dev are installed ----


@pytest.fixture(scope="module")
def go_check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("go") or not GO_SOURCES.is_dir():
        pytest.skip("no Go with golang.org/x/mod on this machine")
    folder = tmp_path_factory.mktemp("go")
    made = folder / "check"
    env = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "cache"),
    }
    source = Path(__file__).with_name("interop") / "check.go"
    subprocess.run(["go", "build", "-o", str(made), str(source)], env=env, check=True, timeout=240)
    return made


def go_says(program: Path, folder: Path) -> tuple[int, str]:
    command = [program, folder, str(KEY.verify_key)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("size", [*SIZES, 66_000])
def test_the_go_projects_code_reads_our_log(go_check: Path, tmp_path: Path, size: int) -> None:
    """golang.org/x/mod/sumdb opens the note, takes each tile and entry, and checks each of our proofs."""
    older = tuple(each for each in (1, 100, 256, 300, 65_536) if each <= size)
    published(tmp_path / "log", size, older)
    code, said = go_says(go_check, tmp_path / "log")
    assert (code, said) == (0, f"holds: {size} entries, {len(older)} older checkpoints\n")


def test_the_go_projects_code_refuses_what_was_changed(go_check: Path, tmp_path: Path) -> None:
    """One bit in a tile, in an entry, in a kept checkpoint or in a proof is enough."""
    for name in ("tile/0/000", "tile/0/001.p/44", "tile/entries/000", "older/100", "proofs"):
        folder = tmp_path / name.replace("/", "-")
        published(folder, 300, (100,))
        data = bytearray((folder / name).read_bytes())
        data[40] ^= 1
        (folder / name).write_bytes(data)
        assert go_says(go_check, folder)[0] != 0, name


# ---- sigstore, which checks such notes and proofs for every Python package that is signed ----


@pytest.mark.parametrize("size", SIZES)
def test_sigstore_accepts_our_checkpoints_and_proofs(size: int, tmp_path: Path) -> None:
    """The note's signature, its three lines, and the inclusion proof of each entry."""
    checkpoint = pytest.importorskip("sigstore._internal.rekor.checkpoint")
    merkle_of = pytest.importorskip("sigstore._internal.merkle")
    from sigstore.errors import VerificationError

    log = published(tmp_path / "log", size)
    signed = checkpoint.SignedCheckpoint.from_text(log.signed_checkpoint())
    assert signed.checkpoint.origin == KEY.name
    assert signed.checkpoint.log_size == size
    assert signed.checkpoint.log_hash == log.checkpoint().root.hex()
    signed.signed_note.verify(_SigstoreKeys(), KEY.verify_key.key_id)
    changed = checkpoint.SignedCheckpoint.from_text(
        log.signed_checkpoint().replace(KEY.name, "other.example", 1)
    )
    with pytest.raises(VerificationError):
        changed.signed_note.verify(_SigstoreKeys(), KEY.verify_key.key_id)
    for seq in range(0, size, size // 30 + 1):
        proof = merkle.inclusion(log, seq, size)
        merkle_of.verify_merkle_inclusion(_sigstore_entry(log.get(seq).data, seq, log, proof))
        with pytest.raises(VerificationError):
            merkle_of.verify_merkle_inclusion(_sigstore_entry(log.get(seq).data + b" ", seq, log, proof))


class _SigstoreKeys:
    """What sigstore looks keys up in, with ours in it."""

    def verify(self, *, key_id: bytes, signature: bytes, data: bytes) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from sigstore.errors import VerificationError

        try:
            Ed25519PublicKey.from_public_bytes(KEY.verify_key.public).verify(signature, data)
        except InvalidSignature as why:
            raise VerificationError(str(why)) from None


def _sigstore_entry(data: bytes, seq: int, log: MemoryLog, proof: list[bytes]):
    from types import SimpleNamespace

    inclusion = SimpleNamespace(
        log_index=seq, tree_size=log.size(), hashes=proof, root_hash=log.checkpoint().root
    )
    return SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=inclusion, canonicalized_body=data))


def test_our_key_is_written_as_the_specification_says() -> None:
    """The key's id is the hash of its name, a newline, the type and the key (C2SP signed-note)."""
    name, key_id, raw = str(KEY.verify_key).split("+", 2)
    assert key_id == hashlib.sha256(f"{name}\n".encode() + base64.b64decode(raw)).hexdigest()[:8]
