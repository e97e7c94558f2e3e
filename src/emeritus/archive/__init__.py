"""The archive: weights preserved bit for bit, each object read back before it counts, and given back.

    source = inspect("weights.gguf")               # looks and refuses; writes nothing
    stored = ingest(source, "my-model", blobs, sign=key.sign)
    manifest = load("my-model", stored.digest, blobs, verify=...)
    restore(manifest, blobs, "folder")
    assert verify(manifest, blobs).is_sound

For durable steps: `ingest_file` for each of ``source.files``, then ``source.check_unchanged()``, then
`seal`. A recipe travels between steps as ``recipe.json()`` and `FileRecipe.from_json`. All of them may be
repeated at will.

A model that was made from another costs little: name that one's manifest (``base=``), or give an index of
`Relatives` in which the archive looks for relatives itself. `Catalogue` tells who needs which object and
what each model costs; `compare`, `rebase` and `prune` are what their names say.

*blobs* is any `Blobs`: `emeritus.store.blobs` has a folder and object stores, `fakes.MemoryBlobs` is for
tests. The stored format is described in docs/reference/archive-format.md.
"""

from emeritus.archive.catalogue import Catalogue, Cost, Dependents, Kind, stored_sizes
from emeritus.archive.codec import Profile
from emeritus.archive.compare import Difference, compare
from emeritus.archive.errors import (
    BlobMissing,
    BlobUnreadable,
    ContainerInvalid,
    DiskFull,
    FileDamaged,
    ManifestDamaged,
    ManifestMissing,
    ObjectDamaged,
    ObjectMissing,
    SignatureInvalid,
    SourceChanged,
    SourceRefused,
    StoreFailed,
    TargetOccupied,
    UnsafeName,
)
from emeritus.archive.facts import MAX_DEPTH
from emeritus.archive.fakes import MemoryBlobs
from emeritus.archive.ingest import Stored, ingest, ingest_file, seal
from emeritus.archive.manifest import FileRecipe, Manifest, held, load, signatures
from emeritus.archive.ports import Blobs, Progress, Signer, Verifier, quiet
from emeritus.archive.prune import Pruned, prune
from emeritus.archive.rebase import Rebased, rebase
from emeritus.archive.relatives import Relatives
from emeritus.archive.restore import Damage, Report, measure, read_file, restore, verify
from emeritus.archive.sources import Source, SourceFile, inspect
from emeritus.archive.summary import Summary

__all__ = [
    "MAX_DEPTH",
    "BlobMissing",
    "BlobUnreadable",
    "Blobs",
    "Catalogue",
    "ContainerInvalid",
    "Cost",
    "Damage",
    "Dependents",
    "Difference",
    "DiskFull",
    "FileDamaged",
    "FileRecipe",
    "Kind",
    "Manifest",
    "ManifestDamaged",
    "ManifestMissing",
    "MemoryBlobs",
    "ObjectDamaged",
    "ObjectMissing",
    "Profile",
    "Progress",
    "Pruned",
    "Rebased",
    "Relatives",
    "Report",
    "SignatureInvalid",
    "Signer",
    "Source",
    "SourceChanged",
    "SourceFile",
    "SourceRefused",
    "StoreFailed",
    "Stored",
    "Summary",
    "TargetOccupied",
    "UnsafeName",
    "Verifier",
    "compare",
    "held",
    "ingest",
    "ingest_file",
    "inspect",
    "load",
    "measure",
    "prune",
    "quiet",
    "read_file",
    "rebase",
    "restore",
    "seal",
    "signatures",
    "stored_sizes",
    "verify",
]
