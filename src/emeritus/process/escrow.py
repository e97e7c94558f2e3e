"""Escrow: all that remains of some models in one signed folder, and the record says that it was given."""

import functools
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from attrs import frozen

import emeritus
from emeritus import archive
from emeritus.archive import Blobs, Manifest, escrow
from emeritus.archive.escrow import Bag, BagFacts, layout, proofs
from emeritus.archive.escrow.bag import bag_path
from emeritus.archive.escrow.readme import ReadmeFacts, ReadmeModel, readme
from emeritus.archive.shipped import text as shipped
from emeritus.core.errors import InvalidInput, Unavailable
from emeritus.core.people import Actor, require_person
from emeritus.process import papers
from emeritus.process.ports import Parts, Work
from emeritus.process.preserve import manifest_of
from emeritus.process.signing import Signed, sign_model
from emeritus.record import Act, Entry, VerifyKey, rotation
from emeritus.registry import Model, get_model, organisation
from emeritus.registry.organisation import PEOPLE_KINDS, acting

STAGE = "escrow"
_SPARE = 64 << 20
"""Bytes that stay free on the disk of an escrow, beside its own."""
# Who asked for access is nobody's business but theirs, even where only a commitment tells of it.
_LEFT_OUT = ("application", "dependants", "grant", "member")
_ALWAYS = frozenset(("organisation.founded", "key.adopted")) | PEOPLE_KINDS | rotation.KINDS
_BY_DIGEST = frozenset(("protocol.adopted", "regime.adopted"))

OpenFolder = Callable[[Path], Blobs]


@frozen
class Estimate:
    """What an escrow will take on the disk, in bytes, beside some pages of text; *free* is what there is."""

    weights: int
    free: int


@frozen
class Order:
    """What to put into an escrow. *recipient* is who gets it, for the public; *plain*: restored files."""

    models: tuple[str, ...]
    target: Path
    plain: bool = False
    recipient: str = ""


@frozen
class _Held:
    """A model on its way into the bag."""

    model: Model
    manifest: Manifest | None
    signed: Signed | None
    why_none: str = ""

    def form(self, order: Order) -> str:
        return "none" if self.manifest is None else "plain" if order.plain else "archive"


def estimate(parts: Parts, order: Order, *, by: Actor) -> Estimate:
    """Look what an escrow takes, and refuse what cannot be; nothing is written.

    Raises:
        NotPermitted: *by* is no steward. NotFound: an unknown model.
        Conflict: weights that are not in the archive yet. TargetForeign: something is there already.
    """
    escrow.check_target(order.target)
    bag = _nearest(order.target)
    with parts.work() as work:
        _may(work, order, by)
        held = [_manifest(work, parts, model) for model in order.models]
    manifests = [manifest for manifest, _ in held if manifest is not None]
    return Estimate(_size(parts, order, manifests), escrow.room(bag))


def _size(parts: Parts, order: Order, manifests: Collection[Manifest]) -> int:
    """Return how many bytes the weights of *manifests* take in one bag."""
    if order.plain:
        return sum(manifest.size for manifest in manifests)
    return escrow.measure_copies(manifests, parts.blobs)


def make(parts: Parts, order: Order, key: VerifyKey, open_folder: OpenFolder, *, by: Actor) -> BagFacts:
    """Make an escrow, read it back, put it on the record, and let it appear at ``order.target``.

    May be repeated after whatever happened: what was copied already is used.

    Args:
        key: the organisation's public key, by which ``parts.sign`` signs.
        open_folder: opens the archive inside the bag, to read it back.

    Raises:
        NotPermitted, NotFound, Conflict: see `estimate`.
        TargetForeign: the target holds something else.
        DiskFull, StoreFailed: the disk gives up; nothing appears, and a further try goes on.
        IntegrityError: the archive cannot give the weights back.
    """
    with parts.work() as work:
        _may(work, order, by)
    bag = Bag(order.target)
    facts = _recorded(parts, order, bag)
    if facts is not None:
        bag.finish()
        return facts
    bag.unseal()
    held = [_hold(parts, model) for model in order.models]
    for each in held:
        if each.manifest is not None:
            _weights(parts, order, each.manifest, bag, open_folder)
    with parts.work() as work:  # one view of the record for everything that is told
        size = _documents(work, order, held, bag, key)
        named = organisation(work.log)
    facts = bag.seal(
        {
            "Source-Organization": named.name,
            "External-Description": "What remains of retired AI models: weights, interview, decisions, essays, record.",
            "External-Identifier": list(order.models),
            "Bag-Software-Agent": f"emeritus {emeritus.__version__}",
            "Emeritus-Record": f"{key.name} at {size} entries",
        },
        {
            layout.README: readme(_told(parts, order, held, key, size, named.name, named.demo)),
            layout.KEY_PEM: papers.key_pem(key),
            layout.CHECK: shipped(layout.CHECK),
        },
        parts.sign,
        on=parts.clock.now().date(),
        progress=functools.partial(parts.watch, STAGE, order.target.name),
    )
    with parts.work() as work:
        for model in order.models:
            body = {
                "bag": facts.digest,
                "models": list(order.models),
                "recipient": order.recipient or None,
                "plain": order.plain,
                "files": facts.files,
                "bytes": facts.size,
                "record_size": size,
            }
            work.log.append(
                Act("archive.escrowed", body, by, model, model, f"archive.escrowed:{facts.digest}:{model}")
            )
    bag.finish()
    return facts


def _recorded(parts: Parts, order: Order, bag: Bag) -> BagFacts | None:
    """Return what stands on the record of a bag that was sealed, and then broken off before it appeared."""
    digest = bag.sealed()
    if digest is None:
        return None
    with parts.work() as work:
        found = [work.log.find(f"archive.escrowed:{digest}:{model}") for model in order.models]
    told = [entry.body for entry in found if entry is not None]
    same = len(told) == len(order.models) and all(
        (body["models"], body["plain"], body["recipient"])
        == (list(order.models), order.plain, order.recipient or None)
        for body in told
    )
    return BagFacts(bag.target, digest, told[0]["files"], told[0]["bytes"]) if same else None


def escrows(work: Work, model: str) -> Sequence[Entry]:
    """Return the entries of the escrows that hold this model: who has copies."""
    return work.log.entries(model=model, kinds={"archive.escrowed"})


def _may(work: Work, order: Order, by: Actor) -> None:
    acting(work.log, require_person(by, "make an escrow"), "steward", "make an escrow")
    if not order.models or len(set(order.models)) != len(order.models):
        raise InvalidInput("An escrow needs models, each once.", next_step="Name them: emeritus archive ls.")
    if len(order.recipient) > 200 or not order.recipient.isprintable():
        raise InvalidInput("The recipient is too long, or not plain text.", next_step="Name it in a line.")
    for model in order.models:
        get_model(work.log, model)


def _manifest(work: Work, parts: Parts, model_id: str) -> tuple[Manifest | None, str]:
    model = get_model(work.log, model_id)
    if not model.held:
        return None, "the organisation never held them; the model was reached at somebody else's service."
    if model.erased is not None:
        return None, (
            f"they were erased on {model.erased.at:%Y-%m-%d} because the law demanded it "
            f"({model.erased.ground}); entry {model.erased.entry} of the record says who decided and why."
        )
    return manifest_of(work.log, parts, model_id), ""


def _hold(parts: Parts, model_id: str) -> _Held:
    with parts.work() as work:
        model = get_model(work.log, model_id)
        manifest, why_none = _manifest(work, parts, model_id)
    return _Held(model, manifest, sign_model(parts, model_id) if manifest else None, why_none)


def _weights(parts: Parts, order: Order, manifest: Manifest, bag: Bag, open_folder: OpenFolder) -> None:
    watch = functools.partial(_watch, parts, manifest.model)
    if order.plain:
        for file in manifest.files:
            bag_path(file.name)
    need = _size(parts, order, [manifest])
    if need + _SPARE > bag.room() + bag.size():
        raise Unavailable(
            f"The weights of {manifest.model} take {need} bytes, and {bag.room()} are free at {order.target.parent}.",
            next_step="Free some space, or name another disk; nothing of the escrow has appeared.",
        )
    if order.plain:
        for file in manifest.files:
            bag.place(f"{layout.plain_folder(manifest.model)}/{file.name}")
        target = bag.folder / "data" / layout.plain_folder(manifest.model)
        archive.restore(manifest, parts.blobs, target, progress=functools.partial(watch, "restoring"))
        return
    escrow.copy(manifest, parts.blobs, bag, progress=functools.partial(watch, "copying"))
    copied = open_folder(escrow.archive_folder(bag.folder))
    escrow.verify_copy(manifest, copied, bag, progress=functools.partial(watch, "reading back"))


def _documents(work: Work, order: Order, held: Sequence[_Held], bag: Bag, key: VerifyKey) -> int:
    told = []
    for each in held:
        folder = layout.model_folder(each.model.id)
        if each.manifest is not None and each.signed is not None:
            bag.add(f"{folder}/{layout.MANIFEST}", each.manifest.canonical())
            bag.add(f"{folder}/{layout.MODEL_SIGNATURE}", each.signed.signature)
            bag.add(f"{folder}/{layout.MODEL_KEY}", each.signed.key.pem)
        for path, data in papers.of_model(work, get_model(work.log, each.model.id)):
            bag.add(f"{folder}/{path}", data)
        told.append(
            {
                "id": each.model.id,
                "weights": each.form(order),
                "manifest": each.manifest.digest if each.manifest else None,
            }
        )
    for path, data in proofs.files(work.log, _entries(work, order.models), key):
        bag.add(path, data)
    index = {
        "format": layout.FORMAT,
        "version": layout.VERSION,
        "organisation": organisation(work.log).name,
        "record": str(key),
        "record_size": work.log.size(),
        "recipient": order.recipient or None,
        "models": told,
    }
    bag.add(layout.INDEX, json.dumps(index, indent=2, ensure_ascii=False).encode() + b"\n")
    return work.log.size()


def _entries(work: Work, models: Sequence[str]) -> Iterator[Entry]:
    """Yield the entries about the models, and those that one needs in order to understand them."""
    chosen: dict[int, Entry] = {}
    for model in models:
        for entry in work.log.entries(model=model):
            if entry.kind.partition(".")[0] not in _LEFT_OUT:
                chosen[entry.seq] = entry
    used = {
        entry.body.get(name) for entry in chosen.values() for name in ("protocol_digest", "regime_digest")
    }
    for entry in work.log.entries(kinds=_ALWAYS | _BY_DIGEST):
        if entry.kind in _ALWAYS or entry.body["digest"] in used:
            chosen[entry.seq] = entry
    yield from (chosen[seq] for seq in sorted(chosen))


def _told(
    parts: Parts, order: Order, held: Sequence[_Held], key: VerifyKey, size: int, name: str, demo: bool
) -> ReadmeFacts:
    return ReadmeFacts(
        organisation=name,
        demo=demo,
        made_on=f"{parts.clock.now():%Y-%m-%d}",
        key=key,
        record_size=size,
        recipient=order.recipient,
        models=[
            ReadmeModel(
                id=each.model.id,
                name=each.model.display_name,
                licence=each.model.licence,
                released=each.model.released.isoformat(),
                form=each.form(order),
                bytes=each.manifest.size if each.manifest else 0,
                why_none=each.why_none,
            )
            for each in held
        ],
    )


def _watch(parts: Parts, model: str, doing: str, done: int, total: int, what: str) -> None:
    parts.watch(STAGE, model, done, total, f"{doing} {what}")


def _nearest(path: Path) -> Path:
    """Return the nearest folder above *path* that is there."""
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path
