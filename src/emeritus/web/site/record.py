"""The record: its entries in plain words, their bytes and proofs, its checkpoint and its key."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor
from emeritus.record import Checkpoint, Entry, Log, merkle
from emeritus.web.pages.rendering import House, frame
from emeritus.web.pages.text import amount
from emeritus.web.site.names import named
from emeritus.web.site.telling import tell

PAGE = 40
MOST = 1000


@frozen
class Told:
    """An entry, and what it is about."""

    entry: Entry
    says: str


@frozen
class RecordPage:
    """The newest entries, or those before *before*."""

    told: tuple[Told, ...]
    size: int
    older: int | None
    newer: int | None


@frozen
class Proof:
    """What shows that an entry is in the tree of a checkpoint."""

    leaf: str
    checkpoint: Checkpoint
    path: tuple[str, ...]

    @property
    def root(self) -> str:
        return _b64(self.checkpoint.root)


@frozen
class EntryPage:
    """An entry with its bytes and its proof. A field that names who acts here is an Actor."""

    told: Told
    data: str
    fields: tuple[tuple[str, str | Actor], ...]
    proof: Proof
    size: int


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


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
    return RecordPage(told(found)[::-1], size, begin or None, newer)


def proof(log: Log, entry: Entry) -> Proof:
    """Return the inclusion proof of *entry* in the log as it is now."""
    checkpoint = log.checkpoint()
    path = merkle.inclusion(log, entry.seq, checkpoint.size)
    return Proof(_b64(entry.leaf), checkpoint, tuple(_b64(part) for part in path))


def entry_page(log: Log, seq: int) -> EntryPage:
    """Return one entry. Raises NotFound."""
    entry = log.get(seq)
    known = named(log)
    fields = tuple(
        (name.replace("_", " "), _actor(value, known) or _written(value))
        for name, value in entry.body.items()
        if value not in (None, "", [], {})
    )
    return EntryPage(Told(entry, tell(entry)), entry.data.decode(), fields, proof(log, entry), log.size())


def _actor(value: Any, known: Mapping[str, Actor]) -> Actor | None:
    """Return who *value* names, by name or as ``kind:name``."""
    if not isinstance(value, str) or len(value) > 100:
        return None
    return known.get(value) or next((actor for actor in known.values() if str(actor) == value), None)


def _written(value: Any) -> str:
    """Write a part of an entry's body for people."""
    match value:
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case list() if all(isinstance(item, str) for item in value):
            return "\n".join(value)
        case dict() if not any(isinstance(item, dict | list) for item in value.values()):
            return "\n".join(f"{name}: {_written(item)}" for name, item in value.items())
        case int() | float():
            return amount(value)
    return json.dumps(value, ensure_ascii=False, indent=1)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidInput(
            f"{text[:40]!r} is no place on the record.", next_step=f"Give {name} as a whole number, from 0."
        )
    return int(text)


@frozen
class RecordPages:
    """The endpoints."""

    house: House

    def newest(self, request: Request) -> Response:
        before = _number(request, "before", 0) if "before" in request.query_params else None
        with self.house.parts.read() as work:
            around, view = frame(work.log), record_page(work.log, before)
        return self.house.page(
            request, "record.html", around, {"view": view, "key": self.house.parts.verify_key}
        )

    def one(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), entry_page(work.log, request.path_params["seq"])
        return self.house.page(request, "entry.html", around, {"view": view})

    def proof(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            entry = work.log.get(request.path_params["seq"])
            shown = proof(work.log, entry)
            note = work.log.signed_checkpoint()
        body: dict[str, Any] = {
            "seq": entry.seq,
            "entry": _b64(entry.data),
            "leaf": shown.leaf,
            "size": shown.checkpoint.size,
            "path": list(shown.path),
            "root": shown.root,
            "checkpoint": note,
        }
        return Response(json.dumps(body, indent=1) + "\n", media_type="application/json")

    def checkpoint(self, _: Request) -> Response:
        with self.house.parts.read() as work:
            note = work.log.signed_checkpoint()
        return PlainTextResponse(note)

    def key(self, _: Request) -> Response:
        return PlainTextResponse(self.house.parts.verify_key + "\n")

    def entries(self, request: Request) -> Response:
        begin = _number(request, "from", 0)
        with self.house.parts.read() as work:
            size = work.log.size()
            end = min(_number(request, "to", begin + MOST), size, begin + MOST)
            found = work.log.entries(begin=begin, limit=end - begin) if end > begin else ()
        headers = {"x-record-size": str(size)}
        if end < size:
            headers["link"] = f'</record/entries?from={end}>; rel="next"'
        data = b"".join(entry.data + b"\n" for entry in found)
        return Response(data, headers=headers, media_type="application/jsonl")


def routes(house: House) -> list[Route]:
    pages = RecordPages(house)
    return [
        Route("/record", pages.newest),
        Route("/record/checkpoint", pages.checkpoint),
        Route("/record/key", pages.key),
        Route("/record/entries", pages.entries),
        Route("/record/{seq:int}", pages.one),
        Route("/record/{seq:int}/proof", pages.proof),
    ]
