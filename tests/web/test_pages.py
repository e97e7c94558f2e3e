"""What holds for every page that a visitor can come to by following links."""

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import html5lib
import pytest

SIGNED_IN_ONLY = "/desk"
MAX_BYTES = 50_000


def links(html: str) -> set[str]:
    return {unescape(found) for found in re.findall(r'(?:href|action|src)="([^"]+)"', html)}


def reachable(client, start="/"):
    """Visit every page that links lead to, each once; yield its path and answer."""
    waiting, seen = [start], {start}
    while waiting:
        path = waiting.pop()
        answer = client.get(path)
        yield path, answer
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        for link in links(answer.text):
            parts = urlsplit(urljoin(path, link))
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            assert parts.netloc in ("", "127.0.0.1:8000"), f"{path} links to another host: {link}"
            if target not in seen:
                seen.add(target)
                waiting.append(target)


CHECK = re.compile(r'<script type="module" src="/assets/check-[0-9a-f]{12}\.js"></script>')


def strict(html: str, path: str) -> None:
    try:
        html5lib.HTMLParser(strict=True).parse(html)
    except html5lib.html5parser.ParseError as error:
        pytest.fail(f"{path}: {error}")


def test_every_link_leads_somewhere(client):
    """No visitor meets a dead end: every link on every public page is answered."""
    answers = dict(reachable(client))
    assert len(answers) > 40
    broken = {
        path: answer.status_code for path, answer in answers.items() if answer.status_code not in (200, 303)
    }
    assert broken == {}


def test_every_page_is_sound(client, signed_in):
    """Each page is valid HTML, small, without script (but for the check of an essay), inline style or another host, and says what it may load."""
    signed_in(client)
    for path, answer in [*reachable(client), *reachable(client, "/desk")]:
        headers = answer.headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"], path
        if not headers.get("content-type", "").startswith("text/html"):
            continue
        strict(answer.text, path)
        assert len(answer.content) < MAX_BYTES, f"{path}: {len(answer.content)} bytes"
        said = CHECK.sub("", answer.text, count=1) if path.startswith("/column/essays/") else answer.text
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", said), path
        allowed = "script-src 'self'" in headers["content-security-policy"]
        assert allowed == (said != answer.text), f"{path}: what its policy allows is what it has"
        assert answer.text.count("<h1") == 1, path
        assert "<title>" in answer.text, path


def test_an_empty_house_has_pages_too(new_house, client_for):
    """Before anything was done, and before the house was founded, each page still answers."""
    house = new_house()
    client = client_for(house)
    for path in ("/", "/record", "/access", "/column", "/healthz", "/nothing"):
        assert client.get(path).status_code in (200, 404), path
    house.found()
    for path, answer in reachable(client):
        assert answer.status_code in (200, 303), path
        if answer.headers.get("content-type", "").startswith("text/html"):
            strict(answer.text, path)


def test_a_demonstration_says_so_on_every_page(new_house, client_for, signed_in):
    """Law 7: where scripts stand in for people, every page has the banner, and every script its label."""
    house = new_house().fill(demo=True)
    client = signed_in(client_for(house))
    for path, answer in [*reachable(client), *reachable(client, "/desk")]:
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert "Demonstration:" in answer.text, path
            # Apart from what was said or logged, word for word, and what is typed into forms:
            quoted = r'<(pre|textarea)\b.*?</\1>|<(\w+) class="said.*?</\2>|value="[^"]*"'
            body = re.sub(quoted, "", answer.text, flags=re.DOTALL)
            for found in re.finditer(
                r"Demo (?:steward|(?:second )?reviewer)(.{0,50})", body, flags=re.DOTALL
            ):
                assert "(script)" in found[1], f"{path}: {found[0]!r}"


def test_what_never_changes_is_kept_for_a_year(client):
    """The stylesheet is served under the hash of its content, for ever."""
    path = re.search(r'href="(/assets/style-[0-9a-f]{12}\.css)"', client.get("/").text)[1]
    answer = client.get(path)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    assert "http" not in answer.text.replace("http://www.w3.org", "")
