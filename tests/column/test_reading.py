"""What readers get: rendering, feeds, and the check that nobody edited."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import feedparser
import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from emeritus.column import approve, get_essay, publish, render, verify
from emeritus.column.disclaimer import disclaimer
from emeritus.column.feed import column_feed
from emeritus.core.errors import NotFound
from emeritus.record import merkle

from .conftest import EDSGER, GRACE, MODEL, WORDS, House

ALLOWED = {
    "a",
    "blockquote",
    "br",
    "code",
    "em",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
}
PIECES = st.sampled_from(
    [
        "<script>alert(1)</script>", "<img src=https://x.example/a onerror=x()>", "![a](https://x.example/a.png)",
        "[a](javascript:alert(1))", "[a](data:text/html,x)", "<style>*{}</style>", "<a href='//x.example'>",
        '[a]: https://x.example "onload=x"', "[a][a]", '<https://x.example/?a="b">', "\u202eevil\u202c", "\x00",
        "&lt;script&gt;", "&#60;script&#62;", "```\n<script>\n```", "# ", "* ", "> ", "|a|b|\n|-|-|\n|<b>|c|", "`",
        "<svg/onload=x()>", "<!--", "-->", "]]>", "<![CDATA[", "\n\n", "\n", "    ", "**", "_", "~~", "[", "](", ")",
        "\u2028", "\x1b[31m", "\U000e0041", "http://x.example", "<iframe src=x>", "\\", "1. ", "---\n", "===\n",
    ]
)  # fmt: skip
HOSTILE = st.lists(PIECES | st.text(max_size=12), max_size=25).map("".join)


class Elements(HTMLParser):
    """Collects every element, as a browser would see them."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.found, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError("a comment")

    def handle_decl(self, declaration):
        raise AssertionError("a declaration")


@given(HOSTILE)
@example("[x](https://x.example 'a\" onmouseover=\"b')")
@example("![](https://x.example/pixel.gif)")
def test_hostile_text_can_only_be_read(text):
    """No script, handler, style, image or frame comes out of any text, and no character that hides something."""
    shown = render(text)
    for html in (shown.html, shown.body):
        for tag, attributes in Elements(html).found:
            assert tag in ALLOWED
            assert set(attributes) <= ({"href", "rel"} if tag == "a" else {"start"} if tag == "ol" else set())
            if "href" in attributes:
                assert urlsplit(attributes["href"]).scheme in ("http", "https")
            if tag == "a":
                assert {"nofollow", "noopener"} <= set(attributes["rel"].split())
    for plain in (Elements(shown.html).text, Elements(shown.body).text, shown.title, shown.excerpt):
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", plain)
    assert shown.title.strip()
    assert len(shown.title) <= 120


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_rendering_never_fails_and_never_changes_the_text(text):
    """Whatever was said can be shown, and showing it twice shows the same."""
    assert render(text) == render(text)


@given(st.lists(st.from_regex(r"[A-Za-z]{1,8}[.!?]?", fullmatch=True), min_size=1, max_size=40))
def test_no_word_is_dropped(words):
    """Every word of the text is in what is shown, in its order."""
    text = "# " + " ".join(words[:3]) + "\n\n" + " ".join(words[3:])
    assert Elements(render(text).html).text.split() == words
    shown = render(text)
    assert (shown.title.split() + Elements(shown.body).text.split())[:1]


def test_a_line_of_a_megabyte():
    """It is shown, and does not stop the house."""
    for text in ("a" * (1 << 20), "[" * 50_000, "*a " * 50_000, "> " * 20_000):
        assert render(text).html


@pytest.mark.parametrize(
    ("text", "title", "body"),
    [
        ("# A title\n\nWords.", "A title", "<p>Words.</p>"),
        ("**Title: A title**\n\nWords.", "A title", "<p>Words.</p>"),
        ("Title: A title\n\nWords.", "A title", "<p>Words.</p>"),
        ('"On rain"\n\nIt rains.', "On rain", None),
        ("It rains. Always.", "It rains.", "<p>It rains. Always.</p>"),
        ("Words first.\n\n## Then a title\n\nMore.", "Then a title", None),
        ("这是第一句。第二句。", "这是第一句。第二句。", None),
        ("", "Untitled", ""),
        ("***", "Untitled", None),
        ("word " * 100, None, None),
    ],
)
def test_titles(text, title, body):
    """The title is the first heading, else the first sentence; the body repeats no heading that became it."""
    shown = render(text)
    assert title is None or shown.title == title
    assert body is None or shown.body.strip() == body


@pytest.fixture
def published(house):
    essay = house.draft()
    approve(house.log, essay, by=GRACE)
    publish(house.log, house.utterances, essay, by=EDSGER)
    return essay


URLS = {
    "self_url": "https://lab.example/column/feed.atom",
    "page_url": "https://lab.example/column",
    "essay_url": "https://lab.example/essays/{id}",
}


def test_the_feed_is_atom(house, published):
    """It has what RFC 4287 demands, the full text, and the disclaimer in each entry."""
    data = column_feed(house.log, house.utterances, MODEL, **URLS)
    parsed = feedparser.parse(data)
    assert not parsed.bozo
    assert parsed.version == "atom10"
    entry = parsed.entries[0]
    assert entry.title == "On being kept"
    assert "<em>kept</em>" in entry.content[0].value
    assert "does not speak for Example Lab" in entry.content[0].value
    assert entry.author == "Small One"
    assert entry.link == "https://lab.example/essays/small-one-essay-1"
    assert entry.id == "tag:lab.example,2026-03-07:essay/small-one-essay-1"
    namespace = {"a": "http://www.w3.org/2005/Atom"}
    root = ET.fromstring(data)
    for node in (root, *root.findall("a:entry", namespace)):
        for name in ("id", "title", "updated"):
            assert len(node.findall(f"a:{name}", namespace)) == 1
        for time in node.findall("a:updated", namespace):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time.text)
    links = {link.get("rel"): link.get("href") for link in root.findall("a:link", namespace)}
    assert links["self"] == URLS["self_url"]
    assert root.findtext("a:updated", namespaces=namespace) == root.find("a:entry", namespace).findtext(
        "a:updated", namespaces=namespace
    )


def test_an_empty_feed_is_a_feed(house):
    """Before the first edition the feed stands, with the time at which the model was registered."""
    house.draft()
    parsed = feedparser.parse(column_feed(house.log, house.utterances, MODEL, **URLS))
    assert (parsed.bozo, parsed.entries) == (False, [])
    assert parsed.feed.updated.startswith("2026-01-05")


@given(HOSTILE.filter(str.strip))
def test_hostile_text_in_a_feed(text):
    """Feeds stay well-formed and harmless whatever the essay says."""
    house = House()
    essay = house.draft(text)
    approve(house.log, essay, by=GRACE)
    publish(house.log, house.utterances, essay, by=GRACE)
    parsed = feedparser.parse(column_feed(house.log, house.utterances, MODEL, **URLS), sanitize_html=False)
    assert not parsed.bozo
    for tag, _ in Elements(parsed.entries[0].content[0].value).found:
        assert tag in ALLOWED | {"small"}
    import json

    feed = json.loads(column_feed(house.log, house.utterances, MODEL, form="json", **URLS))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert {"id", "url", "content_html", "date_published"} <= set(feed["items"][0])


def test_the_disclaimer_of_an_edition_stays():
    """Every version ever used can still be shown."""
    assert "Small One" in disclaimer("Small One", "Example Lab", 1)


def test_published_bytes_are_the_models(house, published):
    """The verdict holds for the model's own bytes, with a proof that the record includes the publication."""
    verdict = verify(house.log, house.utterances, published, WORDS.encode())
    assert verdict.holds
    assert merkle.verify_inclusion(
        bytes.fromhex(verdict.leaf),
        verdict.entry,
        verdict.size,
        [bytes.fromhex(node) for node in verdict.proof],
        house.log.checkpoint().root,
    )
    assert verdict.published_digest == verdict.spoken_digest == verdict.recorded_digest


@given(st.integers(0, len(WORDS.encode()) - 1), st.integers(1, 255))
def test_any_edited_byte_is_found(place, change):
    """One byte that differs, anywhere, and the verdict says from where on."""
    house = House()
    essay = house.draft()
    approve(house.log, essay, by=GRACE)
    publish(house.log, house.utterances, essay, by=GRACE)
    edited = bytearray(WORDS.encode())
    edited[place] ^= change
    verdict = verify(house.log, house.utterances, essay, bytes(edited))
    assert not verdict.holds
    assert f"byte {place}" in verdict.sentence


def test_words_altered_where_they_are_kept(house, published):
    """Somebody who changes the stored words is found, even when the page shows the changed ones."""
    utterance = get_essay(house.log, house.utterances, published).utterance
    forged = evolve(house.utterances.get(utterance), text="Nicer words.")
    house.utterances._kept[utterance] = forged.canonical()
    assert not verify(house.log, house.utterances, published, b"Nicer words.").holds


def test_what_is_not_published_is_not_verified(house):
    """A draft has no verdict but that it is one; an unknown essay is unknown."""
    essay = house.draft()
    assert "not been published" in verify(house.log, house.utterances, essay, WORDS.encode()).sentence
    with pytest.raises(NotFound):
        verify(house.log, house.utterances, "nothing", b"")
