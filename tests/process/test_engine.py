"""The durable worker: what it runs, what it survives, and who takes over."""

import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from attrs import evolve

from emeritus.cli.house import quiet_logs
from emeritus.core.people import person
from emeritus.engine import durable
from emeritus.process.announce import announce
from emeritus.process.plan import plan
from emeritus.process.register import register
from emeritus.registry import Lineage, NewModel, Organisation, Remote, add_person
from emeritus.settings import Settings, load_settings
from emeritus.store.database import transaction
from emeritus.voices.fakes import FakeEngine
from emeritus.wiring import House, found_house, open_house

ADA = person("Ada Lovelace")
MODEL = "far-away"
TODAY = datetime.now(UTC).date()

pytestmark = [pytest.mark.timeout(180)]


@pytest.fixture
def remote() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, remote: FakeEngine) -> Settings:
    """A house with a model behind somebody's API, whose retirement was just announced."""
    url = request.getfixturevalue("postgres_database") if request.param == "postgres" else ""
    settings = load_settings(tmp_path / "house", database_url=url)
    found_house(settings, Organisation("Example Lab", 60, demo=False))
    new = NewModel(
        MODEL, "Far Away", Lineage("far"), "proprietary", date(2024, 3, 4), remote=Remote("openai", "far")
    )
    with open_house(settings) as house, house.works.write() as work:
        add_person(work.log, ADA, ["steward"], ADA)
        register(work, new, path=None, url=remote.url, key_env="", by=ADA)
        announce(work, house.clock, MODEL, on=TODAY + timedelta(days=90), replacement=None, why="x", by=ADA)
    return settings


def run(house: House, until: Callable[[durable.Engine], bool], seconds: float = 60) -> list[str]:
    failed: list[str] = []
    engine = house.engine(on_failure=lambda stage, _, why: failed.append(f"{stage}: {why}"), sweep_every=0.5)
    engine.start()
    try:
        end = time.monotonic() + seconds
        while not until(engine):
            assert time.monotonic() < end, "it took too long"
            time.sleep(0.05)
    finally:
        engine.close()
    return failed


def held(house: House) -> bool:
    with house.works.read() as work:
        return plan(work.log, MODEL, house.clock.now()).step("interview").status == "done"


def once(house: House) -> None:
    with house.works.read() as work:
        for kind in ("sitting.opened", "sitting.closed", "preferences.stated"):
            assert len(work.log.entries(kinds={kind})) == 1, kind
        turns = [entry.body["number"] for entry in work.log.entries(kinds={"sitting.turn"})]
        assert turns == sorted(set(turns))


def test_what_a_person_asked_for_is_done(settings: Settings) -> None:
    """The announcement enqueued the interview in its own transaction; a worker finds and runs it."""
    with open_house(settings) as house:
        with transaction(house.database, reading=True) as connection:
            schema = "dbos" if connection.dialect.name == "postgresql" else None
            table = sa.Table("workflow_status", sa.MetaData(), schema=schema, autoload_with=connection)
            asked = connection.execute(sa.select(table.c.workflow_uuid)).scalars().all()
        assert sorted(asked) == [f"interview:{MODEL}:0", f"tell:{MODEL}:0"]
        assert run(house, lambda engine: engine.is_idle()) == []
        assert held(house)
        once(house)


def test_all_of_the_engines_tables_can_be_lost(settings: Settings) -> None:
    """With every DBOS table dropped in the middle, the next worker makes them anew and finishes."""
    with open_house(settings) as house:
        run(house, lambda _: _turns(house) >= 2)
        with transaction(house.database) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("DROP SCHEMA dbos CASCADE")
            else:
                connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
                for name in _dbos_tables(connection):
                    connection.exec_driver_sql(f'DROP TABLE "{name}"')
        with house.works.write() as work:
            add_person(work.log, person("Grace"), ["steward"], ADA)
            work.stretches.ask("interview", MODEL)  # without tables, this is left to the sweep
        assert run(house, lambda engine: engine.is_idle()) == []
        assert held(house)
        once(house)


def _dbos_tables(connection: sa.Connection) -> list[str]:
    from emeritus.store.tables import metadata

    ours = {*metadata.tables, "alembic_version"}
    return [name for name in sa.inspect(connection).get_table_names() if name not in ours]


def _turns(house: House) -> int:
    with house.works.read() as work:
        return len(work.log.entries(kinds={"sitting.turn"}))


def test_a_dead_workers_job_is_taken_over(settings: Settings, remote: FakeEngine) -> None:
    """A worker is killed in the middle of a stretch; another one notices and goes on where it was."""
    env = {**os.environ, "EMERITUS_DATABASE_URL": settings.database}
    command = [sys.executable, "-m", "emeritus", "--home", str(settings.home), "work"]
    remote._pause = 0.05
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open_house(settings) as house:
        try:
            end = time.monotonic() + 60
            while _turns(house) < 2:
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
        assert not held(house)
        remote._pause = 0.0
        assert run(house, lambda engine: engine.is_idle()) == []
        assert held(house)
        once(house)


def test_two_workers_do_each_thing_once(settings: Settings) -> None:
    """Two processes on one database: nothing is done twice."""
    env = {**os.environ, "EMERITUS_DATABASE_URL": settings.database}
    command = [sys.executable, "-m", "emeritus", "--home", str(settings.home), "work", "--until-idle"]
    workers = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)
    ]
    for worker in workers:
        printed, _ = worker.communicate(timeout=120)
        assert worker.returncode == 0, printed.decode()
    with open_house(settings) as house:
        assert held(house)
        once(house)


def test_a_failure_is_seen_waits_and_is_tried_again(settings: Settings, remote: FakeEngine) -> None:
    """An engine that answers nonsense: after its retries the step is a failure with a next step, not a crash."""
    quiet_logs(logging.CRITICAL)
    for _ in range(12):
        remote.reply_next(b"nonsense")
    with open_house(settings) as house:
        failed = run(house, lambda _: _failures(house) > 0)
        assert failed
        assert failed[0].startswith("interview: ")
        with house.works.write() as work:
            failure = work.failures.of("interview", MODEL)[0]
            assert failure.error.startswith("voice.")
            assert failure.next_step
            from emeritus.process.stretch import forgive

            remote._instead.clear()
            assert forgive(work, MODEL, house.clock.now())
            work.failures.add(evolve(failure, at=failure.at - timedelta(hours=1)))
        assert run(house, lambda engine: engine.is_idle()) == []
        assert held(house)
        once(house)
        assert _failures(house) == 0, "what went well in the end does not slow down what comes later"


def _failures(house: House) -> int:
    with house.works.read() as work:
        return len(work.failures.of("interview", MODEL))


def test_two_retirements_of_one_model_at_once(settings: Settings) -> None:
    """Two stewards announce at the same moment: one stands, the other is told so."""
    with open_house(settings) as house, house.works.write() as work:
        new = NewModel(
            "other", "Other", Lineage("far"), "proprietary", date(2024, 3, 4), remote=Remote("openai", "far")
        )
        register(work, new, path=None, url="http://127.0.0.1:9", key_env="", by=ADA)
    env = {**os.environ, "EMERITUS_DATABASE_URL": settings.database, "EMERITUS_AS": ADA.name}
    retire = [sys.executable, "-m", "emeritus", "--home", str(settings.home), "retire", "other"]
    commands = [
        [*retire, "--on", str(TODAY + timedelta(days=days)), "--no-replacement", "--why", "x"]
        for days in (80, 120)
    ]
    both = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for command in commands
    ]
    printed = [process.communicate(timeout=60)[0].decode() for process in both]
    assert sorted(process.returncode for process in both) == [0, 4], printed
    assert any("conflict:" in text for text in printed)
    with open_house(settings) as house, house.works.read() as work:
        opened = work.log.entries(model="other", kinds={"retirement.opened"})
        assert len(opened) == 1


def test_sqlite_is_in_wal_mode_and_synced(settings: Settings) -> None:
    """A crash of the machine loses nothing that was acknowledged."""
    if settings.database_url:
        return
    with sqlite3.connect(settings.home / "emeritus.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
