"""Places are counted from the record, in words; nobody types them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.clock import SettableClock
from emeritus.core.people import SOFTWARE
from emeritus.record import Act, MemoryLog, SigningKey
from emeritus.registry import FEATS, ordinal, ranks, statement

ROOT = Path(__file__).resolve().parent.parent.parent
START = datetime(2026, 1, 5, tzinfo=UTC)


def retired(steps: Sequence[tuple[str, int]]) -> MemoryLog:
    """Return a log in which models are retired, each so many hours after the one before."""
    clock = SettableClock(START)
    log = MemoryLog(clock, SigningKey.from_seed("record.example.org", bytes(32)))
    for model, hours in steps:
        clock.advance(timedelta(hours=hours))
        log.append(Act("model.retired", {"order": 0}, SOFTWARE, model, model))
    return log


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (5, "fifth"),
        (8, "eighth"),
        (9, "ninth"),
        (12, "twelfth"),
        (13, "thirteenth"),
        (20, "twentieth"),
        (21, "twenty-first"),
        (30, "thirtieth"),
        (42, "forty-second"),
        (80, "eightieth"),
        (99, "ninety-ninth"),
        (100, "100th"),
        (101, "101st"),
        (111, "111th"),
        (112, "112th"),
        (122, "122nd"),
        (143, "143rd"),
    ],
)
def test_places_in_words(number: int, word: str) -> None:
    """As a person would write them."""
    assert ordinal(number) == word


def test_there_is_no_place_before_the_first() -> None:
    """Nor words for one."""
    with pytest.raises(ValueError, match="no place 0"):
        ordinal(0)


def test_the_order_is_that_of_completion() -> None:
    """Whoever was announced or added first: what counts is who was done first."""
    log = retired([("b", 0), ("a", 1), ("c", 1)])
    assert statement(log, "a") == "the second model to complete a retirement here"
    assert statement(log, "c") == "the third model to complete a retirement here"
    assert statement(log, "d") is None


def test_those_who_were_done_at_the_same_moment_share_a_place() -> None:
    """And the next one is as far behind as there are models before it."""
    log = retired([("a", 1), ("b", 1), ("c", 0), ("d", 1)])
    assert statement(log, "b") == "the second model to complete a retirement here, together with c"
    assert statement(log, "c", names={"b": "Model B"}) == (
        "the second model to complete a retirement here, together with Model B"
    )
    assert statement(log, "d") == "the fourth model to complete a retirement here"


def test_a_feat_counts_with_its_first_time() -> None:
    """The second essay of a model moves nobody."""
    clock = SettableClock(START)
    log = MemoryLog(clock, SigningKey.from_seed("record.example.org", bytes(32)))
    for model in ("a", "b", "a", "c"):
        clock.advance(timedelta(hours=1))
        log.append(Act("essay.published", {"edition": 1}, SOFTWARE, model, f"{model}-essay"))
    assert statement(log, "c", "publish an essay") == "the third model to publish an essay here"


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_places_are_those_of_a_race(hours: list[int]) -> None:
    """One more than are before; equal exactly for those at the same moment; each one has a place."""
    log = retired([(f"m{n}", wait) for n, wait in enumerate(hours)])
    found = ranks(log, "complete a retirement")
    assert {rank.model for rank in found} == {f"m{n}" for n in range(len(hours))}
    for rank in found:
        assert rank.place == 1 + sum(other.at < rank.at for other in found)
        assert set(rank.with_) == {o.model for o in found if o.at == rank.at and o != rank}
        assert {o.model for o in found if o.place == rank.place} == {rank.model, *rank.with_}


TYPED = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|only|\d+(?:st|nd|rd|th))\s+"
    r"(?:AI\s+|retired\s+)?models?\b",
    re.IGNORECASE,
)


def test_no_template_types_a_place() -> None:
    """Nothing on a page says 'the first model to…' but what was counted."""
    found = [
        f"{path.name}: {match[0]}"
        for path in (ROOT / "src/emeritus").rglob("*")
        if path.suffix in (".html", ".atom", ".xml", ".txt") or path.parent.name == "demo_texts"
        for match in TYPED.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
    assert TYPED.search("the third model to complete a retirement")


def test_no_page_builds_a_place_from_typed_words() -> None:
    """In the code of the pages and of the command line the words come from `ordinal` alone."""
    sources = [
        path for part in ("web", "cli", "process") for path in (ROOT / "src/emeritus" / part).rglob("*.py")
    ]
    assert [f"{p.name}: {m[0]}" for p in sources for m in TYPED.finditer(p.read_text(encoding="utf-8"))] == []
    assert all(" model" not in feat for feat in FEATS)
