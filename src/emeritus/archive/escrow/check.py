"""Check a bag that somebody was given: nothing but the bag is needed, and nothing in it is believed."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from emeritus.archive import signing
from emeritus.archive.escrow import layout, proofs
from emeritus.archive.escrow.bag import MANIFEST, PAYLOAD, SIGNATURE, TAGMANIFEST
from emeritus.archive.escrow.layout import INDEX, KEY_PEM, essay_path, model_folder, plain_folder
from emeritus.archive.escrow.weights import archive_folder
from emeritus.archive.manifest import Manifest, load
from emeritus.archive.ports import Blobs, Progress, quiet
from emeritus.archive.restore import verify
from emeritus.core.errors import EmeritusError, InvalidInput
from emeritus.record import Entry, VerifyKey
from emeritus.record.rotation import KeyChain

OpenBlobs = Callable[[Path], Blobs]
_LINE = re.compile(r"([0-9a-f]{64})  ([^\x00-\x1f]+)")
_PIECE = 4 << 20


@frozen
class Finding:
    """Something that does not hold. *where* names the file, entry or object."""

    where: str
    what: str


@frozen
class BagReport:
    """What `check` found. *key* signed it: compare it with what the organisation published elsewhere."""

    organisation: str
    models: tuple[str, ...]
    digest: str
    key: str
    files: int
    size: int
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        return not self.findings


def check(
    folder: Path, open_blobs: OpenBlobs, *, key: VerifyKey | None = None, progress: Progress = quiet
) -> BagReport:
    """Read everything in the bag at *folder* and say what does not hold.

    Args:
        open_blobs: opens the folder of an archive, such as `emeritus.store.blobs.FolderBlobs`.
        key: the organisation's key, known from elsewhere; without it the key in the bag is taken, which
            finds decay and mistakes, but no forger who signed anew.

    Raises:
        InvalidInput: *folder* is no escrow.
    """
    if not (folder / "bagit.txt").is_file() or not (folder / TAGMANIFEST).is_file():
        raise InvalidInput(
            f"{folder} is no escrow: it has no bagit.txt and {TAGMANIFEST}.",
            next_step="Name the folder in which README.txt lies.",
        )
    checking = _Checking(folder, open_blobs, progress)
    checking.lists()
    checking.signature(key)
    checking.record()
    return checking.report()


class _Checking:
    def __init__(self, folder: Path, open_blobs: OpenBlobs, progress: Progress) -> None:
        self.folder, self.data = folder, folder / PAYLOAD
        self.open_blobs, self.progress = open_blobs, progress
        self.findings: list[Finding] = []
        self.listed: dict[str, str] = {}
        self.size = 0
        self.key: VerifyKey | None = None
        self.known: VerifyKey | None = None
        self.index: Mapping[str, Any] = {}
        self.done: list[str] = []

    def wrong(self, where: str, what: str) -> None:
        self.findings.append(Finding(where, what))

    def lists(self) -> None:
        """Every file has its digest, and there are no others."""
        tags = self._list(TAGMANIFEST)
        self.listed = self._list(MANIFEST)
        there = set(self._walk())
        for path in sorted({*tags, *self.listed} - there):
            self.wrong(path, "it is missing")
        for path in sorted(there - {*tags, *self.listed, TAGMANIFEST, SIGNATURE}):
            self.wrong(path, "no list names it")
        if MANIFEST not in tags:
            self.wrong(TAGMANIFEST, f"it does not name {MANIFEST}")
        total = sum((self.folder / path).stat().st_size for path in there)
        for path, digest in sorted({**tags, **self.listed}.items()):
            if path in there:
                held, size = _digest(self.folder / path)
                self.size += size if path in self.listed else 0
                self.progress(self.size, total, path)
                if held != digest:
                    self.wrong(path, "its SHA-256 is another")

    def signature(self, known: VerifyKey | None) -> None:
        """The list of lists is signed by the organisation's key."""
        try:
            self.key = proofs.read_key(self.data)
            signature = (self.folder / SIGNATURE).read_bytes()
            manifest = (self.folder / TAGMANIFEST).read_bytes()
            pem = serialization.load_pem_public_key((self.folder / KEY_PEM).read_bytes())
        except (EmeritusError, OSError, ValueError, UnsupportedAlgorithm) as why:
            self.wrong(SIGNATURE, f"it cannot be checked ({type(why).__name__})")
            return
        if not self.key.verifies(signature, manifest):
            self.wrong(SIGNATURE, f"it is not by the key of {self.key.name} over {TAGMANIFEST}")
        if not isinstance(pem, Ed25519PublicKey) or pem.public_bytes_raw() != self.key.public:
            self.wrong(KEY_PEM, "it is another key than that of the record")
        self.known = known

    def record(self) -> None:
        """The entries stand in the signed record, and the weights and words are those that it names."""
        if self.key is None:
            return
        try:
            entries, wrong = proofs.read(self.data, self.key)
            self.index = json.loads((self.data / INDEX).read_bytes())
            models = [(str(told["id"]), told["weights"], told["manifest"]) for told in self.index["models"]]
        except (EmeritusError, OSError, ValueError, LookupError, TypeError) as why:
            said = why.sentence if isinstance(why, EmeritusError) else type(why).__name__
            self.wrong(proofs.FOLDER, f"it cannot be read: {said}")
            return
        for what in wrong:
            self.wrong(proofs.FOLDER, what)
        self._chain(entries)
        keys = {
            str(entry.body.get("key")): str(entry.body.get("public_key")).encode()
            for entry in entries
            if entry.kind == "key.adopted"
        }
        for model, form, digest in models:
            own = [entry for entry in entries if entry.model == model]
            self._words(model, own)
            if digest is not None:
                self._model(model, form, digest, own, keys)
            self.done.append(model)

    def _chain(self, entries: list[Entry]) -> None:
        """The key that signed the bag is the one that the record was founded with, or one that it was handed on to."""
        try:
            first = next(entry for entry in entries if entry.kind == "organisation.founded")
            chain = KeyChain([self.known or VerifyKey.parse(first.body["verify_key"])])
            for entry in entries:
                chain.take(entry)
        except (EmeritusError, StopIteration, LookupError, AttributeError) as why:
            said = why.sentence if isinstance(why, EmeritusError) else "its first entry is missing"
            self.wrong(proofs.ENTRIES, said)
            return
        if self.key not in chain.in_force:
            of_whom = "the key that you know" if self.known else "the key that the record was founded with"
            self.wrong(proofs.KEY, f"this key is not {of_whom}, nor was it handed on to it")

    def _words(self, model: str, own: list[Entry]) -> None:
        folder = self.data / model_folder(model)
        for path in sorted((folder / "words").glob("*.json")):
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.stem:
                self.wrong(path.name, "these are not the words that were said")
        for entry in own:
            if entry.kind == "essay.published":
                edition = entry.body.get("edition")
                path = self.data / essay_path(model, edition if isinstance(edition, int) else 0)
                said = "sha256:" + _digest(path)[0] if path.is_file() else ""
                if said != entry.body.get("text_digest"):
                    self.wrong(path.name, "it is not the essay that was published")

    def _model(
        self,
        model: str,
        form: str,
        digest: str,
        own: list[Entry],
        keys: Mapping[str, bytes],
    ) -> None:
        archived = [entry for entry in own if entry.kind == "weights.archived"]
        if not archived or archived[-1].body.get("manifest") != digest:
            self.wrong(model, "its manifest is not the one on the record")
        try:
            folder = self.data / model_folder(model)
            data = (folder / layout.MANIFEST).read_bytes()
            manifest = Manifest.from_bytes(data)
            if manifest.digest != digest or manifest.model != model:
                self.wrong(model, "its manifest is another one")
            signed = (folder / layout.MODEL_SIGNATURE).read_bytes()
            hint = json.loads(signed)["verificationMaterial"]["publicKey"]["hint"]
            signing.check(manifest, signed, signing.ModelPublicKey(keys[hint]))
            if (folder / layout.MODEL_KEY).read_bytes() != keys[hint]:
                self.wrong(
                    f"{model_folder(model)}/{layout.MODEL_KEY}", "it is another key than that of the record"
                )
            if form == "plain":
                self._plain(manifest)
            else:
                self._objects(manifest)
        except (EmeritusError, OSError, ValueError, LookupError, TypeError) as why:
            said = why.sentence if isinstance(why, EmeritusError) else f"{type(why).__name__}: {why}"
            self.wrong(model, said)

    def _objects(self, manifest: Manifest) -> None:
        blobs = self.open_blobs(archive_folder(self.folder))
        held = load(manifest.model, manifest.digest, blobs)
        for damage in verify(held, blobs, progress=self.progress).damage:
            self.wrong(damage.object or ", ".join(damage.files), damage.sentence)

    def _plain(self, manifest: Manifest) -> None:
        for file in manifest.files:
            path = f"{PAYLOAD}/{plain_folder(manifest.model)}/{file.name}"
            if self.listed.get(path) != file.sha256:
                self.wrong(path, "it is not the file that was archived")

    def report(self) -> BagReport:
        name = self.index.get("organisation")
        digest = hashlib.sha256((self.folder / TAGMANIFEST).read_bytes()).hexdigest()
        return BagReport(
            organisation=name if isinstance(name, str) else "",
            models=tuple(self.done),
            digest=f"sha256:{digest}",
            key="" if self.key is None else str(self.key),
            files=len(self.listed),
            size=self.size,
            findings=tuple(self.findings),
        )

    def _list(self, name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        try:
            lines = (self.folder / name).read_bytes().decode().splitlines()
        except (OSError, UnicodeDecodeError):
            self.wrong(name, "it cannot be read")
            return found
        for line in lines:
            match = _LINE.fullmatch(line)
            parts = match[2].split("/") if match else [""]
            inside = (parts[0] == PAYLOAD) == (name == MANIFEST) and not {"", ".", ".."} & set(parts)
            if match is None or not inside or match[2] in found:
                self.wrong(name, f"the line {line[:100]!r} cannot stand there")
            else:
                found[match[2]] = match[1]
        return found

    def _walk(self) -> Iterator[str]:
        for top, folders, files in os.walk(self.folder):
            for name in (*files, *folders):
                path = Path(top, name)
                told = path.relative_to(self.folder).as_posix()
                if path.is_symlink() or not (path.is_file() or path.is_dir()):
                    self.wrong(told, "it is neither a file nor a folder")
                elif path.is_file():
                    yield told


def _digest(path: Path) -> tuple[str, int]:
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            hasher.update(data)
            size += len(data)
    return hasher.hexdigest(), size
