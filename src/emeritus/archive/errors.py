"""What can go wrong with weights and their store; each error names the file or object it concerns."""

from emeritus.core.errors import Conflict, IntegrityError, InvalidInput, NotFound, Unavailable


class SourceRefused(InvalidInput):
    """The path given is not something the archive takes; nothing was written."""

    id = "archive.source_refused"


class ContainerInvalid(InvalidInput):
    """A weights file is truncated, or its header does not tell the truth about it."""

    id = "archive.container_invalid"


class SourceChanged(InvalidInput):
    """A file changed while it was archived; no manifest was written."""

    id = "archive.source_changed"


class UnsafeName(InvalidInput):
    """A file name that would leave its folder, or that not every system can hold."""

    id = "archive.unsafe_name"


class TargetOccupied(Conflict):
    """The folder to restore into holds another file under the same name."""

    id = "archive.target_occupied"


class BlobMissing(NotFound):
    """The store holds nothing under this path."""

    id = "archive.blob_missing"


class ManifestMissing(NotFound):
    """There is no such manifest in the store."""

    id = "archive.manifest_missing"


class DiskFull(Unavailable):
    """No space is left (or a quota is reached); nothing half-written was kept."""

    id = "archive.disk_full"


class StoreFailed(Unavailable):
    """The store, or the disk below it, refused to do its work."""

    id = "archive.store_failed"


class CacheFull(Unavailable):
    """There is no room for one more restored model beside those that engines are reading."""

    id = "archive.cache_full"


class FileDecayed(IntegrityError):
    """A file that was restored is not any more what it was; it is thrown away and restored anew."""

    id = "archive.file_decayed"


class BlobUnreadable(IntegrityError):
    """The store cannot give back bytes that it took."""

    id = "archive.blob_unreadable"


class ObjectDamaged(IntegrityError):
    """An archived object does not hold the bytes that it was made of; *object* is its BLAKE3."""

    id = "archive.object_damaged"
    object: str | None = None


class ObjectMissing(IntegrityError):
    """An object that a manifest or another object needs is gone; *object* is its BLAKE3."""

    id = "archive.object_missing"
    object: str | None = None


class FileDamaged(IntegrityError):
    """Sound objects do not make up the file that the manifest promises."""

    id = "archive.file_damaged"


class ParityDamaged(IntegrityError):
    """A parity file does not hold what was written into it."""

    id = "archive.parity_damaged"


class BeyondRepair(IntegrityError):
    """More is lost of an object than its parity can give back."""

    id = "archive.beyond_repair"


class ManifestDamaged(IntegrityError):
    """A manifest's bytes are not those that were sealed."""

    id = "archive.manifest_damaged"


class SignatureInvalid(IntegrityError):
    """No signature beside the manifest is by the key that was asked for."""

    id = "archive.signature_invalid"
