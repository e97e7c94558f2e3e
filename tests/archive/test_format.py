"""The format's own page is enough: its script restores what the archive wrote."""

import re
from pathlib import Path

from emeritus.archive import ingest, inspect
from emeritus.archive.fakes import FakeTensor, gguf_bytes
from emeritus.archive.manifest import manifest_path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "archive-format.md"


def stranger():
    """The names that the page's script defines: it uses nothing of ours."""
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert "emeritus" not in script
    names = {}
    exec(compile(script, str(PAGE), "exec"), names)
    return names


def test_a_stranger_restores_a_folder(model_folder, folder_blobs, tmp_path):
    stored = ingest(inspect(model_folder), "m", folder_blobs, sign=lambda data: b"x")
    stranger()["restore"](
        folder_blobs.root, folder_blobs.root / manifest_path("m", stored.digest), tmp_path / "out"
    )
    for file in inspect(model_folder).files:
        assert (tmp_path / "out" / file.name).read_bytes() == file.path.read_bytes()


def test_a_stranger_restores_every_encoding(folder_blobs, tmp_path):
    """Raw, zstd, planes, rotated planes; several frames; a last frame that is shorter."""
    import random
    import struct

    chance = random.Random(4)
    floats = struct.pack("<600000f", *(chance.gauss(0, 0.02) for _ in range(600_000)))
    blocks = b"".join(struct.pack("<e", 0.01) + chance.randbytes(32) for _ in range(70_000))
    tensors = [
        FakeTensor("floats", 0, (600_000,), floats),
        FakeTensor("blocks", 8, (32 * 70_000,), blocks),
        FakeTensor("noise", 24, (3_000_000,), chance.randbytes(3_000_000)),
        FakeTensor("text", 24, (3_000_000,), b"all work " * 333_333 + b"and"),
    ]
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes(tensors))
    stored = ingest(inspect(path), "m", folder_blobs, sign=lambda data: b"x")
    names = stranger()
    seen = set()
    plain = names["frame_bytes"]
    names["frame_bytes"] = lambda encoding, *rest: seen.add(encoding) or plain(encoding, *rest)
    names["restore"](
        folder_blobs.root, folder_blobs.root / manifest_path("m", stored.digest), tmp_path / "out"
    )
    assert (tmp_path / "out" / "m.gguf").read_bytes() == path.read_bytes()
    assert seen == {0, 1, 2, 3}
