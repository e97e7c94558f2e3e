"""Preserve: the weights go into the archive, and come out of it again, bit for bit, before anything else."""

import functools
from pathlib import Path

from emeritus import archive
from emeritus.archive import Manifest, Profile, Source
from emeritus.archive.restored import Restored
from emeritus.core.errors import Conflict
from emeritus.core.people import SOFTWARE, Actor, require_person
from emeritus.ledger import aftercare
from emeritus.process.ports import Parts, Work
from emeritus.process.stages import PRESERVE
from emeritus.record import Act, Log
from emeritus.registry import Model, get_model, require_weights
from emeritus.registry.organisation import acting


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
        if model.erased is not None:
            return False
        path = work.private.get(source_name(model_id))["path"] if model.held and not model.manifest else None
        base = _base(work.log, model)
        profile = _profile(work.log, model_id)
    if not model.held or model.proven_at is not None:
        return False
    if model.manifest is None:
        assert path is not None
        _store(parts, model_id, archive.inspect(Path(path)), base, profile, SOFTWARE)
        return True
    _prove(parts, model, model.manifest)
    return False


def preserve_now(
    parts: Parts,
    model_id: str,
    *,
    by: Actor,
    path: Path | None = None,
    base: str | None = None,
    profile: Profile | None = None,
) -> Manifest:
    """Store and prove the weights of a model of the register now, whether or not it is ever retired.

    *path* is where they lie (by default where the register says), *base* a preserved model to store
    them as a difference from (by default the one that the register says it was made from).

    Raises:
        NotFound: the model, or the base, is not on the register.
        Conflict: its weights are elsewhere, are in the archive already, or are not these.
        NotPermitted: *by* is no steward.
    """
    with parts.work() as work:
        acting(work.log, require_person(by, "archive weights"), "steward", "archive weights")
        model = _to_preserve(work.log, model_id)
        where = path or Path(work.private.get(source_name(model_id))["path"])
        below = _preserved(get_model(work.log, base)) if base else _base(work.log, model)
        profile = profile or _profile(work.log, model_id)
    source = archive.inspect(where)
    assert model.weights is not None
    if (tuple(file.name for file in source.files), source.size) != (model.weights.files, model.weights.size):
        raise Conflict(
            f"{where} does not hold the weights that stand on the register for {model.display_name}: "
            f"{len(model.weights.files)} files, {model.weights.size} bytes.",
            next_step="Give the path of those; other weights are another model: emeritus model add ID.",
        )
    digest = _store(parts, model_id, source, below, profile, by)
    return _prove(parts, model, digest)


def _to_preserve(log: Log, model_id: str) -> Model:
    model = get_model(log, model_id)
    if not model.held:
        raise Conflict(
            f"The weights of {model.display_name} are held elsewhere.",
            next_step="Only weights that are here can be archived; its words are kept all the same.",
        )
    if model.erased is not None:
        raise Conflict(
            f"The weights of {model.display_name} were erased, on a legal ground.",
            next_step=f"See the record: emeritus status {model_id}.",
        )
    if model.manifest is not None:
        raise Conflict(
            f"The weights of {model.display_name} are in the archive already.",
            next_step=f"Check them: emeritus archive verify {model_id}.",
        )
    return model


def _base(log: Log, model: Model) -> tuple[str, str] | None:
    """Return the model that this one was made from and its manifest's digest, if it is preserved here."""
    name = model.lineage.base
    below = get_model(log, name) if name else None
    return (below.id, below.manifest) if below is not None and below.manifest and not below.erased else None


def _preserved(model: Model) -> tuple[str, str]:
    if model.manifest is None or model.erased is not None:
        raise Conflict(
            f"The weights of {model.display_name} are not in the archive, so that nothing can build on them.",
            next_step=f"Archive them first: emeritus archive add PATH --model {model.id}.",
        )
    return model.id, model.manifest


def _profile(log: Log, model: str) -> Profile:
    """Return how to encode: for quick restoring what many may wake, as small as can be what is at rest."""
    decided = aftercare(log, model)
    return "fast" if decided is not None and decided.tier in ("members", "public") else "dense"


def _store(
    parts: Parts, model: str, source: Source, base: tuple[str, str] | None, profile: Profile, by: Actor
) -> str:
    with archive.Relatives(parts.cache / ".relatives") as relatives:
        stored = archive.ingest(
            source,
            model,
            parts.blobs,
            sign=parts.sign,
            base=archive.load(*base, parts.blobs, verify=parts.verify) if base else None,
            relatives=relatives,
            profile=profile,
            code=parts.keeping.code,
            progress=functools.partial(_tell, parts, model, "storing"),
        )
    body = {
        "manifest": stored.digest,
        "files": [
            {"name": file.name, "size": file.size, "sha256": file.sha256} for file in stored.manifest.files
        ],
        "bytes": stored.bytes_in,
        "stored_bytes": archive.measure(stored.manifest, parts.blobs),
    }
    with parts.work() as work:
        work.log.append(Act("weights.archived", body, by, model, model, f"weights.archived:{model}"))
    return stored.digest


def _prove(parts: Parts, model: Model, digest: str) -> Manifest:
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
    return manifest


def _tell(parts: Parts, model: str, doing: str, done: int, total: int, what: str) -> None:
    parts.watch(PRESERVE, model, done, total, f"{doing} {what}")


def manifest_of(log: Log, parts: Parts, model_id: str) -> Manifest:
    """Return the signed manifest of preserved weights.

    Raises:
        Conflict: the weights are not in the archive (yet, or ever); WeightsErased: not any more.
    """
    model = require_weights(get_model(log, model_id))
    if model.manifest is None:
        next_step = (
            f"They are stored when the retirement opens; see `emeritus status {model_id}`."
            if model.held
            else "Its weights are held elsewhere; only its words are kept here."
        )
        raise Conflict(f"The weights of {model.display_name} are not in the archive.", next_step=next_step)
    return archive.load(model_id, model.manifest, parts.blobs, verify=parts.verify)


def weights_size(parts: Parts, model_id: str) -> int:
    """Return the bytes of a model's files, without restoring them. Raises as `weights_path`."""
    with parts.work() as work:
        model = get_model(work.log, model_id)
        if model.manifest or model.erased:
            return manifest_of(work.log, parts, model_id).size
        path = Path(work.private.get(source_name(model_id))["path"])
    return (
        path.stat().st_size
        if path.is_file()
        else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    )


def weights_path(parts: Parts, restored: Restored, model_id: str) -> tuple[Path, str]:
    """Return where an engine finds the weights (a file, or a folder of shards) and their digest.

    Preserved weights come from the archive, *restored* when they are not there yet, and held until
    ``restored.let_go``; weights of a model that is still in service come from where the steward said they are.
    """
    with parts.work() as work:
        model = get_model(work.log, model_id)
        manifest = manifest_of(work.log, parts, model_id) if model.manifest or model.erased else None
        source = None if manifest else Path(work.private.get(source_name(model_id))["path"])
    if manifest is None:
        assert source is not None
        return source, ""
    places = restored.hold(manifest, parts.blobs)
    gguf = [path for path in places if path.suffix == ".gguf"]
    return (gguf[0] if gguf else restored.folder / model_id), manifest.digest
