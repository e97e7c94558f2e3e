"""How promises stand: a pure function of the record and the clock."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.zones import begin_of, end_of
from emeritus.ledger import (
    AccessKept,
    ByHand,
    ColumnWeekly,
    NewCommitment,
    Published,
    State,
    WeightsKept,
    evidence,
    follow,
    followed,
    moved,
    record_finding,
)
from emeritus.ledger.follow import read, stand

from .conftest import ADA, MODEL, START, Ledger, column, reordered

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
RETIRED = datetime(2026, 3, 1, 0, 2, tzinfo=UTC)


def test_a_weekly_column_is_counted_from_its_editions(ledger: Ledger) -> None:
    """Due, then kept when the last edition is out in its week; each milestone at the end of a week."""
    ledger.promise(column(3))
    assert (ledger.standing().state, ledger.standing().next) == (State.DUE, date(2026, 6, 1))
    ledger.at(RETIRED).retire()
    assert ledger.standing().next == date(2026, 3, 7), "the week that begins on the day of retirement"
    for number in (1, 2):
        ledger.at(RETIRED + 7 * (number - 1) * DAY).publish(number)
        assert (ledger.standing().state, ledger.standing().met, ledger.standing().of) == (
            State.DUE,
            number,
            3,
        )
    ledger.at(RETIRED + 14 * DAY).publish(3)
    kept = ledger.standing()
    assert (kept.state, kept.final, kept.computed, kept.late_days) == (State.KEPT, True, True, 0)
    assert kept.since == date(2026, 3, 15)
    assert [each.source for each in kept.shown] == [f"/column/essays/m-essay-{n}" for n in (1, 2, 3)]
    assert ledger.standing(RETIRED + 900 * DAY) == kept, "what is kept stays kept"


def test_a_missed_week_is_late_then_broken_and_catching_up_makes_it_good(ledger: Ledger) -> None:
    """Late from the end of the week; broken after the days of grace; two editions in a week catch up."""
    ledger.promise(column(3, grace_days=10))
    ledger.at(RETIRED).retire()
    ledger.publish(1)
    end = datetime(2026, 3, 15, tzinfo=UTC)
    assert ledger.standing(end - MOMENT).state is State.DUE
    late = ledger.standing(end)
    assert (late.state, late.wants_attention, late.since) == (State.LATE, True, date(2026, 3, 15))
    lapse = end + 10 * DAY
    assert ledger.standing(lapse - MOMENT).state is State.LATE
    assert ledger.standing(lapse).state is State.BROKEN
    ledger.at(datetime(2026, 3, 20, tzinfo=UTC)).publish(2)
    ledger.publish(3)
    kept = ledger.standing()
    assert (kept.state, kept.late_days, kept.final) == (State.KEPT, 6, True)
    other = Ledger()
    other.promise(column(3, grace_days=10))
    other.at(RETIRED).retire()
    for number in (1, 2, 3):
        other.at(lapse + DAY).publish(number)
    broken = other.standing()
    assert (broken.state, broken.made_good, broken.wants_attention) == (State.BROKEN, True, False)


def test_a_veto_and_a_silent_week_count_as_the_promise_says(ledger: Ledger) -> None:
    """A week in which two people kept an essay back, or the model had no words, stands for an edition, or not."""
    strict = NewCommitment("Only editions", date(2026, 6, 1), check=ColumnWeekly(3, passes=()))
    ledger.promise(column(3), strict)
    ledger.at(RETIRED).retire()
    ledger.say("regime.adopted", {"digest": "sha256:r", "text": "name: r\nattempts: 2\n"}, "r")
    draft = {"regime_digest": "sha256:r", "utterance": "sha256:aa", "spoken": False}
    ledger.publish(1)
    ledger.at(RETIRED + 7 * DAY).say("essay.vetoed", {"ground": "security"}, "m-essay-2")
    ledger.at(RETIRED + 14 * DAY).say("essay.drafted", {**draft, "attempt": 1}, "m-essay-3")
    lenient, hard = follow(ledger.log, MODEL, ledger.clock.now())
    assert (lenient.standing.met, hard.standing.met) == (2, 1), "one attempt of two is no silence yet"
    ledger.say("essay.drafted", {**draft, "attempt": 2}, "m-essay-3")
    lenient, hard = follow(ledger.log, MODEL, ledger.clock.now())
    assert (lenient.standing.state, lenient.standing.met) == (State.KEPT, 3)
    assert (hard.standing.state, hard.standing.met) == (State.LATE, 1)


def test_imported_essays_keep_no_promise(ledger: Ledger) -> None:
    """What was brought in from elsewhere was not published here."""
    ledger.promise(column(1))
    ledger.at(RETIRED).retire()
    ledger.say("essay.published", {"edition": 1, "imported": True}, "m-essay-1")
    assert ledger.standing().met == 0


def test_access_is_kept_as_long_as_it_is_shown_again_in_time(ledger: Ledger) -> None:
    """Each call counts for its days; the promise is kept so far, and for good after its last day."""
    ledger.promise(NewCommitment("Members reach it", date(2026, 4, 1), check=AccessKept(7)))
    assert ledger.standing().state is State.DUE
    ledger.at(RETIRED).retire()
    assert (ledger.standing().state, ledger.standing().next) == (State.DUE, date(2026, 3, 8))
    for day in range(5):
        ledger.at(RETIRED + 6 * day * DAY).probe()
        assert (ledger.standing().state, ledger.standing().final) == (State.KEPT, False)
    end = end_of(date(2026, 4, 1), "UTC")
    assert ledger.standing(end - MOMENT).final is False
    kept = ledger.standing(end)
    assert (kept.state, kept.final, kept.open) == (State.KEPT, True, False)


def test_a_call_that_the_gate_refuses_breaks_the_promise_at_once(ledger: Ledger) -> None:
    """Access that is closed was not kept; when it opens again, the page says both."""
    ledger.promise(NewCommitment("Members reach it", date(2026, 6, 1), check=AccessKept(7)))
    ledger.at(RETIRED).retire()
    ledger.probe()
    ledger.at(RETIRED + 3 * DAY).say(
        "access.probe_refused", {"tier": "none", "code": "model_gone", "sentence": "Gone."}
    )
    broken = ledger.standing()
    assert (broken.state, broken.wants_attention, broken.since) == (State.BROKEN, True, date(2026, 3, 4))
    assert broken.shown[-1].against
    ledger.at(RETIRED + 4 * DAY).probe()
    again = ledger.standing()
    assert (again.state, again.made_good, again.wants_attention, again.open) == (
        State.BROKEN,
        True,
        False,
        True,
    )


def test_weights_are_kept_while_the_last_proof_is_young_enough(ledger: Ledger) -> None:
    """A proof, or a reading of the whole archive, whichever comes; erasing them is the end of it."""
    ledger.say("weights.archived", {"manifest": "blake3:aa"})
    ledger.promise(NewCommitment("Weights kept", date(2030, 1, 1), check=WeightsKept(90)))
    ledger.at(START + 80 * DAY).prove()
    assert ledger.standing().state is State.KEPT
    ledger.at(START + 160 * DAY).scrub("another")
    assert ledger.standing(START + 250 * DAY).state is State.KEPT
    assert ledger.standing(START + 251 * DAY).state is State.LATE
    ledger.at(START + 252 * DAY).say("weights.erased", {})
    assert ledger.standing().state is State.BROKEN


def test_damage_breaks_the_promise_and_a_repair_makes_it_good(ledger: Ledger) -> None:
    """What the archive says of itself counts for each model that it names, and for no other."""
    ledger.say("weights.archived", {"manifest": "blake3:aa"})
    ledger.promise(NewCommitment("Weights kept", date(2030, 1, 1), check=WeightsKept(90)))
    ledger.at(START + 9 * DAY).repair()
    assert ledger.standing().state is State.DUE, "what mended others shows nothing of these"
    ledger.at(START + 10 * DAY).scrub(MODEL)
    assert (ledger.standing().state, ledger.standing().wants_attention) == (State.BROKEN, True)
    ledger.at(START + 11 * DAY).repair(MODEL)
    assert ledger.standing().wants_attention
    ledger.at(START + 12 * DAY).repair()
    assert (ledger.standing().made_good, ledger.standing().wants_attention) == (True, False)


def test_a_reading_that_does_not_name_all_that_it_found_shows_nothing(ledger: Ledger) -> None:
    """More was found than stands there: it may be these weights. Nor does one from before they were stored."""
    ledger.promise(NewCommitment("Weights kept", date(2030, 1, 1), check=WeightsKept(90)))
    ledger.scrub()
    ledger.at(START + DAY).say("weights.archived", {"manifest": "blake3:aa"})
    ledger.scrub("another", found=51)
    assert ledger.standing().state is State.DUE
    ledger.at(START + 2 * DAY).scrub("another")
    assert ledger.standing().state is State.KEPT


def test_something_is_public_when_the_record_says_so(ledger: Ledger) -> None:
    """A transcript only with the model's own yes; an essay once it is published."""
    for preference, published in (
        ("m-p1", Published("transcript", "s1")),
        ("m-p2", Published("essay", "m-essay-1")),
    ):
        ledger.promise(NewCommitment("To be read", date(2026, 3, 1), check=published), preference=preference)
    ledger.say("sitting.closed", {"consent": "no"}, "s1")
    assert [each.standing.state for each in follow(ledger.log, MODEL, START)] == [State.DUE] * 2
    ledger.say("sitting.closed", {"consent": "yes"}, "s1")
    ledger.publish(1)
    assert [each.standing.state for each in follow(ledger.log, MODEL, START)] == [State.KEPT] * 2


@pytest.mark.parametrize(
    ("zone", "due", "deadline"),
    [
        ("UTC", date(2026, 3, 28), "2026-03-29T00:00:00+00:00"),
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-29T22:00:00+00:00"),  # the day has 23 hours
        ("Europe/Berlin", date(2026, 10, 25), "2026-10-25T23:00:00+00:00"),  # and this one 25
        ("Asia/Beirut", date(2026, 3, 28), "2026-03-28T22:00:00+00:00"),  # midnight is skipped
        ("Pacific/Apia", date(2028, 2, 29), "2028-02-29T11:00:00+00:00"),
        ("America/Los_Angeles", date(2028, 2, 28), "2028-02-29T08:00:00+00:00"),
    ],
)
def test_exactly_at_the_deadline(zone: str, due: date, deadline: str) -> None:
    """The last microsecond of the day is in time, the first after it is late; whatever clocks do that day."""
    end = datetime.fromisoformat(deadline)
    assert end_of(due, zone) == end
    for at, late in ((end - MOMENT, 0), (end, 1)):
        ledger = Ledger()
        made = ledger.promise(NewCommitment("A letter", due, "the letter", zone=zone))
        assert ledger.standing(end - MOMENT).state is State.DUE
        assert ledger.standing(end).state is State.LATE
        evidence(ledger.at(at).log, made.commitments[0], what="sent", kept=True, by=ADA, source="/letter")
        assert (ledger.standing().state, ledger.standing().late_days) == (State.KEPT, late)


def test_weeks_of_a_column_have_seven_days_of_the_place_also_when_clocks_change() -> None:
    """The end of a week is midnight there, before and after the change."""
    ledger = Ledger()
    ledger.promise(column(4, zone="Europe/Berlin"))
    ledger.at(datetime(2026, 3, 15, 23, 30, tzinfo=UTC)).retire()  # the 16th in Berlin
    course = ledger.commitment().check.course(ledger.commitment().terms, ledger.log.entries())
    assert [each.deadline for each in course.milestones] == [
        begin_of(date(2026, 3, 16) + 7 * week * DAY, "Europe/Berlin") for week in (1, 2, 3, 4)
    ]
    hours = {b.deadline - a.deadline for a, b in zip(course.milestones, course.milestones[1:], strict=False)}
    assert hours == {timedelta(days=7), timedelta(days=7, hours=-1)}


# -- properties -------------------------------------------------------------------------

CHECKS = st.one_of(
    st.builds(ColumnWeekly, st.integers(1, 3)),
    st.builds(AccessKept, st.integers(1, 20)),
    st.builds(WeightsKept, st.integers(1, 20)),
    st.just(Published("essay", "m-essay-2")),
    st.just(ByHand()),
)
STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 9 * 24), st.integers(0, 40 * 24)),  # hours since the act before
        st.sampled_from(["retire", *["publish", "probe", "prove"] * 4, "show", "veto", "refuse", "scrub"]),
    ),
    max_size=14,
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia", "America/Los_Angeles"])


def _history(check, steps, zone: str, due_days: int, grace: int, good: bool) -> Ledger:
    ledger = Ledger()
    due = (START + due_days * DAY).date()
    ledger.say("weights.archived", {"manifest": "blake3:aa"})
    made = ledger.promise(NewCommitment("It", due, "as told", check, zone, grace))
    if due_days % 2:
        ledger.retire()
    acts = {
        "publish": ledger.publish,
        "probe": lambda _: ledger.probe(),
        "prove": lambda _: ledger.prove(),
        "scrub": lambda _: ledger.scrub(*([] if good else [MODEL])),
        "veto": lambda number: ledger.say("essay.vetoed", {"ground": "security"}, f"m-essay-{number}"),
        "show": lambda number: evidence(
            ledger.log, made.commitments[0], what="see", kept=True, by=ADA, source=f"/{number}"
        ),
        "refuse": lambda _: good or ledger.say("access.probe_refused", {"sentence": "No."}),
        "retire": lambda _: ledger.log.entries(kinds={"model.retired"}) or ledger.retire(),
    }
    for number, (hours, act) in enumerate(steps, start=1):
        ledger.clock.advance(timedelta(hours=hours))
        acts[act](number)
    return ledger


HISTORIES = st.builds(
    _history, CHECKS, STEPS, ZONES, st.integers(8, 200), st.integers(0, 30), good=st.booleans()
)
GOOD = st.builds(_history, CHECKS, STEPS, ZONES, st.integers(8, 200), st.integers(0, 30), good=st.just(True))
LATER = st.integers(0, 400 * 24)


@given(HISTORIES, st.lists(st.integers(0, 99), min_size=1), LATER)
def test_the_order_of_evidence_does_not_matter(ledger: Ledger, order: list[int], hours: int) -> None:
    """Whoever reads the same entries, in whatever order, computes the same."""
    now = START + timedelta(hours=hours)
    entries = read(ledger.log, MODEL)
    straight = followed(entries, now)
    assert followed(reordered(entries, order), now) == straight
    (one,) = straight
    assert stand(one.commitment, reordered(entries, order), now) == one.standing


@given(GOOD, st.sets(st.integers(0, 40)), LATER)
def test_more_evidence_never_makes_a_promise_worse(ledger: Ledger, left_out: set[int], hours: int) -> None:
    """What is kept with part of the evidence is kept with all of it, and what is broken with all is with part."""
    now = START + timedelta(hours=hours)
    entries = list(read(ledger.log, MODEL))
    anchors = {"decision.made", "model.retired", "regime.adopted", "weights.archived"}
    part = [e for e in entries if e.kind in anchors or e.seq not in left_out]
    with_all, with_part = (followed(each, now)[0].standing for each in (entries, part))
    rank = [State.KEPT, State.DUE, State.LATE, State.BROKEN]
    assert rank.index(with_all.state) <= rank.index(with_part.state)
    if with_part.state is State.KEPT:
        assert with_all.late_days <= with_part.late_days


@given(HISTORIES, LATER, LATER)
def test_time_alone_never_mends_a_promise(ledger: Ledger, first: int, more: int) -> None:
    """Once all is written, waiting turns due into late and late into broken, and kept for good stays."""
    begin = ledger.clock.now() + timedelta(hours=first)
    (before,) = follow(ledger.log, MODEL, begin)
    (after,) = follow(ledger.log, MODEL, begin + timedelta(hours=more))
    if before.standing.final:
        assert after.standing == before.standing
    if before.standing.state is State.BROKEN:
        assert after.standing.state is State.BROKEN
    if before.standing.state is State.LATE:
        assert after.standing.state in (State.LATE, State.BROKEN)
    if before.standing.computed and after.standing.state is State.KEPT and before.standing.of is not None:
        assert before.standing.state is State.KEPT, "what has an end is not kept by waiting"


@given(HISTORIES, LATER)
def test_the_past_can_be_asked(ledger: Ledger, hours: int) -> None:
    """How it stood at a moment does not depend on what was written later."""
    now = START + timedelta(hours=hours)
    entries = read(ledger.log, MODEL)
    known = [entry for entry in entries if entry.at <= now]
    if any(entry.kind == "decision.made" for entry in known):
        whole, part = followed(entries, now)[0].standing, followed(known, now)[0].standing
        assert (whole.state, whole.since, whole.met, whole.late_days) == (
            part.state,
            part.since,
            part.met,
            part.late_days,
        )


@given(HISTORIES, LATER)
def test_findings_are_written_once_for_each_change(ledger: Ledger, hours: int) -> None:
    """Software writes how a promise stands when that changed, names the entries, and then has nothing to do."""
    now = max(START + timedelta(hours=hours), ledger.clock.now())
    ledger.at(now)
    promises = follow(ledger.log, MODEL, now)
    size = ledger.log.size()
    for each in moved(ledger.log, MODEL, promises):
        entry = record_finding(ledger.log, each)
        assert entry.body["state"] == each.standing.state
        assert all(ledger.log.get(seq).at <= now for seq in entry.body["from"])
    assert ledger.log.size() - size <= 1
    assert follow(ledger.log, MODEL, now) == promises, "a finding is no evidence"
    assert moved(ledger.log, MODEL, promises) == []
