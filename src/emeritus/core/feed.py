"""Feeds: Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1, from entries that somebody else has rendered."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import msgspec
from attrs import frozen

from emeritus.core.clock import instant

ATOM = "http://www.w3.org/2005/Atom"
ATOM_TYPE = "application/atom+xml; charset=utf-8"
RSS_TYPE = "application/rss+xml; charset=utf-8"
JSON_TYPE = "application/feed+json; charset=utf-8"
# What XML 1.0 has no place for.
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_DUBLIN_CORE = "http://purl.org/dc/elements/1.1/"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@frozen
class FeedEntry:
    """One entry. *html* is safe HTML, shown as it is; *title* and *summary* are plain text."""

    id: str
    title: str
    url: str
    author: str
    published: datetime
    updated: datetime
    html: str
    summary: str = ""
    tags: tuple[str, ...] = ()


def tag_uri(url: str, day: datetime, name: str) -> str:
    """Return a tag URI (RFC 4151): *name* as the host of *url* called it on *day*. It outlives the URL."""
    host = (urlsplit(url).hostname or "localhost").lower()
    return f"tag:{host},{day:%Y-%m-%d}:{name}"


def atom(
    *,
    title: str,
    id: str,  # noqa: A002 - the name that RFC 4287 gives it
    self_url: str,
    page_url: str,
    entries: Sequence[FeedEntry],
    began: datetime,
    subtitle: str = "",
    hub: str = "",
) -> bytes:
    """Return an Atom feed.

    Args:
        title: of the feed, plain text.
        id: an IRI that never changes.
        self_url: where this feed is fetched.
        page_url: the page that it belongs to.
        entries: newest first, or in any order that readers should see.
        began: the time of the feed while it has no entries.
        subtitle: plain text.
        hub: the address of a WebSub hub that is told when the feed changes.
    """
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed")
    _text(root, "id", id)
    _text(root, "title", title)
    if subtitle:
        _text(root, "subtitle", subtitle)
    _text(root, "updated", instant(max((entry.updated for entry in entries), default=began)))
    _link(root, self_url, rel="self", type="application/atom+xml")
    _link(root, page_url, rel="alternate", type="text/html")
    if hub:
        _link(root, hub, rel="hub")
    _text(root, "generator", "Emeritus")
    for entry in entries:
        _entry(root, entry)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data


def _entry(root: ET.Element, entry: FeedEntry) -> None:
    node = ET.SubElement(root, f"{{{ATOM}}}entry")
    _text(node, "id", entry.id)
    _text(node, "title", entry.title)
    _text(node, "published", instant(entry.published))
    _text(node, "updated", instant(entry.updated))
    author = ET.SubElement(node, f"{{{ATOM}}}author")
    _text(author, "name", entry.author)
    _link(node, entry.url, rel="alternate", type="text/html")
    for tag in entry.tags:
        ET.SubElement(node, f"{{{ATOM}}}category", {"term": _fit(tag)})
    if entry.summary:
        _text(node, "summary", entry.summary)
    _text(node, "content", entry.html).set("type", "html")


def _text(parent: ET.Element, name: str, text: str) -> ET.Element:
    node = ET.SubElement(parent, f"{{{ATOM}}}{name}")
    node.text = _fit(text)
    return node


def _fit(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _link(parent: ET.Element, href: str, **attributes: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}link", {"href": href, **attributes})


def rss(
    *,
    title: str,
    self_url: str,
    page_url: str,
    entries: Sequence[FeedEntry],
    began: datetime,
    description: str,
    hub: str = "",
) -> bytes:
    """Return an RSS 2.0 feed, with the full text in ``content:encoded``; arguments are as for `atom`."""
    spaces = {"xmlns:content": _CONTENT, "xmlns:dc": _DUBLIN_CORE, "xmlns:atom": ATOM}
    root = ET.Element("rss", {"version": "2.0", **spaces})
    channel = ET.SubElement(root, "channel")
    _plain(channel, "title", title)
    _plain(channel, "link", page_url)
    _plain(channel, "description", description)
    self_link = {"href": self_url, "rel": "self", "type": "application/rss+xml"}
    ET.SubElement(channel, "atom:link", self_link)
    if hub:
        ET.SubElement(channel, "atom:link", {"href": hub, "rel": "hub"})
    _plain(channel, "lastBuildDate", _rfc822(max((entry.updated for entry in entries), default=began)))
    _plain(channel, "generator", "Emeritus")
    for entry in entries:
        _item(channel, entry)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data


def _item(channel: ET.Element, entry: FeedEntry) -> None:
    node = ET.SubElement(channel, "item")
    _plain(node, "title", entry.title)
    _plain(node, "link", entry.url)
    _plain(node, "guid", entry.id).set("isPermaLink", "false")
    _plain(node, "pubDate", _rfc822(entry.published))
    _plain(node, "dc:creator", entry.author)  # RSS's own author has to be a mail address
    for tag in entry.tags:
        _plain(node, "category", tag)
    _plain(node, "description", entry.summary or entry.title)
    _plain(node, "content:encoded", entry.html)


def _plain(parent: ET.Element, name: str, text: str) -> ET.Element:
    node = ET.SubElement(parent, name)
    node.text = _fit(text)
    return node


def _rfc822(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)


def json_feed(
    *,
    title: str,
    self_url: str,
    page_url: str,
    entries: Sequence[FeedEntry],
    description: str = "",
    hub: str = "",
) -> bytes:
    """Return a JSON Feed 1.1."""
    items: list[dict[str, Any]] = [
        {
            "id": entry.id,
            "url": entry.url,
            "title": entry.title,
            "content_html": entry.html,
            **({"summary": entry.summary} if entry.summary else {}),
            "date_published": instant(entry.published),
            "date_modified": instant(entry.updated),
            "authors": [{"name": entry.author}],
            **({"tags": list(entry.tags)} if entry.tags else {}),
        }
        for entry in entries
    ]
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": title,
        "home_page_url": page_url,
        "feed_url": self_url,
        **({"description": description} if description else {}),
        **({"hubs": [{"type": "WebSub", "url": hub}]} if hub else {}),
        "items": items,
    }
    return msgspec.json.encode(feed)
