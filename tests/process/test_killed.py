"""The worker is killed at every step and inside the long ones; the retirement finishes, with one of everything."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from emeritus import archive, ledger
from emeritus.core.clock import OffsetClock
from emeritus.core.people import person
from emeritus.process import decide, publish
from emeritus.process.announce import announce
from emeritus.process.plan import plan
from emeritus.process.preserve import manifest_of
from emeritus.process.register import register
from emeritus.record import verify_log
from emeritus.registry import Lineage, NewModel, Organisation, add_person
from emeritus.settings import Settings, load_settings
from emeritus.wiring import found_house, open_house

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

ADA = person("Ada Lovelace")
MODEL = "smollm2"
NOTICE = 90
TODAY = datetime.now(UTC).date()
ONCE = (
    "retirement.opened",
    "weights.archived",
    "weights.proven",
    "protocol.adopted",
    "sitting.opened",
    "sitting.closed",
    "preferences.stated",
    "model.retired",
    "policy.set",
    "access.probed",
    "essay.drafted",
)


class Worker:
    """`emeritus work` in a process of its own, on a house that can be looked into while it runs."""

    def __init__(self, settings: Settings, days_later: int = 0) -> None:
        self.home = settings.home
        self._days = days_later

    def start(self) -> subprocess.Popen[bytes]:
        env = {**os.environ, "EMERITUS_CLOCK_OFFSET": str(self._days * 86400)}
        command = [sys.executable, "-m", "emeritus", "--home", str(self.home), "work", "--until-idle"]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def kill_when(self, reached: Callable[[Path], bool], how: signal.Signals = signal.SIGKILL) -> bool:
        """Kill it at the first sight of a moment; tell whether it was still alive then."""
        process = self.start()
        try:
            end = time.monotonic() + 240
            while process.poll() is None and not reached(self.home):
                assert time.monotonic() < end, "the moment never came"
                time.sleep(0.005)
            alive = process.poll() is None
            process.send_signal(how)
            process.wait(timeout=60)
            return alive
        finally:
            process.kill()
            process.communicate()

    def finish(self) -> str:
        process = self.start()
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed.decode()
        return printed.decode()


def kinds(home: Path) -> Counter[str]:
    with sqlite3.connect(f"file:{home / 'emeritus.db'}?mode=ro", uri=True, timeout=30) as database:
        return Counter(kind for (kind,) in database.execute("SELECT kind FROM entry"))


def has(kind: str, count: int = 1) -> Callable[[Path], bool]:
    return lambda home: kinds(home)[kind] >= count


def under_way(kind: str, count: int) -> Callable[[Path], bool]:
    """A little after something: in the middle of what comes next."""
    seen: list[float] = []

    def reached(home: Path) -> bool:
        if not seen and kinds(home)[kind] >= count:
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] > 0.3

    return reached


def storing(home: Path) -> bool:
    return sum(1 for _ in (home / "archive").rglob("*")) > 40


def restoring(home: Path) -> bool:
    return any((home / "cache").rglob("*"))


def starting(_: Path) -> bool:
    return True


@pytest.fixture
def settings(tmp_path: Path, smollm2: Path) -> Settings:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "settings.toml").write_text('protocol = "brief-v1"\n')  # as many steps, fewer words
    settings = load_settings(tmp_path / "house")
    found_house(settings, Organisation("Example Lab", 60, demo=False))
    with open_house(settings) as house, house.works.write() as work:
        add_person(work.log, ADA, ["steward", "reviewer"], ADA)
        new = NewModel(MODEL, "SmolLM2", Lineage("smollm"), "Apache-2.0", date(2024, 10, 31))
        register(work, new, path=smollm2, url=None, key_env="", by=ADA)
        on = TODAY + timedelta(days=NOTICE)
        announce(work, house.clock, MODEL, on=on, replacement=None, why="a larger one", by=ADA)
    return settings


def test_killed_everywhere_it_finishes_with_one_of_everything(settings: Settings) -> None:
    """kill -9 (and SIGTERM) at each step and inside the long ones lose nothing and double nothing."""
    worker = Worker(settings)
    moments = {
        "starting": (starting, signal.SIGKILL),
        "while storing": (storing, signal.SIGKILL),
        "stored": (has("weights.archived"), signal.SIGKILL),
        "while restoring": (restoring, signal.SIGKILL),
        "proven": (has("weights.proven"), signal.SIGKILL),
        "sitting opened": (has("sitting.opened"), signal.SIGKILL),
        "while the model answers": (under_way("sitting.turn", 1), signal.SIGKILL),
        "asked to stop": (under_way("sitting.turn", 2), signal.SIGTERM),
        "between turns": (has("sitting.turn", 3), signal.SIGKILL),
        "summed up": (has("preferences.stated"), signal.SIGKILL),
    }
    hit = {name: worker.kill_when(reached, how) for name, (reached, how) in moments.items()}
    assert sum(hit.values()) >= len(hit) - 2, hit
    worker.finish()
    days_left = _decide(settings)
    assert days_left == NOTICE
    later = Worker(settings, NOTICE + 1)
    hit = {
        name: later.kill_when(reached)
        for name, reached in {
            "retired": has("model.retired"),
            "while called": under_way("model.retired", 1),
            "called": has("access.probed"),
            "while writing": under_way("access.probed", 1),
        }.items()
    }
    assert sum(hit.values()) >= 2, hit
    later.finish()
    _publish_and_check(settings)


def _decide(settings: Settings) -> int:
    with open_house(settings) as house, house.works.write() as work:
        now = house.clock.now()
        assert plan(work.log, MODEL, now).step("confirm").status == "waiting"
        for wish in ledger.candidates(work.log, MODEL):
            made = decide.confirm(work, MODEL, candidates=[wish.id], by=ADA)
            decide.decide(
                work,
                MODEL,
                made.id,
                verdict="later",
                reason="to be looked at",
                cost=ledger.Cost(0, "EUR"),
                owner=ADA.name,
                by=ADA,
                now=now,
            )
        decide.settle(work, MODEL, by=ADA)
        decide.decide_aftercare(
            work,
            MODEL,
            tier="members",
            reason="valued",
            review_on=TODAY + timedelta(days=400),
            column=ledger.ColumnPlan(),
            by=ADA,
            now=now,
        )
        step = plan(work.log, MODEL, now).step("retire")
        assert step.status == "scheduled"
        assert step.when is not None
        return (step.when.date() - TODAY).days


def _publish_and_check(settings: Settings) -> None:
    found = kinds(settings.home)
    assert {kind: found[kind] for kind in ONCE} == dict.fromkeys(ONCE, 1)
    with open_house(settings, clock=OffsetClock(timedelta(days=NOTICE + 1))) as house:
        with house.works.write() as work:
            publish.approve(work, f"{MODEL}-essay-1", by=ADA)
            publish.publish(work, f"{MODEL}-essay-1", by=ADA)
            manifest = manifest_of(work.log, house.parts, MODEL)
        with house.works.read() as work:
            turns = [entry.body["number"] for entry in work.log.entries(kinds={"sitting.turn"})]
            assert len(turns) == len(set(turns))
            said = [e.body["utterance"] for e in work.log.entries() if e.body.get("utterance")]
            assert set(work.utterances.ids()) == set(said), "no words without an entry, and none lost"
            key = house.key.verify_key
            assert not list(
                verify_log(work.log.rows(), work.log.notes(), [key], work.utterances, stored=work.log)
            )
        assert archive.verify(manifest, house.parts.blobs).is_sound
    commands = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(settings.home) not in commands, "an engine was left behind"
