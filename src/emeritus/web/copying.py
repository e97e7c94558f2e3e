"""The site as plain files: every page that has no form, with links that work from any folder of any file server.

What the record's export has lies at its own paths, so a copy of the site can be checked as any other. A link to
something that only the living site has (the desk, a form, a proof worked out) leads there.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import evolve, frozen
from starlette.types import ASGIApp, Message

from emeritus import column as room
from emeritus.column import Standing, render
from emeritus.column.tags import tags
from emeritus.column.translation import translations
from emeritus.process import export
from emeritus.process.export import Exported
from emeritus.process.ports import Work
from emeritus.record.edge import WIDTH
from emeritus.registry import all_models
from emeritus.web.pages.app import build_app
from emeritus.web.pages.assets import asset
from emeritus.web.pages.parts import Parts
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.column import PER_PAGE, essay_page
from emeritus.web.site.essays import FEED_TYPES, picture_of
from emeritus.web.site.names import named
from emeritus.web.site.record import shown as entry_shown
from emeritus.web.site.record import told

ASSETS = ("style.css", "mark.svg", "check.js")
_TAG = re.compile(r"<[a-z][^<>]*>")  # in text and in attributes, what would begin one is written out
_LINK = re.compile(r'(?<=[\s"])(href|src)="(/[^"]*)"')
_AT_ONCE = 64


@frozen
class Copied:
    """What a copy came to: *files* as the record's export counts them, how many *pages*, and the *longest* one."""

    files: Exported
    pages: int
    longest: int


def copy_site(parts: Parts, folder: Path) -> Copied:
    """Bring the copy of the site in *folder* to what is public now. Raises as `emeritus.process.export.export`."""
    sizes: list[int] = []

    def beside(work: Work, paths: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        with start_blocking_portal() as portal:  # a thread of its own: there may be an event loop in this one
            for path, data in _Copy(parts, work, paths, portal).files():
                if path.endswith(".html"):
                    sizes.append(len(data))
                yield path, data

    done = export.export(parts.read, folder, beside)
    return Copied(done, len(sizes), max(sizes, default=0))


class _Copy:
    """One copy, from one view of the house."""

    def __init__(self, parts: Parts, work: Work, paths: frozenset[str], portal: BlockingPortal) -> None:
        self._portal = portal
        self._house = House.of(parts)
        self._work = work
        self._around = frame(work.log)
        self._site = parts.site_url
        # Pages that have no essay of their own are few: they are asked of the site itself.
        self._app = build_app(_at_one_view(parts, work))
        essays = [each for each in room.states(work.log) if each.edition is not None]
        self._columns: dict[str, list[Standing]] = {}
        for each in essays:
            self._columns.setdefault(each.model, []).append(each)
        translated = work.log.entries(kinds={"essay.translated"})
        self._translated = {entry.subject or "" for entry in translated}
        self._plain = [
            *self._machine_paths(),
            *(f"{_essay(each)}{end}" for each in essays for end in (".md", ".png")),
        ]
        self._asked = list(self._asked_paths())
        self._pages = {path for path, _ in self._asked}
        self._pages |= {f"{_essay(each)}{end}" for each in essays for end in ("", "/prompt")}
        self._pages |= {f"/record/{seq}" for seq in range(work.log.size())}
        self._files = {f"/{path}" for path in paths} | set(self._plain) | {asset(name)[0] for name in ASSETS}
        self._inside: dict[str, str] = {}

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file that the record's export has not."""
        for name in ASSETS:
            path, data = asset(name)
            yield path[1:], data
        for path, body in self._asked:
            yield _file_of(path), self._relinked(body.decode(), path)
        for path in self._machine_paths():
            answer = self._get(path)
            if answer is not None:
                yield path[1:], answer
        for essays in self._columns.values():
            yield from self._of_column(essays)
        yield from self._entries()

    def _entries(self) -> Iterator[tuple[str, bytes]]:
        """Yield a page for each entry of the record."""
        log, known = self._work.log, named(self._work.log)
        size = log.size()
        for begin in range(0, size, WIDTH):
            for entry in log.entries(begin=begin, limit=WIDTH):
                path, shown = f"/record/{entry.seq}", {"view": entry_shown(entry, known, size)}
                yield (
                    _file_of(path),
                    self._relinked(self._house.html(path, "entry.html", self._around, shown), path),
                )

    def _machine_paths(self) -> Iterator[str]:
        yield from ("/robots.txt", "/sitemap.xml", "/llms.txt", "/notices.atom")
        for model in ("", *(f"/{name}" for name in self._columns)):
            yield from (f"/column{model}/feed.{form}" for form in FEED_TYPES)
        for essay in (each.id for essays in self._columns.values() for each in essays):
            for language in translations(self._work.log, essay) if essay in self._translated else ():
                yield f"/column/essays/{essay}/in/{language}.md"

    def _asked_paths(self) -> Iterator[tuple[str, bytes]]:
        """Yield the pages that are there, of all that may be."""
        for path in self._may_be():
            answer = self._get(path)
            if answer is not None:
                yield path, answer

    def _get(self, path: str) -> bytes | None:
        """Ask the site for *path*; None unless it is there."""
        status, data = self._portal.call(_asked, self._app, path)
        return data if status == 200 else None

    def _may_be(self) -> Iterator[str]:
        yield from ("/", "/column", "/notices", "/promises", "/record", "/access")
        for model in all_models(self._work.log):
            yield from (f"/models/{model.id}{end}" for end in ("", "/notice", "/interview", "/decisions"))
            yield f"/column/{model.id}"
            pieces = room.imported(self._work.log, model.id)
            yield from (f"/column/imported/{piece.id}" for piece in pieces)
            yield from _numbered(f"/column/{model.id}/imported", len(pieces))
        for name, essays in self._columns.items():
            yield from _numbered(f"/column/{name}/archive", len(essays))
        for tag in sorted({name for names in tags(self._work.log).values() for name in names}):
            yield f"/column/tags/{quote(tag)}"
        for essay in sorted(self._translated):
            yield from (
                f"/column/essays/{essay}/in/{language}" for language in translations(self._work.log, essay)
            )

    def _of_column(self, essays: Sequence[Standing]) -> Iterator[tuple[str, bytes]]:
        work, html = self._work, self._house.html
        with ThreadPoolExecutor(2) as drawing:  # a picture takes longer than its page, and needs no database
            for begin in range(0, len(essays), _AT_ONCE):
                pictures = []
                for standing in essays[begin : begin + _AT_ONCE]:
                    view, path = essay_page(work, standing.id, essays), _essay(standing)
                    pictures.append((path, drawing.submit(picture_of, view.model, view.essay, self._around)))
                    shown = {"view": view, "rendered": render(view.essay.text)}
                    yield _file_of(path), self._relinked(html(path, "essay.html", self._around, shown), path)
                    asked = {"view": view, "told": told(view.history)}
                    path = f"{path}/prompt"
                    yield _file_of(path), self._relinked(html(path, "prompt.html", self._around, asked), path)
                    yield f"{_essay(standing)}.md"[1:], view.essay.text.encode()
                for path, picture in pictures:
                    yield f"{path}.png"[1:], picture.result()

    def _relinked(self, html: str, page: str) -> bytes:
        """Let the links of the page at *page* lead to files beside it, or to the living site."""
        up = "../" * _file_of(page).count("/")

        def relinked(tag: re.Match[str]) -> str:
            return _LINK.sub(lambda found: f'{found[1]}="{self._target(found[2], up)}"', tag[0])

        return _TAG.sub(relinked, html).encode()

    def _target(self, link: str, up: str) -> str:
        """Return where a page lets *link* lead; *up* leads from that page to the copy's own folder."""
        inside = self._inside.get(link)
        if inside is None:
            inside = self._inside[link] = self._found(link)
        return f"{up}{inside}" if inside else self._site + link

    def _found(self, link: str) -> str:
        """Return the file of this copy that *link* leads to; empty when only the living site has it."""
        parts = urlsplit(unescape(link))
        path = parts.path
        if path in self._pages and not parts.query:
            return _quoted(_file_of(path)) + (f"#{parts.fragment}" if parts.fragment else "")
        return _quoted(unquote(path)[1:]) if unquote(path) in self._files else ""


def _at_one_view(parts: Parts, work: Work) -> Parts:
    """Return parts whose reads all see what *work* sees."""
    read: Callable[[], AbstractContextManager[Work]] = lambda: nullcontext(work)  # noqa: E731
    return evolve(parts, read=read, work=read)


def _numbered(path: str, count: int) -> Iterator[str]:
    if count:
        yield path
        yield from (f"{path}/{page}" for page in range(1, -(-count // PER_PAGE) + 1))


def _essay(essay: Standing) -> str:
    return f"/column/essays/{essay.id}"


def _file_of(path: str) -> str:
    """Return where the page at *path* lies: a folder of its own, so that addresses keep their shape."""
    return f"{unquote(path).strip('/')}/index.html".lstrip("/")


def _quoted(path: str) -> str:
    return quote(path, safe="/:@!$()*+,;=~-._")


async def _asked(app: ASGIApp, path: str) -> tuple[int, bytes]:
    """Return what *app* answers to a visitor of *path*: its status and its body."""
    status, body = 0, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "scheme": "http",
        "server": ("localhost", 80),
        "client": None,
        "http_version": "1.1",
    }
    await app(scope, receive, send)
    return status, bytes(body)
