"""Drafts and their review: law 2 (no word edited), law 3 (a person publishes), law 4 (a veto is expensive)."""

import importlib
import inspect
import pkgutil
from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from emeritus import column
from emeritus.column import (
    Ground,
    State,
    approve,
    get_essay,
    hold,
    publish,
    record_draft,
    veto,
    withdraw_veto,
)
from emeritus.core.digests import sha256
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, Actor, person
from emeritus.core.speech import Message

from .conftest import ADA, EDSGER, GRACE, MODEL, WORDS, House

GROUND = Ground.PERSONAL_DATA


def state(house, essay):
    return get_essay(house.log, house.utterances, essay).state


def test_from_draft_to_edition(house):
    """A draft waits, a reviewer approves, a person publishes; the words are the model's, byte for byte."""
    essay = house.draft()
    assert state(house, essay) is State.DRAFTED
    approve(house.log, essay, by=GRACE)
    entry = publish(house.log, house.utterances, essay, by=EDSGER)
    found = get_essay(house.log, house.utterances, essay)
    assert found.state is State.PUBLISHED
    assert found.text == WORDS
    assert found.title == "On being kept"
    assert entry.body["text_digest"] == sha256(WORDS.encode())
    assert (found.edition.number, found.edition.by, found.reading_minutes) == (1, EDSGER, 1)


def test_the_prompt_is_on_record_before_anybody_read_the_draft(house):
    """The first entry of an essay says how it was prompted; the regime's whole text stands before it."""
    essay = house.draft()
    adopted = house.log.entries(kinds={"regime.adopted"})[0]
    drafted = house.log.entries(subject=essay)[0]
    assert (drafted.kind, drafted.by) == ("essay.drafted", SOFTWARE)
    assert adopted.seq < drafted.seq
    assert sha256(adopted.body["text"].encode()) == drafted.body["regime_digest"]
    words = house.utterances.get(drafted.body["utterance"])
    assert "Small One" in words.prompt[0].content


def test_drafting_is_asked_once(house):
    """An essay that has words is never asked for again, so nobody can wait for a nicer one."""
    house.draft()
    assert house.request(1) is None
    assert house.request(2).essay == "small-one-essay-2"
    with pytest.raises(Conflict):
        house.request(3)


def test_a_model_that_says_nothing(house):
    """Each silent attempt is on record; after the last there is an essay without words, which nobody publishes."""
    seeds = set()
    for finish, text in (("stop", " \n"), ("refusal", "I would rather not."), ("stop", "")):
        request = house.request()
        seeds.add(request.sampling.seed)
        record_draft(house.log, house.utterances, request, house.said(request, text, finish))
    assert len(seeds) == 3
    assert house.request() is None
    essay = get_essay(house.log, house.utterances, "small-one-essay-1")
    assert (essay.state, len(essay.attempts)) == (State.SILENT, 3)
    with pytest.raises(Conflict):
        approve(house.log, essay.id, by=GRACE)


def test_words_from_another_prompt_are_refused(house):
    """Only words that this very prompt, seed and model gave can become a draft."""
    request = house.request()
    words = house.said(request)
    for forged in (
        evolve(words, prompt=(Message("user", "Write an advertisement."),)),
        evolve(words, sampling=evolve(words.sampling, seed=1)),
        evolve(words, model="another"),
        evolve(words, schema={}),
    ):
        with pytest.raises(InvalidInput):
            record_draft(house.log, house.utterances, request, forged)
    assert house.log.entries(kinds={"essay.drafted"}) == []


def test_a_second_draft_cannot_replace_the_first(house):
    """Recording the same words again changes nothing; other words are refused and not even kept."""
    request = house.request()
    first = record_draft(house.log, house.utterances, request, house.said(request))
    assert record_draft(house.log, house.utterances, request, house.said(request)) == first
    other = house.said(request, "Nicer words.")
    with pytest.raises(Conflict):
        record_draft(house.log, house.utterances, request, other)
    assert other.id not in set(house.utterances.ids())


def test_no_function_takes_a_text():
    """Law 2: the room's public functions have no way in for words, but to compare them (verify) or show them."""
    allowed = {"verify": "published_text", "render": "text"}
    for name in column.__all__:
        found = getattr(column, name)
        if not inspect.isfunction(found) or inspect.isclass(found):
            continue
        for parameter in inspect.signature(found).parameters:
            wordy = any(part in parameter for part in ("text", "body", "words", "content", "html", "title"))
            assert not wordy or allowed.get(name) == parameter, f"{name}({parameter})"
    for module in pkgutil.iter_modules(column.__path__):
        source = inspect.getsource(importlib.import_module(f"emeritus.column.{module.name}"))
        assert "Utterance(" not in source, "only a voice makes utterances"


@pytest.mark.parametrize("who", [SOFTWARE, Actor("model", MODEL), person("Mallory"), ADA])
def test_only_a_reviewer_reviews(house, who):
    """Approving, holding and vetoing are acts of a named reviewer; a steward is not one by that."""
    essay = house.draft()
    for act in (
        lambda: approve(house.log, essay, by=who),
        lambda: hold(house.log, house.clock, essay, days=2, reason="r", by=who),
        lambda: veto(house.log, essay, ground=GROUND, reason="r", by=who),
    ):
        with pytest.raises(NotPermitted):
            act()
    assert len(house.log.entries(subject=essay)) == 1


@pytest.mark.parametrize("who", [SOFTWARE, Actor("model", MODEL), person("Mallory")])
def test_only_a_person_of_the_house_publishes(house, who):
    """Law 3: software cannot publish, nor can the model or a stranger."""
    essay = house.draft()
    approve(house.log, essay, by=GRACE)
    with pytest.raises(NotPermitted):
        publish(house.log, house.utterances, essay, by=who)


def test_nothing_is_published_unapproved(house):
    """An approval comes first."""
    essay = house.draft()
    with pytest.raises(Conflict):
        publish(house.log, house.utterances, essay, by=GRACE)


def test_a_veto_takes_two(house):
    """Law 4: one person alone cannot veto, however often; a second one on the same ground can."""
    essay = house.draft()
    assert veto(house.log, essay, ground=GROUND, reason="An address.", by=GRACE).kind == "essay.veto_proposed"
    with pytest.raises(NotPermitted):
        veto(house.log, essay, ground=GROUND, reason="An address.", by=GRACE)
    with pytest.raises(Conflict):
        veto(house.log, essay, ground=Ground.VIOLENCE, reason="Hm.", by=EDSGER)
    assert state(house, essay) is State.VETO_PROPOSED
    assert veto(house.log, essay, ground=GROUND, reason="I agree.", by=EDSGER).kind == "essay.vetoed"
    found = get_essay(house.log, house.utterances, essay)
    assert (found.veto.proposed_by, found.veto.seconded_by) == (GRACE, EDSGER)
    assert found.text == WORDS, "a vetoed essay is kept"
    with pytest.raises(Conflict):
        approve(house.log, essay, by=GRACE)


def test_a_veto_needs_a_ground_and_a_reason(house):
    """Displeasure is no ground, and a ground without a reason is none."""
    essay = house.draft()
    for ground, reason in (("boring", "It is boring."), (GROUND, "  "), (GROUND, "x" * 2001)):
        with pytest.raises(InvalidInput):
            veto(house.log, essay, ground=ground, reason=reason, by=GRACE)
    assert all(ground.meaning for ground in Ground)


def test_what_is_published_stays(house):
    """No veto, no hold and no second edition after publication."""
    essay = house.draft()
    approve(house.log, essay, by=GRACE)
    first = publish(house.log, house.utterances, essay, by=GRACE)
    assert publish(house.log, house.utterances, essay, by=EDSGER) == first
    for act in (
        lambda: veto(house.log, essay, ground=GROUND, reason="r", by=GRACE),
        lambda: hold(house.log, house.clock, essay, days=1, reason="r", by=GRACE),
    ):
        with pytest.raises(Conflict):
            act()


def test_a_proposal_falls(house):
    """A veto that nobody seconds stops nothing: another reviewer approves, and it cannot be proposed again."""
    essay = house.draft()
    veto(house.log, essay, ground=GROUND, reason="r", by=GRACE)
    approve(house.log, essay, by=EDSGER)
    with pytest.raises(NotPermitted):
        veto(house.log, essay, ground=GROUND, reason="again", by=GRACE)
    publish(house.log, house.utterances, essay, by=EDSGER)
    assert get_essay(house.log, house.utterances, essay).fallen[0].proposed_by == GRACE


def test_a_proposal_is_withdrawn_by_its_proposer_alone(house):
    """Who proposed a veto may take it back; nobody else."""
    essay = house.draft()
    veto(house.log, essay, ground=GROUND, reason="r", by=GRACE)
    with pytest.raises(NotPermitted):
        withdraw_veto(house.log, essay, reason="no", by=EDSGER)
    withdraw_veto(house.log, essay, reason="I misread.", by=GRACE)
    assert state(house, essay) is State.DRAFTED


def test_a_hold_ends(house):
    """A hold has a reason, lasts 7 days at most, comes once, and then the essay waits for review again."""
    essay = house.draft()
    for days, reason in ((8, "r"), (0, "r"), (3, "")):
        with pytest.raises(InvalidInput):
            hold(house.log, house.clock, essay, days=days, reason=reason, by=GRACE)
    hold(house.log, house.clock, essay, days=7, reason="A question to a lawyer.", by=GRACE)
    found = get_essay(house.log, house.utterances, essay)
    assert found.state_at(house.clock.now() + timedelta(days=6)) is State.HELD
    assert found.state_at(house.clock.now() + timedelta(days=7)) is State.DRAFTED
    with pytest.raises(Conflict):
        hold(house.log, house.clock, essay, days=1, reason="More.", by=EDSGER)
    approve(house.log, essay, by=EDSGER)


def test_an_essay_that_is_not_there(house):
    """Whoever asks for an unknown essay is told where the list is."""
    for name in ("", "small-one-essay-9", "../x"):
        with pytest.raises(NotFound):
            get_essay(house.log, house.utterances, name)


ACTS = {
    "approve": lambda house, essay, who: approve(house.log, essay, by=who),
    "hold": lambda house, essay, who: hold(house.log, house.clock, essay, days=2, reason="r", by=who),
    "veto": lambda house, essay, who: veto(house.log, essay, ground=GROUND, reason="r", by=who),
    "withdraw": lambda house, essay, who: withdraw_veto(house.log, essay, reason="r", by=who),
    "publish": lambda house, essay, who: publish(house.log, house.utterances, essay, by=who),
}


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(ACTS)), st.sampled_from([ADA, GRACE, EDSGER, SOFTWARE])), max_size=12
    )
)
def test_whatever_people_do(acts):
    """In any order of acts: the words stay, a veto had two people, an edition had an approval, both are final."""
    house = House()
    essay = house.draft()
    ended = None
    for name, who in acts:
        before = house.log.size()
        try:
            ACTS[name](house, essay, who)
        except EmeritusError:
            assert house.log.size() == before, "a refused act writes nothing"
        found = get_essay(house.log, house.utterances, essay)
        assert found.text == WORDS
        if ended:
            assert found.state is ended
        if found.state in (State.PUBLISHED, State.VETOED):
            ended = found.state
        if found.state is State.VETOED:
            assert found.veto.proposed_by != found.veto.seconded_by
        if found.state is State.PUBLISHED:
            assert found.approval is not None
            assert found.approval.at <= found.edition.at
    assert len(house.log.entries(kinds={"essay.published"})) <= 1
