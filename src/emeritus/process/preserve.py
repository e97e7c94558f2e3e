"""Preserve: the weights go into the archive, and come out of it again, bit for bit, before anything else."""

import functools
from pathlib import Path

from emeritus import archive
from emeritus.archive import Manifest
from emeritus.core.errors import Conflict
from emeritus.core.people import SOFTWARE
from emeritus.process.ports import Parts, Work
from emeritus.process.stages import PRESERVE
from emeritus.record import Act, Log
from emeritus.registry import Model, get_model


def source_name(model: str) -> str:
    """Return the name of the private fact that holds where the weights lie."""
    return f"weights:{model}"


def keep_source(work: Work, model: str, path: Path) -> None:
    """Remember (privately) where a steward says that the weights are."""
    work.private.put(source_name(model), {"path": str(path.resolve())})


def stride(parts: Parts, model_id: str) -> bool:
    """Store the weights, or prove the stored ones; tell whether more is to do."""
    with parts.work() as work:
        model = get_model(work.log, model_id)
        path = work.private.get(source_name(model_id))["path"] if model.held and not model.manifest else None
    if not model.held or model.proven_at is not None:
        return False
    if model.manifest is None:
        assert path is not None
        _store(parts, model_id, Path(path))
        return True
    _prove(parts, model, model.manifest)
    return False


def _store(parts: Parts, model: str, path: Path) -> None:
    source = archive.inspect(path)
    progress = functools.partial(_tell, parts, model, "storing")
    stored = archive.ingest(source, model, parts.blobs, sign=parts.sign, progress=progress)
    body = {
        "manifest": stored.digest,
        "files": [
            {"name": file.name, "size": file.size, "sha256": file.sha256} for file in stored.manifest.files
        ],
        "bytes": stored.bytes_in,
        "stored_bytes": archive.measure(stored.manifest, parts.blobs),
    }
    with parts.work() as work:
        work.log.append(Act("weights.archived", body, SOFTWARE, model, model, f"weights.archived:{model}"))


def _prove(parts: Parts, model: Model, digest: str) -> None:
    manifest = archive.load(model.id, digest, parts.blobs, verify=parts.verify)
    restored = archive.restore(
        manifest,
        parts.blobs,
        parts.cache / model.id,
        progress=functools.partial(_tell, parts, model.id, "restoring"),
    )
    body = {"manifest": digest, "files": len(restored), "bytes": manifest.size}
    with parts.work() as work:
        work.log.append(
            Act("weights.proven", body, SOFTWARE, model.id, model.id, f"weights.proven:{model.id}:{digest}")
        )


def _tell(parts: Parts, model: str, doing: str, done: int, total: int, what: str) -> None:
    parts.watch(PRESERVE, model, done, total, f"{doing} {what}")


def manifest_of(log: Log, parts: Parts, model_id: str) -> Manifest:
    """Return the signed manifest of preserved weights.

    Raises:
        Conflict: the weights are not in the archive (yet, or ever).
    """
    model = get_model(log, model_id)
    if model.manifest is None:
        next_step = (
            f"They are stored when the retirement opens; see `emeritus status {model_id}`."
            if model.held
            else "Its weights are held elsewhere; only its words are kept here."
        )
        raise Conflict(f"The weights of {model.display_name} are not in the archive.", next_step=next_step)
    return archive.load(model_id, model.manifest, parts.blobs, verify=parts.verify)


def weights_path(parts: Parts, model_id: str) -> tuple[Path, str]:
    """Return where an engine finds the weights (a file, or a folder of shards) and their digest.

    Preserved weights come from the archive, restored into the cache when they are not there; weights
    of a model that is still in service come from where the steward said they are.
    """
    with parts.work() as work:
        model = get_model(work.log, model_id)
        manifest = manifest_of(work.log, parts, model_id) if model.manifest else None
        source = None if manifest else Path(work.private.get(source_name(model_id))["path"])
    if manifest is None:
        assert source is not None
        return source, ""
    restored = archive.restore(manifest, parts.blobs, parts.cache / model_id)
    gguf = [path for path in restored if path.suffix == ".gguf"]
    return (gguf[0] if gguf else parts.cache / model_id), manifest.digest
