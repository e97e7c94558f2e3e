"""Reading feeds of others: Atom, RSS and JSON Feed, as hostile as they may be, into plain items."""

import html
import io
import re
from calendar import timegm
from datetime import UTC, datetime
from typing import Any

import msgspec
import nh3
from attrs import frozen

from emeritus.core.clock import parse_instant
from emeritus.core.errors import EmeritusError, InvalidInput

MOST_BYTES = 16 << 20
"""Of a feed that a person brings in."""
MOST_FETCHED = 1 << 20
"""Of a feed that software fetches by itself: reading one takes seconds for each megabyte."""
MOST_ITEMS = 2000
MOST_CHARACTERS = 200_000
_BLOCK_END = re.compile(r"(?i)<(?:br|/p|/div|/li|/h[1-6]|/blockquote|/tr)\b[^>]*>")
_SCRIPTS = {"script", "style", "template", "iframe", "object", "noscript"}
_SPACES = re.compile(r"[ \t\r\f\v]+")
_LINES = re.compile(r"\n\s*\n\s*")


@frozen
class FeedItem:
    """An item of somebody's feed. *content* is as it came, HTML when *is_html*; *at* is None where it tells no date."""

    id: str
    title: str
    link: str
    at: datetime | None
    content: str
    is_html: bool

    @property
    def text(self) -> str:
        """Its content in plain words."""
        return plain_text(self.content) if self.is_html else self.content.strip()


class _JsonItem(msgspec.Struct):
    id: str | int | float = ""
    url: str = ""
    title: str = ""
    content_html: str | None = None
    content_text: str | None = None
    date_published: str | None = None


class _JsonFeed(msgspec.Struct):
    version: str
    items: list[_JsonItem]


def read_feed(data: bytes, name: str, *, most: int = MOST_FETCHED) -> list[FeedItem]:
    """Return the items of a feed called *name*, of at most *most* bytes, in its own order. Raises InvalidInput."""
    if len(data) > most:
        raise InvalidInput(f"{name[:200]} has {len(data)} bytes; {most} is the most.", next_step="Split it.")
    if data.lstrip()[:1] == b"{":
        return _json_feed(data, name)
    import feedparser  # noqa: PLC0415  (slow to import, and only feeds need it)

    # In a stream: a plain string would be taken for an address or the name of a file.
    try:
        parsed = feedparser.parse(io.BytesIO(data), sanitize_html=False, resolve_relative_uris=False)
    except Exception:  # noqa: BLE001  (whatever a parser of everything meets in hostile bytes)
        raise _no_feed(name) from None
    if not parsed.get("version"):
        raise _no_feed(name)
    return [item for entry in parsed.entries[:MOST_ITEMS] if (item := _item(entry)) is not None]


def _no_feed(name: str) -> InvalidInput:
    return InvalidInput(
        f"{name[:200]} is neither Atom nor RSS nor JSON Feed.",
        next_step="Name the address of the feed itself.",
    )


def _item(entry: Any) -> FeedItem | None:
    contents = entry.get("content") or []
    best = contents[0] if contents else entry.get("summary_detail") or {}
    content = str(best.get("value", ""))[:MOST_CHARACTERS]
    link = str(entry.get("link", ""))
    known = str(entry.get("id", "")) or link or str(entry.get("title", ""))
    stamp = entry.get("published_parsed") or entry.get("updated_parsed")
    try:
        at = None if stamp is None else datetime.fromtimestamp(timegm(stamp), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        at = None
    if not known and not content.strip():
        return None
    is_html = str(best.get("type", "")) in ("text/html", "application/xhtml+xml")
    title = plain_text(str(entry.get("title", "")))
    return FeedItem(known[:2000], one_line(title), _web(link), at, content, is_html)


def _json_feed(data: bytes, name: str) -> list[FeedItem]:
    try:
        feed = msgspec.json.decode(data, type=_JsonFeed)
    except (msgspec.MsgspecError, RecursionError):
        raise _no_feed(name) from None
    if not feed.version.startswith("https://jsonfeed.org/version/"):
        raise _no_feed(name)
    found = []
    for item in feed.items[:MOST_ITEMS]:
        try:
            at = None if item.date_published is None else parse_instant(item.date_published)
        except EmeritusError:
            at = None
        html_given = item.content_html is not None
        content = (item.content_html if html_given else item.content_text) or ""
        known = str(item.id) or item.url or item.title
        if known or content.strip():
            found.append(
                FeedItem(
                    known[:2000],
                    one_line(item.title),
                    _web(item.url),
                    at,
                    content[:MOST_CHARACTERS],
                    html_given,
                )
            )
    return found


def plain_text(markup: str) -> str:
    """Return HTML as plain words: no tags, no scripts, blank lines between paragraphs."""
    broken = _BLOCK_END.sub(lambda found: found[0] + "\n\n", markup)
    text = html.unescape(nh3.clean(broken, tags=set(), clean_content_tags=_SCRIPTS, strip_comments=True))
    return _LINES.sub("\n\n", _SPACES.sub(" ", text.replace("\x00", ""))).strip()


def one_line(text: str) -> str:
    """Return a title on one line, of a bounded length."""
    return " ".join(text.split())[:300]


def _web(link: str) -> str:
    return link if link.startswith(("https://", "http://")) and len(link) <= 2000 else ""
