"""The record: its entries in plain words, their bytes and proofs, its checkpoint and its key."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.core.people import Actor
from emeritus.process.keeping import Standing, standing
from emeritus.record import Checkpoint, Entry, Log, merkle
from emeritus.record.rotation import KINDS, first_key
from emeritus.web.pages.rendering import House, frame
from emeritus.web.pages.text import amount
from emeritus.web.site import tiles
from emeritus.web.site.names import named
from emeritus.web.site.telling import tell
from emeritus.web.site.tiles import OPEN, as_json, base64_of, number

PAGE = 40
MOST = 1000


@frozen
class Told:
    """An entry, and what it is about."""

    entry: Entry
    says: str


@frozen
class RecordPage:
    """The newest entries, or those before *before*; and how the archive stood when it was last read."""

    told: tuple[Told, ...]
    size: int
    older: int | None
    newer: int | None
    archive: Standing | None


@frozen
class Proof:
    """What shows that an entry is in the tree of a checkpoint."""

    leaf: str
    checkpoint: Checkpoint
    path: tuple[str, ...]

    @property
    def root(self) -> str:
        return base64_of(self.checkpoint.root)


@frozen
class EntryPage:
    """An entry with its bytes. A field that names who acts here is an Actor.

    *proof* is None in a copy of the site: it grows with the record, and such a page stays as it is.
    """

    told: Told
    data: str
    fields: tuple[tuple[str, str | Actor], ...]
    size: int
    proof: Proof | None = None


@frozen
class Held:
    """A key that signs, or signed: from which entry on, why, and whether the one before it handed over."""

    key: str
    since: int
    reason: str = ""
    handed_over: bool = True


def held_keys(log: Log, now: str) -> list[Held]:
    """Return the keys of the record, the first one first; *now* is the one in force where it names none."""
    first = first_key(log)
    rotated = [
        Held(entry.body["new"], entry.seq, entry.body["reason"], not entry.body["lost"])
        for entry in log.entries(kinds=KINDS)
    ]
    return [Held(now if first is None else str(first), 0), *rotated]


def told(entries: Sequence[Entry]) -> tuple[Told, ...]:
    """Return *entries* with their plain words."""
    return tuple(Told(entry, tell(entry)) for entry in entries)


def record_page(log: Log, before: int | None) -> RecordPage:
    """Return a page of entries, the newest first."""
    size = log.size()
    top = size if before is None else max(0, min(before, size))
    begin = max(0, top - PAGE)
    found = log.entries(begin=begin, limit=top - begin) if top else ()
    newer = top + PAGE if top < size else None
    return RecordPage(told(found)[::-1], size, begin or None, newer, standing(log))


def proof(log: Log, entry: Entry, size: int | None = None) -> Proof:
    """Return the inclusion proof of *entry* in the log as it is now, or as it was at *size*.

    Raises:
        InvalidInput: the log of *size* does not have the entry, or there are not that many.
    """
    checkpoint = log.checkpoint()
    if size is not None:
        if not entry.seq < size <= checkpoint.size:
            raise InvalidInput(
                f"The first {size} entries do not include entry {entry.seq}, or are not all there yet.",
                next_step=f"Ask for a size from {entry.seq + 1} to {checkpoint.size}.",
            )
        checkpoint = Checkpoint(checkpoint.origin, size, merkle.root(log, size))
    if entry.seq >= checkpoint.size:
        raise IntegrityError(
            f"Nobody signed for entry {entry.seq}.", next_step="Run `emeritus record verify` on the house."
        )
    path = merkle.inclusion(log, entry.seq, checkpoint.size)
    return Proof(base64_of(entry.leaf), checkpoint, tuple(base64_of(part) for part in path))


def entry_page(log: Log, seq: int) -> EntryPage:
    """Return one entry. Raises NotFound."""
    entry = log.get(seq)
    return evolve(shown(entry, named(log), log.size()), proof=proof(log, entry))


def shown(entry: Entry, known: Mapping[str, Actor], size: int) -> EntryPage:
    """Return *entry* of a record of *size* as its page shows it, without its proof; *known* is who acts here."""
    fields = tuple(
        (name.replace("_", " "), _actor(value, known) or _written(value))
        for name, value in entry.body.items()
        if value not in (None, "", [], {})
    )
    return EntryPage(Told(entry, tell(entry)), entry.data.decode(), fields, size)


def _actor(value: Any, known: Mapping[str, Actor]) -> Actor | None:
    """Return who *value* names, by name or as ``kind:name``."""
    if not isinstance(value, str) or len(value) > 100:
        return None
    return known.get(value) or next((actor for actor in known.values() if str(actor) == value), None)


def _written(value: Any) -> str:
    """Write a part of an entry's body for people: a line for each thing in it, those inside others set in."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return amount(value)
        case list() if any(isinstance(item, dict | list) for item in value):
            return "\n".join(
                f"{place}.{_set_in(_written(item))}" for place, item in enumerate(value, start=1)
            )
        case list():
            return "\n".join(_written(item) for item in value)
        case dict():
            return "\n".join(
                f"{name.replace('_', ' ')}:{_beside(item)}"
                for name, item in value.items()
                if item not in (None, "", [], {})
            )
    return str(value)


def _beside(value: Any) -> str:
    written = _written(value)
    return _set_in(written) if isinstance(value, dict | list) else f" {written}"


def _set_in(text: str) -> str:
    return "".join(f"\n    {line}" for line in text.split("\n"))


@frozen
class RecordPages:
    """The endpoints."""

    house: House

    def newest(self, request: Request) -> Response:
        before = number(request, "before", 0) if "before" in request.query_params else None
        with self.house.parts.read() as work:
            around, view = frame(work.log), record_page(work.log, before)
            keys = held_keys(work.log, self.house.parts.verify_key)
            witnessed = work.log.cosigned_checkpoint() is not None
        return self.house.page(
            request, "record.html", around, {"view": view, "keys": keys, "witnessed": witnessed}
        )

    def one(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), entry_page(work.log, request.path_params["seq"])
        return self.house.page(request, "entry.html", around, {"view": view})

    def proof(self, request: Request) -> Response:
        wanted = number(request, "size", 0) if "size" in request.query_params else None
        with self.house.parts.read() as work:
            entry = work.log.get(request.path_params["seq"])
            shown = proof(work.log, entry, wanted)
            note = work.log.signed_checkpoint()
        body: dict[str, Any] = {
            "seq": entry.seq,
            "entry": base64_of(entry.data),
            "leaf": shown.leaf,
            "size": shown.checkpoint.size,
            "path": list(shown.path),
            "root": shown.root,
        }
        return as_json(body if wanted is not None else {**body, "checkpoint": note})

    def key(self, _: Request) -> Response:
        return PlainTextResponse(f"{self._keys()[-1].key}\n", headers=OPEN)

    def keys(self, _: Request) -> Response:
        return PlainTextResponse("".join(f"{held.key}\n" for held in self._keys()), headers=OPEN)

    def rotations(self, _: Request) -> Response:
        with self.house.parts.read() as work:
            found = work.log.entries(kinds=KINDS)
        return PlainTextResponse("".join(f"{entry.seq}\n" for entry in found), headers=OPEN)

    def data(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            entry = work.log.get(request.path_params["seq"])
        return Response(entry.data, headers=tiles.FOR_EVER, media_type="application/json")

    def _keys(self) -> list[Held]:
        with self.house.parts.read() as work:
            return held_keys(work.log, self.house.parts.verify_key)

    def entries(self, request: Request) -> Response:
        begin = number(request, "from", 0)
        with self.house.parts.read() as work:
            size = work.log.size()
            end = min(number(request, "to", begin + MOST), size, begin + MOST)
            found = work.log.entries(begin=begin, limit=end - begin) if end > begin else ()
        headers = {"x-record-size": str(size), **OPEN}
        if end < size:
            headers["link"] = f'</record/entries?from={end}>; rel="next"'
        data = b"".join(entry.data + b"\n" for entry in found)
        return Response(data, headers=headers, media_type="application/jsonl")


def routes(house: House) -> list[Route]:
    pages = RecordPages(house)
    return [
        Route("/record", pages.newest),
        *tiles.routes(house),
        Route("/record/key", pages.key),
        Route("/record/keys", pages.keys),
        Route("/record/rotations", pages.rotations),
        Route("/record/entries", pages.entries),
        Route("/record/{seq:int}.json", pages.data),
        Route("/record/{seq:int}", pages.one),
        Route("/record/{seq:int}/proof", pages.proof),
    ]
