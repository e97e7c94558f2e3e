"""The peers, each behind one face: a file goes in, something lies in the store, the file comes back.

A peer reads its input from the page cache and writes to a folder in memory, on two threads. What it takes to look
that the bytes are right is not in a peer's times, except where the peer does it by itself (lmz, Xet).
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

from benchmarks.archive import reference
from benchmarks.archive.reference import Reference

THREADS = 2
WIDTHS = {"bf16": 2, "f32": 4, "gguf": 1}


class Peer:
    """One peer. *kind* of a file is ``bf16``, ``f32`` or ``gguf``."""

    name: ClassVar[str]
    package: ClassVar[str]
    differs: ClassVar[bool] = False  # it can store a file as a difference from another
    alone: ClassVar[bool] = True
    quantised: ClassVar[bool] = True
    says: ClassVar[str] = ""

    def prepare(self, at: Path, kind: str, base: Path) -> None:
        """Put *base* where *at* will need it, which is not the file's own cost."""

    def store(self, source: Path, at: Path, kind: str, base: Path | None = None) -> None:
        at.write_bytes(self.pack(source.read_bytes(), kind, base.read_bytes() if base else None))

    def restore(self, at: Path, out: Path, kind: str, base: Path | None = None) -> None:
        out.write_bytes(self.unpack(at.read_bytes(), kind, base.read_bytes() if base else None))

    def stored(self, at: Path, base: Path | None = None) -> int:
        """Return the bytes that the file takes, without what the base takes."""
        return size_of(at)

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        raise NotImplementedError

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        raise NotImplementedError

    def growth(self, paths: list[Path], folder: Path, kind: str) -> list[int]:
        """Return the bytes stored after each of *paths*, the first of which is everybody's base."""
        sizes, total = [], 0
        for number, path in enumerate(paths):
            at = folder / f"{number}"
            self.store(path, at, kind, paths[0] if self.differs and number else None)
            total += size_of(at)
            remove(at)
            sizes.append(total)
        return sizes


def size_of(at: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if at.is_dir():
        return sum(path.stat().st_size for path in at.rglob("*") if path.is_file())
    return at.stat().st_size


def remove(at: Path) -> None:
    shutil.rmtree(at, ignore_errors=True) if at.is_dir() else at.unlink(missing_ok=True)


class Zstd(Peer):
    name, package = "zstd -3", "zstandard"
    says = "frames of 4 MiB"
    level = 3

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        import zstandard

        view = memoryview(raw)

        def one(start: int) -> bytes:
            return zstandard.ZstdCompressor(level=self.level).compress(view[start : start + reference.FRAME])

        with ThreadPoolExecutor(THREADS) as pool:
            frames = list(pool.map(one, range(0, len(raw), reference.FRAME)))
        return b"".join([len(raw).to_bytes(8, "little"), *(len(f).to_bytes(4, "little") + f for f in frames)])

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        import zstandard

        view, at, frames = memoryview(packed), 8, []
        while at < len(packed):
            size = int.from_bytes(packed[at : at + 4], "little")
            frames.append(view[at + 4 : at + 4 + size])
            at += 4 + size
        with ThreadPoolExecutor(THREADS) as pool:
            return b"".join(pool.map(lambda frame: zstandard.ZstdDecompressor().decompress(frame), frames))


class Blosc(Peer):
    name, package = "blosc2", "blosc2"
    says = "shuffle, zstd 1"

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        import blosc2

        return blosc2.compress2(
            raw,
            typesize=WIDTHS[kind],
            codec=blosc2.Codec.ZSTD,
            clevel=1,
            filters=[blosc2.Filter.SHUFFLE],
            nthreads=THREADS,
        )

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        import blosc2

        return blosc2.decompress2(packed, nthreads=THREADS)


class ZipNN(Peer):
    name, package = "zipnn", "zipnn"
    dtypes: ClassVar = {"bf16": "bfloat16", "f32": "float32", "gguf": "bfloat16"}

    def codec(self, kind: str, **more):
        from zipnn import ZipNN as Codec

        return Codec(input_format="byte", bytearray_dtype=self.dtypes[kind], threads=THREADS, **more)

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        return self.codec(kind).compress(bytearray(raw))  # it turns bits about in what it is given

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        return self.codec(kind).decompress(packed)


class ZipNNDelta(ZipNN):
    name = "zipnn, delta"
    differs, alone, quantised = True, False, False
    says = "XOR, then zipnn"

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        if base is None:  # the family's base
            return super().pack(raw, kind, base)
        codec = self.codec(kind, delta_compressed_type="byte")
        return codec.compress(bytearray(raw), delta_second_data=bytearray(base))

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        codec = self.codec(kind, delta_compressed_type="byte")
        return codec.decompress(packed, delta_second_data=bytearray(base))


class Glyd(Peer):
    name, package = "glyd", "glyd"

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        import glyd

        return glyd.compress(raw, threads=THREADS)

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        import glyd

        return glyd.decompress(packed)


class GlydBase(Glyd):
    name = "glyd, base"
    differs, alone, quantised = True, False, False
    says = "compress_with_base; family: its Store"

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        import glyd

        return glyd.compress_with_base(base, raw)

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        import glyd

        return glyd.decompress_with_base(base, packed)

    def growth(self, paths: list[Path], folder: Path, kind: str) -> list[int]:
        import glyd

        sizes = []
        at = folder / "glyd-store"
        with glyd.Store(str(at)) as store:
            for path in paths:
                number = store.put(path.name, path.read_bytes())
                store.flush()
                if store.get(number) != path.read_bytes():
                    raise ValueError("the store gave back other bytes")
                sizes.append(size_of(at))
        remove(at)
        return sizes


class Lmz(Peer):
    name, package = "lmz", "lmzip"
    differs = True
    says = "difference: appended to an archive of the base; checks its sums"

    def store(self, source: Path, at: Path, kind: str, base: Path | None = None) -> None:
        import lmz

        if base is None:
            lmz.compress(str(source), str(at), workers=THREADS)
        else:
            lmz.append(str(at), str(source), workers=THREADS)

    def prepare(self, at: Path, kind: str, base: Path) -> None:
        import lmz

        held = _held(at, base)
        if not held.exists():
            lmz.compress(str(base), str(held), workers=THREADS)
        shutil.copyfile(held, at)

    def stored(self, at: Path, base: Path | None = None) -> int:
        return size_of(at) - (size_of(_held(at, base)) if base else 0)

    def restore(self, at: Path, out: Path, kind: str, base: Path | None = None) -> None:
        import lmz

        if base is None:
            lmz.decompress(str(at), str(out), workers=THREADS, overwrite=True)
        else:
            member = next(m for m in self.members(at) if m != base.name)
            lmz.extract(str(at), member, str(out), overwrite=True)

    def members(self, at: Path) -> list[str]:
        import lmz

        return [m["path"] if isinstance(m, dict) else m.path for m in lmz.info(str(at))["members"]]

    def growth(self, paths: list[Path], folder: Path, kind: str) -> list[int]:
        import lmz

        at, out = folder / "family.lmz", folder / "back"
        sizes = []
        for number, path in enumerate(paths):
            (lmz.append if number else lmz.compress)(
                *((str(at), str(path)) if number else (str(path), str(at))), workers=THREADS
            )
            sizes.append(size_of(at))
        lmz.decompress(str(at), str(out), workers=THREADS)
        if any((out / path.name).read_bytes() != path.read_bytes() for path in paths):
            raise ValueError("the archive gave back other bytes")
        remove(at)
        remove(out)
        return sizes


class Z4ai(Peer):
    name, package = "z4ai", "z4ai"
    differs = True
    says = "compress; difference: compress_delta"
    dtypes: ClassVar = {"bf16": "bf16", "f32": "fp32", "gguf": None}

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        import z4ai

        if base is not None:
            return z4ai.compress_delta(raw, base, dtype=self.dtypes[kind], threads=THREADS)
        return z4ai.compress(raw, dtype=self.dtypes[kind], threads=THREADS)

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        import z4ai

        return z4ai.decompress(packed) if base is None else z4ai.decompress_delta(packed, base)


class Xet(Peer):
    """Hugging Face's own client against its own store in a folder: chunks of about 64 KiB, each packed."""

    name, package = "Xet", "hf-xet"
    differs = True
    says = "chunk dedup, the official client with a store in a folder"

    def store(self, source: Path, at: Path, kind: str, base: Path | None = None) -> None:
        self._name(at).write_text(self._upload(source, at))

    def prepare(self, at: Path, kind: str, base: Path) -> None:
        held = _held(at, base)
        if not held.exists():
            self._upload(base, held)
        shutil.copytree(held, at)

    def stored(self, at: Path, base: Path | None = None) -> int:
        return self.bytes_in(at) - (self.bytes_in(_held(at, base)) if base else 0)

    def restore(self, at: Path, out: Path, kind: str, base: Path | None = None) -> None:
        import hf_xet

        facts = self._name(at).read_text().split()
        wanted = hf_xet.PyXetDownloadInfo(str(out), facts[0], int(facts[1]))
        hf_xet.download_files([wanted], f"local://{at}", None, None, None)

    def growth(self, paths: list[Path], folder: Path, kind: str) -> list[int]:
        at = folder / "xet"
        sizes = []
        for path in paths:
            self._upload(path, at)
            sizes.append(self.bytes_in(at))
        remove(at)
        return sizes

    @staticmethod
    def bytes_in(at: Path) -> int:
        """Return the bytes of chunks and shards; the index that the local store keeps beside them is left out."""
        return sum(
            size_of(path) for path in (at / "xet" / "xorbs").rglob("*") if path.is_file() and _counts(path)
        )

    def _name(self, at: Path) -> Path:
        return at.with_suffix(".name")

    def _upload(self, source: Path, at: Path) -> str:
        import hf_xet

        (held,) = hf_xet.upload_files([str(source)], f"local://{at}", None, None, None, None)
        return f"{held.hash} {source.stat().st_size}"


def _counts(path: Path) -> bool:
    return path.suffix not in (".redb", ".tagset")


def _held(at: Path, base: Path) -> Path:
    return at.with_name(f"held-{base.stem}")


class Planes(Peer):
    name, package = "planes + zstd", "zstandard"
    quantised = False
    says = "reference.py"
    codec: ClassVar[Reference] = reference.PLANES

    def pack(self, raw: bytes, kind: str, base: bytes | None) -> bytes:
        return self.codec.pack(raw, WIDTHS[kind], base)

    def unpack(self, packed: bytes, kind: str, base: bytes | None) -> bytes:
        return self.codec.unpack(packed, WIDTHS[kind], base)


class _Difference(Planes):
    differs, alone = True, False

    def growth(self, paths: list[Path], folder: Path, kind: str) -> list[int]:
        alone = len(reference.PLANES.pack(paths[0].read_bytes(), WIDTHS[kind]))
        sizes = [alone]
        for path in paths[1:]:
            sizes.append(sizes[-1] + len(self.pack(path.read_bytes(), kind, paths[0].read_bytes())))
        return sizes


class XorPlanes(_Difference):
    name = "XOR + planes + zstd"
    says = "BitX of ZipLLM; reference.py"
    codec = reference.XOR


class IntegerPlanes(_Difference):
    name = "integer + planes + zstd"
    says = "in the spirit of FM-Delta; reference.py"
    codec = reference.INTEGER


PEERS: tuple[type[Peer], ...] = (
    Zstd,
    Blosc,
    Planes,
    ZipNN,
    Glyd,
    Lmz,
    Z4ai,
    Xet,
    XorPlanes,
    IntegerPlanes,
    ZipNNDelta,
    GlydBase,
)


def by_name(name: str) -> type[Peer]:
    return next(peer for peer in PEERS if peer.name == name)


def installed(peer: type[Peer]) -> str | None:
    """Return the version of a peer's package, None when it is not there."""
    try:
        return version(peer.package)
    except PackageNotFoundError:
        return None


def calm() -> None:
    """Keep libraries from more threads than ours, and from the network."""
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "BLOSC_NTHREADS",
        "RAYON_NUM_THREADS",
        "GLYD_THREADS",
    ):
        os.environ[name] = str(THREADS)
    os.environ["HF_HUB_OFFLINE"] = "1"
