"""A preserved model as the Hub's clients see it: a commit with files. Pure: values of JSON.

Every file is told as if Git LFS kept it, since that names files by their SHA-256: so clients check by it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from attrs import define, frozen

from emeritus.archive.manifest import FileRecipe, Manifest
from emeritus.core.clock import instant
from emeritus.core.digests import canonical
from emeritus.registry.model import Model

_POINTER: Final = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
_TREE: Final = b"tree:"


def commit_of(digest: str) -> str:
    """Return the commit id of a manifest: the first 40 hexadecimal digits of its digest."""
    return digest.removeprefix("sha256:")[:40]


def etag_of(file: FileRecipe) -> str:
    """Return the entity tag of a file: its SHA-256, as Git LFS has it."""
    return f'"{file.sha256}"'


@frozen
class Folder:
    """A folder of a model: a path, and an id made of what is below it."""

    path: str
    oid: str


@define(slots=False, eq=False)
class Snapshot:
    """One manifest, laid out for look-ups."""

    manifest: Manifest
    digest: str

    @property
    def commit(self) -> str:
        return commit_of(self.digest)

    @cached_property
    def files(self) -> Mapping[str, FileRecipe]:
        return {file.name: file for file in self.manifest.files}

    @cached_property
    def folders(self) -> Mapping[str, Folder]:
        below: dict[str, list[str]] = {}
        for name, file in self.files.items():
            parts = name.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                below.setdefault("/".join(parts[:depth]), []).append(f"{name}:{file.sha256}")
        return {
            path: Folder(
                path, hashlib.sha1(_TREE + canonical(sorted(names)), usedforsecurity=False).hexdigest()
            )
            for path, names in below.items()
        }

    @cached_property
    def everything(self) -> Mapping[str, FileRecipe | Folder]:
        return {**self.folders, **self.files}

    def answers_to(self, revision: str) -> bool:
        """Tell whether *revision* names this: ``main``, the commit, or the manifest's digest."""
        return revision in ("main", "HEAD", self.commit, self.digest, self.digest.removeprefix("sha256:"))

    def below(self, path: str, *, recursive: bool) -> Iterator[FileRecipe | Folder]:
        """Yield what is in a folder (the empty path is the top), sorted by path."""
        prefix = f"{path}/" if path else ""
        for name in sorted(self.everything):
            if name.startswith(prefix) and (recursive or "/" not in name[len(prefix) :]):
                yield self.everything[name]


def path_of(found: FileRecipe | Folder) -> str:
    """Return where a file or folder lies."""
    return found.path if isinstance(found, Folder) else found.name


def entry(found: FileRecipe | Folder, last_commit: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a file or folder as ``tree`` and ``paths-info`` have it."""
    more: dict[str, Any] = {} if last_commit is None else {"lastCommit": last_commit}
    if isinstance(found, Folder):
        return {"type": "directory", "oid": found.oid, "size": 0, "path": found.path, **more}
    pointer = _pointer(found)
    if last_commit is not None:
        more["securityFileStatus"] = None
    return {
        "type": "file",
        "oid": _blob_id(pointer),
        "size": found.size,
        "lfs": {"oid": found.sha256, "size": found.size, "pointerSize": len(pointer)},
        "path": found.name,
        **more,
    }


def sibling(file: FileRecipe, *, blobs: bool) -> dict[str, Any]:
    """Return a file as the facts of a model have it; with *blobs*, its size and ids too."""
    if not blobs:
        return {"rfilename": file.name}
    pointer = _pointer(file)
    return {
        "rfilename": file.name,
        "size": file.size,
        "blobId": _blob_id(pointer),
        "lfs": {"sha256": file.sha256, "size": file.size, "pointerSize": len(pointer)},
    }


def last_commit(model: Model, snapshot: Snapshot) -> dict[str, Any]:
    """Return the one commit that there is, as ``expand`` wants it."""
    return {"id": snapshot.commit, "title": _title(model), "date": _when(model)}


def commits(model: Model, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the history: one commit."""
    told = {"authors": [{"user": "emeritus"}], "message": f"Manifest {snapshot.digest}"}
    return [{**last_commit(model, snapshot), **told}]


def facts(model: Model, *, author: str, tier: str) -> dict[str, Any]:
    """Return what the list of models has of each."""
    kind = model.weights.format if model.weights is not None else ""
    assert model.manifest is not None
    told: dict[str, Any] = {
        "_id": hashlib.sha256(model.id.encode()).hexdigest()[:24],
        "id": model.id,
        "modelId": model.id,
        "author": author,
        "sha": commit_of(model.manifest),
        "lastModified": _when(model),
        "createdAt": _when(model),
        "private": False,
        "disabled": False,
        "gated": False if tier == "public" else "manual",
        "downloads": 0,
        "likes": 0,
        "tags": [
            tag
            for tag in (kind, f"license:{model.licence.lower()}", f"state:{model.state.value}", "emeritus")
            if tag
        ],
    }
    if model.lineage.base:
        told["tags"].append(f"base_model:{model.lineage.base}")
    return told


def details(
    model: Model, snapshot: Snapshot, *, author: str, tier: str, page: str, blobs: bool
) -> dict[str, Any]:
    """Return everything about one model at one commit."""
    return {
        **facts(model, author=author, tier=tier),
        "sha": snapshot.commit,
        "siblings": [sibling(file, blobs=blobs) for file in snapshot.manifest.files],
        "usedStorage": snapshot.manifest.size,
        "cardData": {"license": model.licence.lower()},
        "emeritus": {"manifest": snapshot.digest, "state": model.state.value, "page": page},
    }


def refs(snapshot: Snapshot) -> dict[str, Any]:
    """Return the branches: one, and it does not move."""
    branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": snapshot.commit}
    return {"branches": [branch], "converts": [], "tags": [], "pullRequests": []}


def _pointer(file: FileRecipe) -> bytes:
    return _POINTER.format(file.sha256, file.size).encode()


def _blob_id(pointer: bytes) -> str:
    """Return what Git would call the pointer that LFS keeps in a file's place."""
    return hashlib.sha1(b"blob %d\x00" % len(pointer) + pointer, usedforsecurity=False).hexdigest()


def _title(model: Model) -> str:
    return f"{model.display_name}, as it was archived"


def _when(model: Model) -> str:
    assert model.added_at is not None
    return instant(model.added_at)
