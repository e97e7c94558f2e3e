"""Sign: the organisation's model key stands on the record, and preserved models are signed with it."""

from attrs import frozen

from emeritus.archive import signing
from emeritus.archive.signing import ModelPublicKey
from emeritus.core.errors import NotFound
from emeritus.core.people import SOFTWARE
from emeritus.process.ports import Parts
from emeritus.process.preserve import manifest_of
from emeritus.record import Act, Entry, Log

USE = "model-signing"


@frozen
class Signed:
    """A model signature (the bytes of a ``model.sig``), the key to check it with, and the files' *names*."""

    model: str
    manifest: str
    names: tuple[str, ...]
    signature: bytes
    key: ModelPublicKey


def adopt_key(log: Log, key: ModelPublicKey) -> Entry:
    """Put a key for model signatures on the record; from then on it is the organisation's."""
    body = {"use": USE, "algorithm": signing.ALGORITHM, "public_key": key.pem.decode(), "key": key.hint}
    return log.append(Act("key.adopted", body, SOFTWARE, key=f"key.adopted:{key.hint}"))


def model_keys(log: Log) -> list[ModelPublicKey]:
    """Return every key that models were ever signed with, the newest last."""
    return [
        ModelPublicKey(entry.body["public_key"].encode())
        for entry in log.entries(kinds={"key.adopted"})
        if entry.body["use"] == USE
    ]


def sign_model(parts: Parts, model_id: str) -> Signed:
    """Sign a preserved model, once; nothing of the weights is read.

    Raises:
        Conflict: its weights are not in the archive.
        NotFound: the house has no model key.
    """
    key = parts.model_key
    if key is None:
        raise NotFound(
            "This house has no key to sign models with.",
            next_step="Run `emeritus upgrade`: it makes one and puts it on the record.",
        )
    with parts.work() as work:
        manifest = manifest_of(work.log, parts, model_id)
        adopt_key(work.log, key.public)
        body = {"manifest": manifest.digest, "key": key.public.hint}
        same = f"weights.signed:{model_id}:{manifest.digest}:{key.public.hint}"
        work.log.append(Act("weights.signed", body, SOFTWARE, model_id, model_id, same))
    names = tuple(file.name for file in manifest.files)
    return Signed(model_id, manifest.digest, names, signing.keep(manifest, parts.blobs, key), key.public)
