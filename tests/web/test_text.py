"""How words, times and numbers are written on a page."""

import re
from datetime import UTC, datetime

import html5lib
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.people import Actor
from emeritus.web.pages import text

ANY = st.text(alphabet=st.characters(codec="utf-8"), max_size=200)


@given(ANY)
def test_any_text_is_sound_on_a_page(words):
    """Whatever the text, the page that shows it is valid, and has no element but those of the house."""
    page = f'<!doctype html><html lang="en"><head><title>x</title></head><body><p>{text.words(words)}</p></body></html>'
    html5lib.HTMLParser(strict=True).parse(page)
    assert set(re.findall(r"<(\w+)", str(text.words(words)))) <= {"span"}


@given(
    st.one_of(
        ANY, st.sampled_from(["entry 11", "/record/11"]), ANY.map("https://{}".format), ANY.map("/{}".format)
    )
)
def test_where_something_is_seen_is_a_link_or_a_text(words):
    """An entry, a page here, an address elsewhere; whatever else somebody wrote stays words."""
    shown = str(text.source(words))
    html5lib.HTMLParser(strict=True).parse(
        f'<!doctype html><html lang="en"><head><title>x</title></head><body><p>{shown}</p></body></html>'
    )
    assert set(re.findall(r"<(\w+)", shown)) <= {"span", "a"}
    for target in re.findall(r'href="([^"]*)"', shown):
        assert re.match(r"https?://[A-Za-z0-9]|/(?![/\\])", target)


@given(ANY, st.integers(1, 50))
def test_a_long_text_is_cut_with_a_word(words, limit):
    """A cut says how much is missing; nothing is left out silently."""
    plain = words.replace("\r\n", "\n").replace("\r", "\n")
    cut = len(plain) > limit
    assert ("cut here for the page" in text.words(words, limit)) == cut or "cut here" in words


@given(st.lists(st.integers(1, 6), max_size=12), st.integers(2, 3))
def test_headings_skip_no_level(levels, top):
    """The headings of an essay, whatever they are, begin below the page's own and go down step by step."""
    html = "".join(f"<h{level}>x</h{level}>" for level in levels)
    shown = text.shown(html, top)
    found = [int(level) for level in re.findall(r"<h(\d)>", shown)]
    assert found == [int(level) for level in re.findall(r"</h(\d)>", shown)]
    assert all(level >= top for level in found)
    assert all(after <= before + 1 for before, after in zip([top - 1, *found], found, strict=False))


def test_numbers_and_sizes():
    """Units and thousands are written one way."""
    assert text.number(1234567) == "1\u202f234\u202f567"
    assert text.size(999) == "999\u00a0bytes"
    assert text.size(91_727_520) == "91.7\u00a0MB"
    assert text.amount(0.02) == "0.02"
    assert text.amount(40.0) == "40"
    assert [text.count(n, "model") for n in (0, 1, 2, 11)] == [
        "no models",
        "one model",
        "two models",
        "11 models",
    ]


def test_who_and_when():
    """A script is called one; a time carries its zone for machines."""
    assert "(script)" in text.who(Actor("script", "Demo steward"))
    assert "(script)" not in text.who(Actor("person", "Ada"))
    at = datetime(2026, 1, 5, 9, 3, tzinfo=UTC)
    assert 'datetime="2026-01-05T09:03:00Z"' in text.moment(at)
    assert "5\u00a0January\u00a02026" in text.day(at)
