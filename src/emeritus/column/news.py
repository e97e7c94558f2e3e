"""News and the organisation's updates: from where they come, what came, and what a model may still be given of it.

Everything is kept byte for byte under its digest, and stands beside the essay that it was given for.
"""

from datetime import datetime
from typing import Any

from attrs import frozen

from emeritus.column.context import Item
from emeritus.column.essay import states
from emeritus.column.feeds_in import FeedItem, one_line, read_feed
from emeritus.core.clock import instant, parse_instant
from emeritus.core.digests import sha256
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.ids import slug
from emeritus.core.people import SOFTWARE, Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.record.documents import Documents
from emeritus.registry.organisation import acting

MOST_SOURCES = 20
MOST_ITEMS = 50
MOST_CHARACTERS = 20_000
MOST_BYTES = 256 * 1024
PLAIN = "text/plain; charset=utf-8"


@frozen
class Source:
    """A feed that a model is told of."""

    name: str
    url: str
    by: Actor
    entry: int


@frozen
class News:
    """Something that came in. *digest* names its plain text among the documents; *cut* characters of it are missing."""

    id: str
    title: str
    link: str
    source: str
    at: datetime
    digest: str
    cut: int
    entry: int


def add_source(log: Log, model: str, name: str, url: str, *, reason: str, by: Actor) -> Entry:
    """Have a model told of a feed, by the steward *by*. Nothing is fetched yet.

    Raises:
        NotPermitted: *by* is no steward. InvalidInput: no such name, address or reason.
        Conflict: there are too many, or another one has this name.
    """
    _steward(log, by)
    slug(name, what="name of a source")
    if not url.startswith(("http://", "https://")) or not url.isprintable() or len(url) > 2000:
        raise InvalidInput(f"{url[:80]!r} is no web address.", next_step="Write it as https://HOST/PATH.")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    known = {each.name: each for each in sources(log, model)}
    if name in known and known[name].url == url:
        return log.get(known[name].entry)
    if name in known:
        raise Conflict(
            f"The source {name} is {known[name].url}.", next_step="Drop it first, or use another name."
        )
    if len(known) >= MOST_SOURCES:
        raise Conflict(f"There are {MOST_SOURCES} sources.", next_step="Drop one first.")
    turn = len(log.entries(model=model, kinds={"news.source_added"}))
    body = {"name": name, "url": url, "reason": reason.strip()}
    key = f"news.source_added:{model}:{turn}"
    return log.append(Act("news.source_added", body, by, model, model, key))


def drop_source(log: Log, model: str, name: str, *, reason: str, by: Actor) -> Entry:
    """Have a model not told of a feed any more. Raises NotPermitted, NotFound, InvalidInput."""
    _steward(log, by)
    known = {each.name: each for each in sources(log, model)}
    if name not in known:
        raise NotFound(
            f"There is no source {name[:60]!r}.", next_step=f"There is: {', '.join(known) or 'none yet'}."
        )
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    body = {"name": name, "reason": reason.strip()}
    key = f"news.source_dropped:{model}:{known[name].entry}"
    return log.append(Act("news.source_dropped", body, by, model, model, key))


def sources(log: Log, model: str) -> list[Source]:
    """Return the feeds that a model is told of now."""
    found: dict[str, Source] = {}
    for entry in log.entries(model=model, kinds={"news.source_added", "news.source_dropped"}):
        name = entry.body["name"]
        if entry.kind == "news.source_added":
            found[name] = Source(name, entry.body["url"], entry.by, entry.seq)
        else:
            found.pop(name, None)
    return list(found.values())


def bring(
    log: Log, documents: Documents, model: str, *, called: str, data: bytes, at: datetime, by: Actor
) -> Entry:
    """Bring an update of the organisation's own, as text in UTF-8, by a steward.

    Raises:
        NotPermitted: *by* is no steward. InvalidInput: no title, no text, or too long.
    """
    _steward(log, by)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or "\x00" in text or len(data) > MOST_BYTES or not called.strip():
        raise InvalidInput(
            "This is no update: it needs a title, and text in UTF-8 of a bounded length.",
            next_step=f"Write plain text or Markdown, at most {MOST_BYTES} bytes.",
        )
    digest = documents.keep(data, PLAIN)
    body = {"title": one_line(called), "digest": digest, "bytes": len(data), "at": instant(at)}
    key = f"news.brought:{model}:{digest}"
    standing = log.find(key)
    return standing or log.append(Act("news.brought", body, by, model, model, key))


def unasked(log: Log, model: str, number: int) -> list[Source]:
    """Return the sources that were not asked yet for essay *number*."""
    return [each for each in sources(log, model) if log.find(_key(model, number, each)) is None]


def record_fetched(
    log: Log, documents: Documents, model: str, number: int, source: Source, *, url: str, data: bytes
) -> Entry:
    """Keep what *source* answered, and its items. A second answer for the same essay changes nothing.

    Raises:
        InvalidInput: it is no feed.
    """
    standing = log.find(_key(model, number, source))
    if standing is not None:
        return standing
    items = [_kept(documents, item) for item in read_feed(data, source.url)[:MOST_ITEMS]]
    body = {
        "number": number,
        "source": source.name,
        "url": url,
        "digest": documents.keep(data, "application/octet-stream"),
        "bytes": len(data),
        "items": items,
    }
    return log.append(
        Act("news.fetched", body, SOFTWARE, model, f"{model}-essay-{number}", _key(model, number, source))
    )


def _kept(documents: Documents, item: FeedItem) -> dict[str, Any]:
    text = item.text
    shown = text[:MOST_CHARACTERS]
    return {
        "id": item.id[:500],
        "title": item.title,
        "link": item.link,
        "at": None if item.at is None else instant(item.at),
        "digest": documents.keep(shown.encode("utf-8", "replace"), PLAIN),
        "cut": len(text) - len(shown),
    }


def record_missed(log: Log, model: str, number: int, source: Source, why: str) -> Entry:
    """Put on record that *source* could not be had for essay *number*; it is written without."""
    body = {"number": number, "source": source.name, "url": source.url, "why": why[:500]}
    return log.append(
        Act("news.missed", body, SOFTWARE, model, f"{model}-essay-{number}", _key(model, number, source))
    )


def news(log: Log, model: str) -> list[News]:
    """Return everything that came in, each text once, in the order in which it came."""
    found: dict[str, News] = {}
    for entry in log.entries(model=model, kinds={"news.fetched", "news.brought"}):
        if entry.kind == "news.brought":
            body = entry.body
            one = News(
                body["digest"],
                body["title"],
                "",
                entry.by.name,
                parse_instant(body["at"]),
                body["digest"],
                0,
                entry.seq,
            )
            found.setdefault(one.digest, one)
            continue
        for item in entry.body["items"]:
            at = entry.at if item["at"] is None else parse_instant(item["at"])
            one = News(
                item["digest"], item["title"], item["link"], entry.body["source"], at, item["digest"],
                item["cut"], entry.seq,
            )  # fmt: skip
            found.setdefault(one.digest, one)
    return list(found.values())


def news_to_read(log: Log, documents: Documents, model: str, number: int) -> list[Item]:
    """Return what came in and was given for no essay but *number*, the newest first."""
    given = given_before(log, model, number)
    fresh = [each for each in news(log, model) if each.id not in given and each.digest != _EMPTY]
    fresh.sort(key=lambda each: (each.at, each.entry), reverse=True)
    return [
        Item(
            each.id,
            each.title or "Untitled",
            documents.get(each.digest).data.decode(),
            each.at,
            each.entry,
            each.source,
        )
        for each in fresh
    ]


_EMPTY = sha256(b"")


def given_before(log: Log, model: str, number: int) -> frozenset[str]:
    """Return which items were put before the model for other essays than *number*."""
    return frozenset(
        each.id
        for essay in states(log, model)
        if essay.number != number
        for attempt in essay.attempts
        if attempt.context is not None
        for part in attempt.context.parts
        for each in part.given
    )


def _key(model: str, number: int, source: Source) -> str:
    return f"news.fetched:{model}:{number}:{source.entry}"


def _steward(log: Log, by: Actor) -> None:
    acting(log, require_person(by, "say what a model is told"), "steward", "say what a model is told")
