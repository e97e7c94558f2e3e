"""Manifests: what a model is made of, file by file, as one canonical, digested, signed text."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec
from attrs import field, frozen

from emeritus.archive.errors import (
    BlobMissing,
    ManifestDamaged,
    ManifestMissing,
    SignatureInvalid,
    SourceRefused,
)
from emeritus.archive.facts import MAX_DEPTH
from emeritus.archive.names import file_name, no_twins
from emeritus.archive.ports import Blobs, Signer, Verifier
from emeritus.core.digests import Json, canonical, sha256
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.core.ids import model_id

FORMAT = "emeritus-manifest"
VERSION = 1
FOLDER = "manifests"
INLINE = 64
"""Runs of at most this many bytes stand in the manifest itself, in hexadecimal."""

_UNUSUAL = re.compile(rb"[^ -~]|\\|[\[,:]-?[0-9]{16}")
"""Of other bytes than these msgspec writes what RFC 8785 does, and several times faster."""
_HEX64 = re.compile(r"[0-9a-f]{64}")
_INLINE = re.compile(rf"(?:[0-9a-f]{{2}}){{1,{INLINE}}}")


@frozen
class Part:
    """A run of bytes: an object by the BLAKE3 of its raw bytes, or the bytes themselves (*inline*)."""

    length: int
    object: str | None = None
    inline: str | None = None

    def __attrs_post_init__(self) -> None:
        if (self.object is None) == (self.inline is None):
            raise ValueError("a part is an object or inline bytes")
        if self.object is not None and (not _HEX64.fullmatch(self.object) or self.length < 1):
            raise ValueError("a part names no object")
        if self.inline is not None and (
            not _INLINE.fullmatch(self.inline) or len(self.inline) != 2 * self.length
        ):
            raise ValueError("inline bytes of another length")

    def json(self) -> dict[str, Json]:
        told = {"inline": self.inline} if self.object is None else {"object": self.object}
        return {"length": self.length, **told}


@frozen
class SpanRecipe:
    """One span of a file (see `emeritus.archive.containers`) and the parts that make it up."""

    kind: Literal["header", "tensor", "gap", "tail", "bytes"]
    length: int
    parts: tuple[Part, ...]
    name: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()

    def __attrs_post_init__(self) -> None:
        if sum(part.length for part in self.parts) != self.length:
            raise ValueError("parts do not make up their span")

    def json(self) -> dict[str, Json]:
        told: dict[str, Json] = {
            "kind": self.kind,
            "length": self.length,
            "parts": [part.json() for part in self.parts],
        }
        if self.kind == "tensor":
            told |= {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}
        return told


@frozen
class FileRecipe:
    """How to make one file again, bit for bit; digests in hexadecimal."""

    name: str
    size: int
    sha256: str
    blake3: str
    container: Literal["gguf", "safetensors", "bytes"]
    spans: tuple[SpanRecipe, ...]

    def __attrs_post_init__(self) -> None:
        if sum(span.length for span in self.spans) != self.size:
            raise ValueError("spans do not make up their file")
        if not _HEX64.fullmatch(self.sha256) or not _HEX64.fullmatch(self.blake3):
            raise ValueError("a file without digests")

    @property
    def parts(self) -> Iterator[Part]:
        for span in self.spans:
            yield from span.parts

    def json(self) -> dict[str, Json]:
        """Return the recipe as JSON, to be kept between two steps and read by `from_json`."""
        return {
            "name": self.name,
            "size": self.size,
            "sha256": self.sha256,
            "blake3": self.blake3,
            "container": self.container,
            "spans": [span.json() for span in self.spans],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "FileRecipe":
        """Read what `json` wrote. Raises ManifestDamaged, or UnsafeName."""
        try:
            recipe = msgspec.convert(raw, cls)
        except msgspec.ValidationError as why:
            raise _damaged(f"a file's recipe cannot be read ({why})") from None
        file_name(recipe.name)
        return recipe


@frozen
class Manifest:
    """A preserved model: its files in order and how to make each of them again.

    *bases* tells, for each object that was stored as a difference when the manifest was sealed, from which
    other object; for those others too. It is enough for ever: an object may later come to stand on a base of
    its base, or alone, never on another.
    """

    model: str
    files: tuple[FileRecipe, ...]
    creator: str
    bases: Mapping[str, str] = field(factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def objects(self) -> dict[str, int]:
        """The BLAKE3 of every object that is needed, and the length of its raw bytes."""
        return {
            part.object: part.length for file in self.files for part in file.parts if part.object is not None
        }

    @property
    def tensors(self) -> tuple[SpanRecipe, ...]:
        """The tensors of all files, in order."""
        return tuple(span for file in self.files for span in file.spans if span.kind == "tensor")

    @property
    def closure(self) -> frozenset[str]:
        """Every object that the model needs: its own, and those that they are differences from."""
        return frozenset((*self.objects, *self.bases.values()))

    @cached_property
    def digest(self) -> str:
        """``sha256:`` and the digest of `canonical`: the name of exactly these weights."""
        return sha256(self.canonical())

    def file(self, name: str) -> FileRecipe:
        """Return the recipe of the file called *name*. Raises NotFound."""
        for file in self.files:
            if file.name == name:
                return file
        raise NotFound(
            f"The model {self.model} has no file {name[:80]!r}.",
            next_step="It has: " + ", ".join(file.name for file in self.files[:10]) + ".",
        )

    def canonical(self) -> bytes:
        """Return the RFC 8785 bytes that are digested and signed."""
        return canonical(self.json())

    def json(self) -> dict[str, Json]:
        """Return the manifest as JSON."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "creator": self.creator,
            "model": self.model,
            "files": [file.json() for file in self.files],
            **({"bases": dict(self.bases)} if self.bases else {}),
        }

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read `canonical` bytes.

        Raises:
            ManifestDamaged: when they are not exactly what `canonical` writes.
            UnsafeName: when a file name would leave the folder that it is restored into.
        """
        try:
            raw = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _damaged("its bytes are not canonical JSON") from None
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise _damaged("it is not a manifest")
        if raw.get("version") != VERSION:
            raise _damaged(f"its version is {raw.get('version')!r}, which this Emeritus does not know")
        try:
            manifest = msgspec.convert(raw, cls)
        except msgspec.ValidationError as why:
            raise _damaged(str(why)) from None
        for file in manifest.files:
            file_name(file.name)
        no_twins(file.name for file in manifest.files)
        _check_bases(manifest)
        if not re.fullmatch(r"[a-z0-9._-]+", manifest.model) or not _is_written(manifest, data):
            raise _damaged("it holds more than a manifest does, or is not canonical JSON")
        return manifest


def _is_written(manifest: Manifest, data: bytes) -> bool:
    """Tell whether *data* is what `Manifest.canonical` writes."""
    if not _UNUSUAL.search(data) and msgspec.json.encode(manifest.json(), order="sorted") == data:
        return True
    try:
        return manifest.canonical() == data
    except InvalidInput:
        return False


def _check_bases(manifest: Manifest) -> None:
    """Refuse bases of objects that the model does not need, and differences on differences without end."""
    reached: set[str] = set()
    level = set(manifest.objects)
    for _ in range(MAX_DEPTH + 1):
        reached |= level & manifest.bases.keys()
        level = {manifest.bases[digest] for digest in level if digest in manifest.bases}
    if level or reached != manifest.bases.keys() or not all(map(_HEX64.fullmatch, manifest.bases.values())):
        raise _damaged("it names bases that cannot be")


def manifest_path(model: str, digest: str) -> str:
    """Return the blob path of a manifest; its signatures lie beside it. Raises InvalidInput."""
    return f"{FOLDER}/{model_id(model)}/{_hex(digest)}.json"


def keep(manifest: Manifest, blobs: Blobs, sign: Signer) -> None:
    """Sign *manifest* and store it; the signature goes first, so that no visible manifest lacks one."""
    data = manifest.canonical()
    signature = sign(data)
    path = manifest_path(manifest.model, manifest.digest)
    if manifest.model != model_id(manifest.model) or not manifest.files:
        raise SourceRefused("A manifest needs a model and files.", next_step="Archive at least one file.")
    blobs.put_if_absent(f"{path}.{sha256(signature)[7:23]}.sig", [signature])
    blobs.put_if_absent(path, [data])


def load(model: str, digest: str, blobs: Blobs, *, verify: Verifier | None = None) -> Manifest:
    """Return the manifest of *model* with this digest, checked; with *verify*, its signature too.

    Raises:
        ManifestMissing: when there is none.
        ManifestDamaged: when its bytes do not have the digest.
        SignatureInvalid: when *verify* accepts none of the signatures beside it.
    """
    path = manifest_path(model, digest)
    try:
        data = b"".join(blobs.get(path))
    except BlobMissing:
        raise ManifestMissing(
            f"The archive holds no manifest {digest} of {model}.",
            next_step="See what it holds with `emeritus archive ls`.",
        ) from None
    if sha256(data)[7:] != _hex(digest):
        raise _damaged(f"the manifest {digest} of {model} does not have its digest any more")
    manifest = Manifest.from_bytes(data)
    if manifest.model != model:
        raise _damaged(f"the manifest {digest} is of {manifest.model}, not of {model}")
    if verify is not None and not any(verify(data, held) for held in signatures(model, digest, blobs)):
        raise SignatureInvalid(
            f"No signature of the manifest {digest} of {model} is by the key given.",
            next_step="Check which key the archive signs with, and that you trust it.",
        )
    return manifest


def signatures(model: str, digest: str, blobs: Blobs) -> Iterator[bytes]:
    """Yield the signatures that lie beside a manifest."""
    path = manifest_path(model, digest)
    for beside in blobs.list(path.rpartition("/")[0]):
        if beside.startswith(path + ".") and beside.endswith(".sig"):
            yield b"".join(blobs.get(beside))


def held(blobs: Blobs, model: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield the (model, digest) of every manifest in the store."""
    for path in blobs.list(FOLDER if model is None else f"{FOLDER}/{model_id(model)}"):
        name, _, file = path.removeprefix(FOLDER + "/").partition("/")
        if _HEX64.fullmatch(file.removesuffix(".json")) and file.endswith(".json"):
            yield name, "sha256:" + file.removesuffix(".json")


def _hex(digest: str) -> str:
    plain = digest.removeprefix("sha256:")
    if not _HEX64.fullmatch(plain):
        raise ManifestMissing(
            f"{digest[:80]!r} is no digest of a manifest.", next_step="It is 'sha256:' and 64 hex digits."
        )
    return plain


def _damaged(wrong: str) -> ManifestDamaged:
    return ManifestDamaged(
        f"A manifest is damaged: {wrong}.",
        next_step="Take the manifest from a replica; its digest stands on the public record.",
    )
