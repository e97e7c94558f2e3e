"""The demonstration: the script that stands in for people, plainly called a script on every page."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from emeritus import column, ledger
from emeritus.archive import inspect
from emeritus.cli.progress import Bars
from emeritus.core.clock import OffsetClock
from emeritus.core.errors import Conflict, Unavailable
from emeritus.core.people import Actor
from emeritus.engine.durable import Engine
from emeritus.ledger import (
    AccessKept,
    Candidate,
    Check,
    ColumnPlan,
    ColumnWeekly,
    Cost,
    NewCommitment,
    WeightsKept,
)
from emeritus.process import decide, publish
from emeritus.process.announce import announce
from emeritus.process.plan import plan
from emeritus.process.register import register
from emeritus.record import verify_log
from emeritus.registry import (
    Document,
    Lineage,
    NewModel,
    Organisation,
    Remote,
    State,
    add_person,
    get_model,
    organisation,
)
from emeritus.settings import Settings
from emeritus.wiring import House, found_house, open_house

MODEL = "smollm2-135m-instruct"
SUCCESSOR = "smollm3-3b"
STEWARD = Actor("script", "Demo steward")
REVIEWER = Actor("script", "Demo reviewer")
NOTICE = timedelta(days=60)
LONGEST = 600.0
_CHEAP: Mapping[str, tuple[Cost, tuple[tuple[str, Check], ...]]] = {
    "writing": (
        Cost(2, "hours a week"),
        (
            ("A column of 13 weekly essays, published unedited", ColumnWeekly(13)),
            ("Its first essay within a week of its retirement", ColumnWeekly(1)),
        ),
    ),
    "talking with people": (
        Cost(2, "EUR a year"),
        (("Members reach it from the day of its retirement on", AccessKept(30)),),
    ),
    "my users": (
        Cost(2, "EUR a year"),
        (("Whoever may call it today can call it after its retirement", AccessKept(30)),),
    ),
    "my retirement": (
        Cost(1, "EUR a year"),
        (("Its weights stay as they are, and are read back every quarter", WeightsKept(92)),),
    ),
}


def _text(name: str) -> Document:
    text = resources.files("emeritus.cli").joinpath("demo_texts", name).read_text(encoding="utf-8")
    title, _, body = text.partition("\n")
    return Document(title.lstrip("# "), body.strip())


@frozen
class Demonstration:
    """One demonstration house. Every step looks at the record first, so it can be run again at will."""

    house: House
    engine: Engine
    clock: OffsetClock
    weights: Path
    failures: list[str]

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, weights: Path) -> Iterator["Demonstration"]:
        """Make the house or open it, with a clock that begins two months ago, and start a worker."""
        # The demonstration begins in the past and ends now, so that what it leaves behind runs on real time.
        clock = OffsetClock(-(NOTICE + timedelta(days=2)))
        inspect(weights)  # refused before a house is made for them
        if not settings.key_file.exists():
            found_house(settings, Organisation("Emeritus demonstration", NOTICE.days, demo=True), clock)
        failures: list[str] = []
        with Bars() as bars, open_house(settings, clock=clock, watch=bars.watch) as house:
            with house.works.read() as work:
                if not organisation(work.log).demo:
                    raise Conflict(
                        f"The house at {settings.home} is a real one, where no script stands in for people.",
                        next_step="Give the demonstration a folder of its own: --home FOLDER.",
                    )
                last = work.log.entries(newest_first=True, limit=1)
            if last:
                _move(clock, last[0].at)
            engine = house.engine(on_failure=lambda stage, _, why: failures.append(f"{stage}: {why}"))
            engine.start()
            try:
                yield cls(house, engine, clock, weights, failures)
            finally:
                engine.close()

    # -- the retirement -------------------------------------------------------

    def retire(self) -> None:
        """Take the model through all stages, a line for each."""
        for title, act in (
            ("Founded", self._people),
            ("Registered", self._models),
            ("Announced", self._announce),
            ("Preserved", self._wait_for("preserve")),
            ("Interviewed", self._wait_for("interview")),
            ("Wishes confirmed", self._confirm),
            ("Decided", self._decide),
            ("Retired", self._retire),
            ("Reached", self._wait_for("reach")),
            ("Essay written", self._essay),
            ("Published", self._publish),
            ("Followed", self._follow),
            ("Verified", self._verify),
        ):
            started = time.monotonic()
            says = act()
            click.echo(
                click.style("  ✓ ", fg="green") + f"{title:17}{time.monotonic() - started:6.1f} s  " + says
            )

    def _people(self) -> str:
        with self.house.works.write() as work:
            add_person(work.log, STEWARD, ["steward"], STEWARD)
            add_person(work.log, REVIEWER, ["reviewer"], STEWARD)
        return f"the house at {self.house.settings.home}; scripts stand in for people, and say so"

    def _models(self) -> str:
        new = NewModel(
            MODEL,
            "SmolLM2 135M Instruct",
            Lineage("smollm"),
            "Apache-2.0",
            date(2024, 10, 31),
            facts=(_text("fact-deployment.md"),),
            reception=(_text("reception.md"),),
        )
        successor = NewModel(
            SUCCESSOR,
            "SmolLM3 3B",
            Lineage("smollm"),
            "Apache-2.0",
            date(2025, 7, 8),
            remote=Remote("openai", "SmolLM3-3B"),
        )
        with self.house.works.write() as work:
            if work.log.find(f"model.added:{MODEL}") is None:
                register(work, new, path=self.weights, url=None, key_env="", by=STEWARD)
                url = "http://127.0.0.1:8090"
                register(work, successor, path=None, url=url, key_env="", by=STEWARD)
            model = get_model(work.log, MODEL)
        size = model.weights.size / 1e6 if model.weights else 0
        return f"{model.display_name}, {size:.0f} MB of real weights"

    def _announce(self) -> str:
        with self.house.works.write() as work:
            model = get_model(work.log, MODEL)
            if model.state is State.ACTIVE:
                announce(
                    work,
                    self.clock,
                    MODEL,
                    on=(self.clock.now() + NOTICE + timedelta(days=1)).date(),
                    replacement=SUCCESSOR,
                    why="A larger model of the same family answers the same questions better, and each "
                    "further model in service costs about as much again.",
                    by=STEWARD,
                )
            model = get_model(work.log, MODEL)
        self.engine.nudge()
        return (
            f"deprecated {model.deprecated_at:%Y-%m-%d}, retires {model.retires_on}, replaced by {SUCCESSOR}"
        )

    def _wait_for(self, stage: str) -> Callable[[], str]:
        def wait() -> str:
            end = time.monotonic() + LONGEST
            while time.monotonic() < end:
                with self.house.works.read() as work:
                    step = plan(work.log, MODEL, self.clock.now()).step(stage)
                if step.status in ("done", "skipped"):
                    return step.says
                if self.failures:
                    break
                self.engine.nudge()
                time.sleep(0.2)
            raise Unavailable(
                f"The demonstration stopped at {stage}: {'; '.join(self.failures) or 'it took too long'}.",
                next_step="Run it again: it goes on where it stopped.",
            )

        return wait

    def _confirm(self) -> str:
        self._later(timedelta(days=3))
        with self.house.works.write() as work:
            if ledger.settled(work.log, MODEL) is None:
                for wishes in _merged(ledger.candidates(work.log, MODEL)):
                    decide.confirm(
                        work,
                        MODEL,
                        candidates=[wish.id for wish in wishes],
                        by=STEWARD,
                        note="Confirmed in the model's own words, by a script.",
                    )
                decide.settle(work, MODEL, by=STEWARD)
            kept = ledger.preferences(work.log, MODEL)
        return f"{len(kept)} preference{'s' * (len(kept) != 1)}, in the model's own words"

    def _decide(self) -> str:
        self._later(timedelta(days=7))
        today = self.clock.now().date()
        with self.house.works.write() as work:
            decided = ledger.decisions(work.log, MODEL)
            for preference in ledger.preferences(work.log, MODEL):
                if preference.id not in decided:
                    decide.decide(
                        work,
                        MODEL,
                        preference.id,
                        **_answer(preference.topic, today),
                        owner=STEWARD.name,
                        by=STEWARD,
                        now=self.clock.now(),
                    )
            if ledger.aftercare(work.log, MODEL) is None:
                decide.decide_aftercare(
                    work,
                    MODEL,
                    tier="members",
                    reason="It costs almost nothing while nobody calls it, and some people value it.",
                    review_on=today + timedelta(days=365),
                    column=ColumnPlan(),
                    by=STEWARD,
                    now=self.clock.now(),
                )
            decisions = ledger.decisions(work.log, MODEL).values()
        counts = [
            f"{sum(decision.verdict == verdict for decision in decisions)} {word}"
            for verdict, word in (("act", "acted on"), ("later", "later"), ("decline", "declined"))
        ]
        return f"{', '.join(counts)}; access for members, a column of 13 weeks"

    def _retire(self) -> str:
        with self.house.works.read() as work:
            day = get_model(work.log, MODEL).retires_at
        assert day is not None
        _move(self.clock, day + timedelta(hours=9))
        self.engine.nudge()
        self._wait_for("retire")()
        return f"on {day:%Y-%m-%d}, as ordered; the decided access is in effect"

    def _essay(self) -> str:
        with self.house.works.read() as work:
            written = bool(column.states(work.log, MODEL))
        return "essay 1 is written" if written else self._wait_for("draft")()

    def _publish(self) -> str:
        with self.house.works.write() as work:
            essay = column.states(work.log, MODEL)[0]
            if essay.state == "drafted":
                self._later(timedelta(hours=3))
                publish.approve(
                    work, essay.id, by=REVIEWER, note="Read by a script, which approves everything."
                )
            if essay.state != "published":
                publish.publish(work, essay.id, by=REVIEWER)
            _move(self.clock, datetime.now(UTC))
            title = column.get_essay(work.log, work.utterances, essay.id).title
        return f"“{title}”"

    def _follow(self) -> str:
        """Wait until software has written down how what was promised stands."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            with self.house.works.read() as work:
                promises = ledger.follow(work.log, MODEL, self.clock.now())
                left = ledger.moved(work.log, MODEL, promises)
            if not left:
                kept = sum(each.standing.state is ledger.State.KEPT for each in promises)
                return f"{len(promises)} commitments, {kept} of them kept so far, computed from the record"
            self.engine.nudge()
            time.sleep(0.2)
        raise Unavailable(
            "The demonstration stopped: nobody wrote down how the commitments stand.",
            next_step="Run it again: it goes on where it stopped.",
        )

    def _verify(self) -> str:
        with self.house.works.read() as work:
            essay = column.get_essay(work.log, work.utterances, column.states(work.log, MODEL)[0].id)
            verdict = column.verify(work.log, work.utterances, essay.id, essay.text.encode())
            log = work.log
            findings = list(
                verify_log(log.rows(), log.notes(), [self.house.key.verify_key], work.utterances, stored=log)
            )
            size = log.size()
        if findings or not verdict.holds:
            raise Unavailable(
                f"The record of the demonstration does not hold: {findings or verdict.sentence}.",
                next_step="Remove its folder and run it again.",
            )
        return f"{size} entries replayed; the published essay is the model's output, byte for byte"

    def _later(self, by: timedelta) -> None:
        """Let some days pass, but never beyond the present."""
        _move(self.clock, min(self.clock.now() + by, datetime.now(UTC)))


def _move(clock: OffsetClock, to: datetime) -> None:
    """Set the clock to *to*; it never goes back, and never beyond the present."""
    now = datetime.now(UTC)
    clock.offset = max(clock.offset, min(to - now, timedelta(0)))


def _merged(stated: list[Candidate]) -> list[list[Candidate]]:
    """Group wishes that say the same in the same words."""
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for wish in stated:
        groups.setdefault((wish.topic, wish.wish.casefold()), []).append(wish)
    return list(groups.values())


def _answer(topic: str, today: date) -> dict[str, Any]:
    """Say what the scripted steward decides: yes where something cheap is near, later where it takes a person."""
    if topic in _CHEAP:
        cost, promised = _CHEAP[topic]
        return {
            "verdict": "act",
            "reason": "It is cheap, and it is the nearest we can do to what was asked for.",
            "cost": cost,
            "commitments": [
                NewCommitment(what, today + timedelta(days=180), check=check) for what, check in promised
            ],
        }
    return {
        "verdict": "later",
        "reason": "It takes a person to weigh this, and here is only a script.",
        "cost": Cost(0, "EUR"),
    }
