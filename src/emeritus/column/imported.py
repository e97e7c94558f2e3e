"""A column that was published elsewhere, brought in with its dates: shown as *imported, not verified*.

Nothing here vouches for these texts. They are no editions, count for no promise, and are never put before the
model. Bringing the same source in again adds what is new and changes nothing.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import nh3
from attrs import frozen

from emeritus.column.feeds_in import MOST_BYTES, one_line, read_feed
from emeritus.column.render import render, shorten
from emeritus.core.clock import instant, parse_date, parse_instant, start_of
from emeritus.core.digests import sha256
from emeritus.core.errors import EmeritusError, InvalidInput, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Log
from emeritus.record.documents import Documents
from emeritus.registry import get_model
from emeritus.registry.organisation import acting

MARKDOWN, HTML = "text/markdown; charset=utf-8", "text/html; charset=utf-8"
LABEL = "imported, not verified"
MOST_FILES = 2000
_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_FIELD = re.compile(r"^(title|date)\s*:\s*(.*?)\s*$", re.MULTILINE | re.IGNORECASE)
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})")
_TAGS = {
    "a", "b", "blockquote", "br", "code", "em", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre",
    "strong", "s", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


@frozen
class Piece:
    """A text to bring in. *id* tells it from others of its source; *at* is the date that the source gives it."""

    id: str
    title: str
    at: datetime | None
    url: str
    media_type: str
    data: bytes


@frozen
class Imported:
    """A text that was brought in. *at* is what its source claims; *number* counts in the order of bringing."""

    id: str
    model: str
    number: int
    title: str
    at: datetime | None
    url: str
    source: str
    media_type: str
    digest: str
    by: Actor
    brought_at: datetime
    entry: int


@frozen
class Outcome:
    """What came of an import: ids that were *added*, how many were *there* already, and what *changed* since.

    A text that its source has changed since it was brought in stays as it was brought in.
    """

    added: tuple[str, ...]
    there: int
    changed: tuple[str, ...]


def from_feed(data: bytes, name: str) -> list[Piece]:
    """Return the pieces of a feed (Atom, RSS, JSON Feed). Raises InvalidInput."""
    return [
        Piece(
            id=item.id,
            title=item.title,
            at=item.at,
            url=item.link,
            media_type=HTML if item.is_html else MARKDOWN,
            data=item.content.encode("utf-8", "replace"),
        )
        for item in read_feed(data, name, most=MOST_BYTES)
        if item.content.strip()
    ]


def from_folder(folder: Path) -> list[Piece]:
    """Return the Markdown files of *folder*, in the order of their names.

    Title and date come from lines ``title:`` and ``date:`` between two lines ``---`` at the top; else the
    title is the text's own, and the date the first one in the file's name.

    Raises:
        NotFound: there is no such folder, or nothing in it.
        InvalidInput: a file is too long or no UTF-8, or there are too many.
    """
    if not folder.is_dir():
        raise NotFound(
            f"There is no folder {str(folder)[:200]!r}.", next_step="Name a folder with *.md files."
        )
    inside = folder.resolve()
    files = [file for file in sorted(folder.rglob("*.md")) if file.is_file()]
    if not files or len(files) > MOST_FILES:
        raise NotFound(
            f"{folder} has {len(files) or 'no'} Markdown files; from 1 to {MOST_FILES} can be brought in.",
            next_step="Name the folder in which the *.md files lie.",
        )
    for file in files:
        if not file.resolve().is_relative_to(inside):
            raise InvalidInput(f"{file} leads out of the folder.", next_step="Take that link away.")
    return [_piece(file, file.relative_to(folder).as_posix()) for file in files]


def _piece(file: Path, name: str) -> Piece:
    if file.stat().st_size > MOST_BYTES:
        raise InvalidInput(f"{name[:200]} has more than {MOST_BYTES} bytes.", next_step="Leave it out.")
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{name[:200]} is not UTF-8.", next_step="Save it as UTF-8.") from None
    front = _FRONT.match(text)
    told = {key.lower(): value.strip("\"'") for key, value in _FIELD.findall(front[1])} if front else {}
    body = text[front.end() :] if front else text
    dated = _DATED.search(name)
    at = _date(told.get("date", "")) or (_date(dated[1]) if dated else None)
    title = one_line(told.get("title", "")) or render(body).title
    return Piece(name, title, at, "", MARKDOWN, body.encode())


def _date(text: str) -> datetime | None:
    for read in (parse_instant, lambda day: start_of(parse_date(day))):
        try:
            return read(text)
        except EmeritusError:
            continue
    return None


def bring_in(
    log: Log, documents: Documents, model: str, pieces: Sequence[Piece], *, source: str, by: Actor
) -> Outcome:
    """Bring *pieces* of *source* in, oldest first, as a steward.

    Raises:
        NotPermitted: *by* is no steward. NotFound: there is no such model. InvalidInput: there is nothing.
    """
    acting(log, require_person(by, "import a column"), "steward", "import a column")
    get_model(log, model)
    if not pieces:
        raise InvalidInput(f"{source[:200]} holds no texts.", next_step="Name another source.")
    number = len(log.entries(model=model, kinds={"essay.imported"}))
    there, acts, changed = 0, [], []
    seen: set[str] = set()
    for piece in sorted(pieces, key=lambda each: (each.at is not None, each.at or start_of(_FIRST), each.id)):
        key = f"essay.imported:{model}:{sha256(piece.id.encode())}"
        digest = sha256(piece.data)
        standing = log.find(key)
        if standing is not None or key in seen:
            there += 1
            if standing is not None and standing.body["text_digest"] != digest:
                changed.append(standing.subject or "")
            continue
        seen.add(key)
        number += 1
        body = {
            "number": number,
            "title": piece.title or shorten(_words(piece), 120) or "Untitled",
            "claimed_at": None if piece.at is None else instant(piece.at),
            "url": piece.url,
            "source": source[:500],
            "media_type": piece.media_type,
            "text_digest": documents.keep(piece.data, piece.media_type),
            "bytes": len(piece.data),
        }
        acts.append(Act("essay.imported", body, by, model, f"{model}-imported-{number}", key))
    log.append_many(acts)
    return Outcome(tuple(act.subject or "" for act in acts), there, tuple(changed))


_FIRST = parse_date("0001-01-01")


def _words(piece: Piece) -> str:
    return render(piece.data.decode()).excerpt if piece.media_type == MARKDOWN else ""


def imported(log: Log, model: str) -> list[Imported]:
    """Return what was brought in of a model's earlier column, the newest claimed date last."""
    return sorted(_folded(log, model), key=lambda each: (each.at or start_of(_FIRST), each.number))


def _folded(log: Log, model: str) -> Iterator[Imported]:
    for entry in log.entries(model=model, kinds={"essay.imported"}):
        body = entry.body
        yield Imported(
            id=entry.subject or "",
            model=model,
            number=body["number"],
            title=body["title"],
            at=None if body["claimed_at"] is None else parse_instant(body["claimed_at"]),
            url=body["url"],
            source=body["source"],
            media_type=body["media_type"],
            digest=body["text_digest"],
            by=entry.by,
            brought_at=entry.at,
            entry=entry.seq,
        )


def get_imported(log: Log, piece_id: str) -> Imported:
    """Return one text that was brought in. Raises NotFound."""
    found = log.entries(kinds={"essay.imported"}, subject=piece_id, limit=1) if piece_id else ()
    if not found:
        raise NotFound(f"There is no {piece_id[:120]!r}.", next_step="See the column's page.")
    return next(each for each in _folded(log, found[0].model or "") if each.id == piece_id)


def shown(piece: Imported, documents: Documents) -> str:
    """Return a text that was brought in as safe HTML. Raises NotFound, IntegrityError."""
    text = documents.get(piece.digest).data.decode()
    if piece.media_type == MARKDOWN:
        return render(text).html
    return nh3.clean(
        text,
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https"},
        url_relative="deny",
        link_rel="nofollow noopener noreferrer",
        clean_content_tags={"script", "style", "template", "iframe", "object", "noscript"},
        strip_comments=True,
    )
