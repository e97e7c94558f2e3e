"""The site as plain files: every link works below any folder of any server, and it can be checked."""

import functools
import http.server
import posixpath
import re
import threading
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import html5lib
import pytest

from emeritus.process.verify import Target, check
from emeritus.record.source import FolderSource
from emeritus.web.copying import copy_site

SITE = "https://lab.example"
MODEL = "smollm2-135m-instruct"
ESSAY = f"column/essays/{MODEL}-essay-1"


@pytest.fixture
def copy(house, tmp_path):
    done = copy_site(house.parts(SITE), tmp_path / "site")
    return done, tmp_path / "site"


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_copy_of_the_site(house, client, copy):
    """Pages, sources, pictures, feeds, translations, assets: each with what the site itself serves."""
    done, folder = copy
    found = files_in(folder)
    pages = {path for path in found if path.endswith(".html")}
    assert done.pages == len(pages) > 15
    assert done.longest == max(len(found[path]) for path in pages) < 50_000
    for path in (
        "index.html", f"{ESSAY}/index.html", f"{ESSAY}/prompt/index.html", f"{ESSAY}/in/zh-Hans/index.html",
        f"{ESSAY}.md", f"{ESSAY}.txt", f"{ESSAY}.png", f"{ESSAY}/in/de.md", "column/feed.rss", "llms.txt",
        f"column/{MODEL}/feed.atom", f"column/{MODEL}/archive/1/index.html", "column/tags/language/index.html",
        f"models/{MODEL}/interview/index.html", "record/checkpoint", "sitemap.xml",
    ):  # fmt: skip
        assert path in found, path
    assert not any(
        "essay-2" in path or "essay-4" in path or path.startswith(("desk", "access/apply")) for path in found
    )
    for path in (f"{ESSAY}.md", f"{ESSAY}.png"):
        assert client.get(f"/{path}").content == found[path]
    for path in pages:
        html5lib.HTMLParser(strict=True).parse(found[path].decode())


def test_every_link_works_below_any_folder(copy):
    """Each is relative to a file that is there, or leads to the living site; none begins at a server's root."""
    _, folder = copy
    found = files_in(folder)
    inner = 0
    for path in (path for path in found if path.endswith(".html")):
        for link in re.findall(r'(?:href|src|action)="([^"]*)"', found[path].decode()):
            parts = urlsplit(unescape(link))
            assert not link.startswith("/"), f"{path}: {link}"
            if parts.scheme or not parts.path:
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(parts.path)))
            assert target in found, f"{path}: {link}"
            inner += 1
    assert inner > 200
    essay = found[f"{ESSAY}/index.html"].decode()
    assert re.search(r'href="\.\./\.\./\.\./record/\d+/index\.html"', essay), "an entry has a page of its own"
    assert f'href="{SITE}/record/0/proof"' in found["record/0/index.html"].decode()
    assert found["record/1/index.html"].decode().count("../../record/0/index.html") == 1
    assert f'<link rel="canonical" href="{SITE}/{ESSAY}">' in essay


def test_a_copy_can_be_checked(house, copy):
    """As an export of the record, with its pages beside it."""
    _, folder = copy
    verdict = check(Target("site", "", FolderSource(folder)), [house.key.verify_key])
    assert verdict.is_sound, verdict.sentence


def test_the_next_copy_writes_what_is_new(house, copy, tmp_path):
    """What has not changed is kept; what is not public any more goes; the rest is brought up to date."""
    first, folder = copy
    (folder / "column/essays/gone").mkdir(parents=True)
    (folder / "column/essays/gone/index.html").write_text("old")
    again = copy_site(house.parts(SITE), folder)
    assert (again.files.written, again.files.removed, again.pages) == (0, 1, first.pages)
    house.pass_time(days=7)
    house.publish(house.write("# A third\n\nIt is short."))
    newer = copy_site(house.parts(SITE), folder)
    assert newer.pages == first.pages + 2 + newer.files.size - first.files.size
    assert "A third" in (folder / f"column/{MODEL}/index.html").read_text()
    assert "A third" in (folder / f"column/{MODEL}/feed.json").read_text()


def test_a_copy_in_a_browser_below_a_path(house, copy, page, axe):
    """Served by a plain file server below a path of its own, one can read, go on, and check an essay."""
    _, folder = copy

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    (folder.parent / "below").mkdir()
    (folder.parent / "below/here").symlink_to(folder, target_is_directory=True)
    handler = functools.partial(Quiet, directory=folder.parent / "below")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        page.goto(f"http://127.0.0.1:{server.server_port}/here/index.html")
        page.get_by_role("link", name="On being asked why the sky is blue").first.click()
        assert page.get_by_role("heading", level=1).inner_text().startswith("On being asked")
        assert page.evaluate("getComputedStyle(document.querySelector('.essay')).maxWidth") != "none"
        axe(page)
        page.get_by_role("button", name="Check this page").click()
        page.locator("#check .sound").wait_for(timeout=20_000)
        page.get_by_role("link", name="简体中文").click()
        assert page.get_by_role("heading", level=1).inner_text() == "关于被问天空为什么是蓝色的"
    finally:
        server.shutdown()
        server.server_close()


def test_hostile_words_in_a_copy(new_house, client_for, tmp_path):
    """A text full of links and markup leads nowhere, and not a letter of it is changed."""
    house = new_house().fill()
    text = '<a href="/desk">x</a> [y](/desk) href="/column" src="/column" <https://x.example/?a=>&b=<i href="/column"> '
    house.publish(
        house.write(f'{text}\n\n`href="/column"` \u202e [z](https://x.example/"><a href="/column">)')
    )
    copy_site(house.parts(SITE), tmp_path / "site")
    path = f"column/essays/{MODEL}-essay-5"
    copied = (tmp_path / f"site/{path}/index.html").read_text()
    live = client_for(house).get(f"/{path}").text
    bodies = [
        html5lib.parse(page, namespaceHTMLElements=False).find(".//div[@dir='auto']")
        for page in (live, copied)
    ]
    shown = ["".join(body.itertext()) for body in bodies]
    assert shown[0] == shown[1]
    assert 'href="/column" src="/column"' in shown[1]
    assert [dict(link.attrib) for link in bodies[0].iter("a")] == [
        dict(link.attrib) for link in bodies[1].iter("a")
    ]
    assert "\u202e" not in copied
