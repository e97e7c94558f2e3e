"""Timestamps: a local authority made with OpenSSL, and everything that is none."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emeritus.core.errors import InvalidInput, Unavailable
from emeritus.record import Checkpoint, SigningKey
from emeritus.record.witness import Answer
from emeritus.store.timestamps import Authority, Timestamps

pytest.importorskip("rfc3161_client")
KEY = SigningKey.from_seed("record.example.org", bytes(32))
NOTE = Checkpoint(KEY.name, 7, bytes(32)).sign(KEY)
SECTIONS = """
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[tsa]
basicConstraints = CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa_config]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256,sha384,sha512
ess_cert_id_alg = sha256
"""


class OpenSslAuthority:
    """A timestamping authority with a root of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        (self.folder / "openssl.cnf").write_text(SECTIONS.format(folder=self.folder))
        (self.folder / "serial").write_text("01\n")
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        config = ["-config", "/dev/null"]
        self.run(["req", "-x509", *new, *config, "-subj", f"/CN={name} root", "-days", "30"],
                 ["-keyout", "ca.key", "-out", "ca.pem", "-addext", "basicConstraints=critical,CA:true"])  # fmt: skip
        self.run(["req", *new, *config, "-subj", f"/CN={name}"], ["-keyout", "tsa.key", "-out", "tsa.csr"])
        self.run(["x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
                 ["-days", "30", "-out", "tsa.pem", "-extfile", "openssl.cnf", "-extensions", "tsa"])  # fmt: skip
        self.settings = Authority("https://tsa.example/", self.folder / "ca.pem")

    def run(self, words: list[str], more: list[str]) -> None:
        subprocess.run(["openssl", *words, *more], cwd=self.folder, check=True, capture_output=True)

    def __call__(self, url: str, body: bytes, content_type: str) -> Answer:
        assert (url, content_type) == ("https://tsa.example/", "application/timestamp-query")
        (self.folder / "query").write_bytes(body)
        self.run(["ts", "-reply", "-queryfile", "query", "-config", "openssl.cnf", "-section", "tsa_config"],
                 ["-inkey", "tsa.key", "-signer", "tsa.pem", "-out", "answer"])  # fmt: skip
        return Answer(200, "application/timestamp-reply", (self.folder / "answer").read_bytes())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> OpenSslAuthority:
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine")
    return OpenSslAuthority(tmp_path_factory.mktemp("tsa"), "Honest")


def test_a_checkpoint_is_timestamped(authority: OpenSslAuthority, tmp_path: Path) -> None:
    """The authority's time is told, both files are kept, and OpenSSL reads them too."""
    stamps = Timestamps(tmp_path / "timestamps")
    at = stamps.ask(NOTE, authority.settings, authority)
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=5)
    assert list(stamps.notes()) == [NOTE]
    assert list(stamps.audit(authority.settings)) == []
    verify = [
        "openssl",
        "ts",
        "-verify",
        "-data",
        "7",
        "-in",
        "7.tsr",
        "-CAfile",
        authority.folder / "ca.pem",
    ]
    ran = subprocess.run(verify, cwd=tmp_path / "timestamps", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_what_was_changed_is_named(authority: OpenSslAuthority, tmp_path: Path) -> None:
    """A checkpoint, or an answer, with one byte changed; a checkpoint that is gone."""
    stamps = Timestamps(tmp_path)
    stamps.ask(NOTE, authority.settings, authority)
    answer = (tmp_path / "7.tsr").read_bytes()
    for name, data in (
        ("7", NOTE.replace("7", "8", 1).encode()),
        ("7.tsr", answer[:-10] + bytes([answer[-10] ^ 1]) + answer[-9:]),
        ("7.tsr", answer[:40]),
        ("7.tsr", b""),
    ):
        good = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data)
        assert [each.where for each in stamps.audit(authority.settings)] == ["timestamp 7"], name
        (tmp_path / name).write_bytes(good)
    (tmp_path / "7").unlink()
    assert [each.where for each in stamps.audit(authority.settings)] == ["timestamp 7"]


def test_an_answer_of_somebody_else_is_kept_nowhere(authority: OpenSslAuthority, tmp_path: Path) -> None:
    """Another root, a replay of an older answer, a page of HTML: named, and nothing is written."""
    other = OpenSslAuthority(tmp_path, "Other")
    stamps = Timestamps(tmp_path / "timestamps")
    older = stamps._client.TimestampRequestBuilder().data(NOTE.encode()).build()
    replay = authority("https://tsa.example/", older.as_bytes(), "application/timestamp-query")
    for post in (
        other,
        lambda *_: replay,
        lambda *_: Answer(200, "text/html", b"<html>"),
        lambda *_: Answer(500, "", b""),
    ):
        with pytest.raises(Unavailable, match="no timestamp of this checkpoint"):
            stamps.ask(NOTE, authority.settings, post)
    assert not (tmp_path / "timestamps").exists()


def test_roots_that_are_none(tmp_path: Path) -> None:
    """A file that is missing, or holds something else."""
    (tmp_path / "roots").write_text("nothing")
    for path in (tmp_path / "roots", tmp_path / "missing"):
        with pytest.raises(InvalidInput, match="holds no certificates"):
            Authority("https://tsa.example/", path).certificates()
