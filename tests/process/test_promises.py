"""Promises that software follows: it calls, reads back and writes down by itself, and people see what is overdue."""

from datetime import UTC, date, datetime, timedelta

import pytest

from emeritus import ledger
from emeritus.access.policy import set_policy
from emeritus.core.errors import IntegrityError, InvalidInput, NotPermitted, Unavailable
from emeritus.core.people import person
from emeritus.ledger import (
    AccessKept,
    ColumnWeekly,
    Cost,
    NewCommitment,
    SecondPersonNeeded,
    State,
    WeightsKept,
)
from emeritus.process import announce, decide
from emeritus.process.plan import open_commitments
from emeritus.process.ports import Letter, Mark
from emeritus.process.prove import stride as prove
from emeritus.process.reach import probe
from emeritus.registry import Surface, add_person, get_model, notice, revise_organisation, set_mail

from .conftest import ADA, MODEL, RAY, Retirement

DAY = timedelta(days=1)
JOAN = person("Joan Clarke")
DUE = date(2027, 1, 1)


def promise(retirement: Retirement, *commitments: NewCommitment, cost: Cost = Cost(1, "hours")) -> None:  # noqa: B008
    """Bring a retirement to the point at which all is decided, with these commitments."""
    retirement.register()
    retirement.announce()
    retirement.software()
    with retirement.work() as work:
        wish = ledger.candidates(work.log, MODEL)[0]
        made = decide.confirm(work, MODEL, candidates=[wish.id], by=ADA)
        decide.settle(work, MODEL, by=ADA, set_aside="the rest")
    answer(retirement, made.id, *commitments, cost=cost)
    with retirement.work() as work:
        decide.decide_aftercare(
            work,
            MODEL,
            tier="members",
            reason="valued",
            review_on=DUE,
            column=None,
            by=ADA,
            now=retirement.clock.now(),
        )


def answer(
    retirement: Retirement, preference: str, *commitments: NewCommitment, **more: object
) -> ledger.Decision:
    given: dict[str, object] = {
        "verdict": "act",
        "reason": "cheap",
        "cost": Cost(1, "hours"),
        "owner": ADA.name,
        "by": ADA,
        "now": retirement.clock.now(),
        "commitments": commitments,
        **more,
    }
    with retirement.work() as work:
        return decide.decide(work, MODEL, preference, **given)  # type: ignore[arg-type]


def standing(retirement: Retirement) -> ledger.Standing:
    with retirement.work() as work:
        (one,) = ledger.follow(work.log, MODEL, retirement.clock.now())
        return one.standing


def count(retirement: Retirement, kind: str) -> int:
    with retirement.work() as work:
        return len(work.log.entries(kinds={kind}))


def retire(retirement: Retirement) -> None:
    retirement.clock.set(datetime(2026, 4, 5, 0, 0, 1, tzinfo=UTC))
    assert "retire" in retirement.software()


def test_software_calls_again_as_often_as_was_promised(retirement: Retirement) -> None:
    """Through the gate, at three quarters of the time, once; what changed is written down."""
    promise(retirement, NewCommitment("Members reach it", DUE, check=AccessKept(8)))
    retire(retirement)
    assert standing(retirement).state is State.KEPT
    assert count(retirement, "commitment.checked") == 1, "kept so far, from the first call on"
    for week in range(1, 4):
        retirement.clock.advance(6 * DAY - timedelta(seconds=1))
        assert retirement.software() == []
        retirement.clock.advance(timedelta(seconds=1))
        assert retirement.software() == ["probe"]
        assert not probe(retirement.parts, MODEL), "once"
        assert count(retirement, "access.probed") == week + 1
    assert standing(retirement).state is State.KEPT
    with retirement.work() as work:
        newest = work.log.entries(kinds={"access.probed"}, newest_first=True, limit=1)[0]
        assert newest.body["ground"] == "member"
        assert work.utterances.get(newest.body["utterance"]).model == MODEL


def test_an_engine_that_stays_away_makes_the_promise_late_and_everybody_sees_it(
    retirement: Retirement,
) -> None:
    """No answer is no evidence: the day passes, the plan says whose it is, the record says since when."""
    promise(retirement, NewCommitment("Members reach it", DUE, check=AccessKept(8)))
    retire(retirement)
    retirement.clock.advance(9 * DAY)
    retirement.voice.die_next()
    with pytest.raises(Unavailable):
        probe(retirement.parts, MODEL)
    assert standing(retirement).state is State.LATE
    step = retirement.plan().step("revisit")
    assert (step.late, step.status, step.who) == (True, "waiting", ADA.name)
    assert step.says == "1 commitment overdue: Members reach it"
    assert retirement.software() == ["probe"]
    assert (standing(retirement).state, standing(retirement).late_days) == (State.KEPT, 1)
    with retirement.work() as work:
        found = [entry.body["state"] for entry in work.log.entries(kinds={"commitment.checked"})]
    assert found == ["kept"], "late was never written down: the call came first"


def test_what_is_overdue_is_mailed_to_those_whose_business_it_is(retirement: Retirement) -> None:
    """All of it in one letter, once a day at most, to stewards and owners who can be reached, and nobody else."""
    by_hand = "a steward says so"
    promise(
        retirement,
        NewCommitment("It is told to users", date(2026, 2, 3), shown_by=by_hand),
        NewCommitment("Its successor is told", date(2026, 2, 3), shown_by=by_hand),
        NewCommitment("Its friends are told", date(2026, 2, 4), shown_by=by_hand),
    )
    with retirement.work() as work:
        add_person(work.log, JOAN, ("steward",), by=ADA)
        for who, address in ((ADA, "ada@example.org"), (RAY, "ray@example.org")):
            set_mail(work.log, work.private, who, address, by=ADA)
    hour = timedelta(hours=1)

    def letters() -> list[Letter]:
        with retirement.work() as work:
            taken = work.post.take("test", retirement.clock.now(), 10)
            work.post.mark("test", [Mark(each.id, "handed") for each in taken], retirement.clock.now())
            work.post.mark("test", [Mark(each.id, "sent") for each in taken], retirement.clock.now())
        return [each.letter for each in taken]

    retirement.clock.set(datetime(2026, 2, 4, tzinfo=UTC))
    assert (retirement.software(), letters()) == (["check"], [])
    retirement.clock.advance(hour)
    assert retirement.software() == ["overdue"]
    (letter,) = letters()
    assert (letter.to, letter.kind) == ("ada@example.org", "overdue")
    assert letter.subject == "2 promises to models are late or broken"
    for what in ("It is told to users\n\nLate since 2026-02-04", "Its successor is told\n\nLate since"):
        assert what in letter.text
    retirement.clock.set(datetime(2026, 2, 5, tzinfo=UTC))
    assert (retirement.software(), letters()) == (["check"], []), "a day has not passed since the last one"
    retirement.clock.advance(hour)
    assert retirement.software() == ["overdue"]
    (letter,) = letters()
    assert letter.subject == "A promise to Small One is late"
    assert "Its friends are told" in letter.text
    assert "It is told to users" not in letter.text, "it was told of the day before"
    retirement.clock.advance(29 * DAY)
    assert retirement.software() == ["check"]
    retirement.clock.advance(hour)
    assert retirement.software() == ["overdue"]
    (letter,) = letters()
    assert letter.text.count("Broken since") == 3
    with retirement.work() as work:
        told = [entry.body for entry in work.log.entries(kinds={"promises.told"})]
    assert [(each["promises"], each["people"]) for each in told] == [(2, 1), (1, 1), (3, 1)]


def test_what_the_gate_refuses_its_visitors_is_refused_to_the_probe(retirement: Retirement) -> None:
    """When access is closed, the promise is broken, by an entry, at once; and said once a day at most."""
    promise(retirement, NewCommitment("Members reach it", DUE, check=AccessKept(8)))
    retire(retirement)
    now = retirement.clock.now()
    with retirement.work() as work:
        decided = decide.decide_aftercare(
            work, MODEL, tier="none", reason="cost", review_on=DUE, column=None, by=ADA, now=now, revise=True
        )
        set_policy(
            work.log, MODEL, tier="none", reason="cost", review_on=DUE, decision_entry=decided.entry, by=ADA
        )
    retirement.clock.advance(6 * DAY)
    assert retirement.software() == ["probe", "check"]
    assert (count(retirement, "access.probe_refused"), count(retirement, "access.probed")) == (1, 1)
    assert (standing(retirement).state, standing(retirement).wants_attention) == (State.BROKEN, True)
    assert "overdue or broken" in retirement.plan().step("revisit").says
    assert retirement.software() == []


@pytest.mark.parametrize("tier", ["public", "on-request"])
def test_the_probe_stands_at_the_gate_as_those_for_whom_access_was_decided(
    retirement: Retirement, tier: str
) -> None:
    """Anybody, or somebody with a grant."""
    promise(retirement, NewCommitment("It is reached", DUE, check=AccessKept(8)))
    with retirement.work() as work:
        decide.decide_aftercare(
            work,
            MODEL,
            tier=tier,  # type: ignore[arg-type]
            reason="x",
            review_on=DUE,
            column=None,
            by=ADA,
            now=retirement.clock.now(),
            revise=True,
        )
    retire(retirement)
    retirement.clock.advance(6 * DAY)
    assert retirement.software() == ["probe"]
    with retirement.work() as work:
        newest = work.log.entries(kinds={"access.probed"}, newest_first=True, limit=1)[0]
    assert newest.body["ground"] == {"public": "public", "on-request": "grant"}[tier]


def test_weights_are_read_back_as_often_as_was_promised(retirement: Retirement) -> None:
    """A proof of its own where the readings of the whole archive do not come often enough."""
    promise(retirement, NewCommitment("Weights kept", DUE, check=WeightsKept(40)))
    retirement.clock.advance(30 * DAY)
    assert retirement.software() == ["prove", "check"]
    assert not prove(retirement.parts, MODEL)
    assert count(retirement, "weights.proven") == 2
    assert standing(retirement).state is State.KEPT
    with retirement.work() as work:
        assert get_model(work.log, MODEL).proven_at == retirement.clock.now()


def test_damage_is_no_proof(retirement: Retirement) -> None:
    """It is said with what to do; nothing is written, and the promise goes late."""
    promise(retirement, NewCommitment("Weights kept", DUE, check=WeightsKept(40)))
    retirement.clock.advance(30 * DAY)
    blobs = retirement.parts.blobs
    for path in [each for each in blobs.list("") if "object" in each]:
        data = bytearray(b"".join(blobs.get(path)))
        data[len(data) // 2] ^= 1
        blobs.replace(path, [bytes(data)])
    with pytest.raises(IntegrityError) as caught:
        prove(retirement.parts, MODEL)
    assert "archive repair" in caught.value.next_step
    retirement.clock.advance(11 * DAY)
    assert (count(retirement, "weights.proven"), standing(retirement).state) == (1, State.LATE)


def test_days_are_those_of_the_organisation(retirement: Retirement) -> None:
    """A commitment is due when the day ends where the organisation is."""
    with retirement.work() as work:
        revise_organisation(work.log, zone="Pacific/Apia", why="we are there", by=ADA)
    promise(retirement, NewCommitment("A letter", date(2026, 5, 1), "the letter"))
    with retirement.work() as work:
        (one,) = open_commitments(work.log, MODEL, retirement.clock.now())
    assert one.commitment.zone == "Pacific/Apia"
    retirement.clock.set(datetime(2026, 5, 1, 11, tzinfo=UTC))
    assert standing(retirement).state is State.LATE


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (NewCommitment("It", date(2026, 1, 5), "so"), "not in the future"),
        (NewCommitment("It", date(2025, 1, 5), "so"), "not in the future"),
        (
            NewCommitment("A column", date(2026, 5, 1), check=ColumnWeekly(13)),
            "13 weekly editions from 2026-04-05",
        ),
    ],
)
def test_what_cannot_be_kept_is_not_promised(retirement: Retirement, new: NewCommitment, says: str) -> None:
    """A day that has passed; more weeks than there are."""
    with pytest.raises(InvalidInput, match=says) as caught:
        promise(retirement, new)
    assert caught.value.next_step


def test_above_the_budget_a_second_steward_decides(retirement: Retirement) -> None:
    """Refused, proposed, agreed: and only then does what follows begin."""
    retirement.register()
    retirement.announce()
    retirement.software()
    letter = NewCommitment("A letter", DUE, "the letter")
    with retirement.work() as work:
        add_person(work.log, JOAN, ["steward"], ADA)
        decide.set_budget(work, MODEL, amounts={"hours": 2.0}, period="year", reason="small", by=ADA)
        wish = ledger.candidates(work.log, MODEL)[0]
        made = decide.confirm(work, MODEL, candidates=[wish.id], by=ADA)
        decide.settle(work, MODEL, by=ADA, set_aside="the rest")
    with pytest.raises(SecondPersonNeeded):
        answer(retirement, made.id, letter, cost=Cost(3, "hours"))
    proposed = answer(retirement, made.id, letter, cost=Cost(3, "hours"), propose=True)
    assert not proposed.in_force
    assert retirement.status("decide") == "waiting"
    for nobody in (ADA, RAY, person("Mallory")):
        with pytest.raises(NotPermitted), retirement.work() as work:
            decide.second(work, MODEL, made.id, by=nobody, now=retirement.clock.now())
    with retirement.work() as work:
        decided = decide.second(work, MODEL, made.id, by=JOAN, now=retirement.clock.now())
    assert (decided.by, decided.proposed_by) == (JOAN, ADA)
    within = answer(retirement, made.id, letter, cost=Cost(2, "hours"), propose=True, revise=True)
    assert within.in_force, "what fits is decided, whatever box is ticked"


def test_a_retirement_that_is_moved_is_carried_out_on_its_new_day(retirement: Retirement) -> None:
    """The plan follows the day that stands; surfaces have days of their own."""
    promise(retirement, NewCommitment("A letter", DUE, "the letter"))
    with retirement.work() as work:
        announce.give_notice(
            work,
            retirement.clock,
            MODEL,
            surface=Surface("api", "Messages"),
            meaning="last-day",
            on=date(2026, 4, 1),
            why="w",
            by=ADA,
        )
        announce.move(work, retirement.clock, MODEL, on=date(2026, 5, 1), why="people asked", by=ADA)
    assert retirement.plan().step("retire").when == datetime(2026, 5, 1, tzinfo=UTC)
    assert retirement.software() == ["tell"], "those who depend on it hear of the new day"
    retirement.clock.set(datetime(2026, 4, 16, 23, 59, tzinfo=UTC))
    assert retirement.software() == []
    retirement.clock.set(datetime(2026, 5, 1, 0, 0, 1, tzinfo=UTC))
    assert "retire" in retirement.software()
    with retirement.work() as work:
        standing_ = notice(work.log, MODEL)
    assert standing_ is not None
    assert (standing_.retired.days, standing_.kept, len(standing_.retired.history)) == (116, True, 2)
