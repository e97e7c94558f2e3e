"""Units of work in SQL: everything in one is committed together, and its checkpoint is signed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa
from attrs import frozen

from emeritus.core.clock import Clock
from emeritus.process.ports import Failure, Failures, Stretches
from emeritus.record import SigningKey, VerifyKey
from emeritus.store import tables
from emeritus.store.access import SqlKeys, SqlUsage
from emeritus.store.database import transaction
from emeritus.store.deliveries import SqlDeliveries
from emeritus.store.log import Renew, SqlLog
from emeritus.store.post import SqlPost
from emeritus.store.sealing import Sealer
from emeritus.store.subscribers import SqlSubscribers
from emeritus.store.words import SqlDocuments, SqlPrivate, SqlUtterances

AskFor = Callable[[sa.Connection, Failures], Stretches]


@frozen
class SqlWork:
    """What one unit of work gives: see `emeritus.process.ports.Work` and `emeritus.access`."""

    log: SqlLog
    utterances: SqlUtterances
    documents: SqlDocuments
    private: SqlPrivate
    stretches: Stretches
    failures: "SqlFailures"
    keys: SqlKeys
    usage: SqlUsage
    post: SqlPost
    deliveries: SqlDeliveries
    subscribers: SqlSubscribers


class SqlWorks:
    """Makes units of work on one database. Without a *sealer*, nobody else can read what is sealed here."""

    def __init__(
        self,
        database: sa.Engine,
        clock: Clock,
        key: SigningKey,
        ask_for: AskFor,
        renew: Renew | None = None,
        sealer: Sealer | None = None,
        counting: sa.Engine | None = None,
    ) -> None:
        self.database = database
        self._counting = counting or database
        self.key = key
        self._clock = clock
        self._ask_for = ask_for
        self._renew_from = renew
        self._sealer = sealer or Sealer.fresh()

    def _renew(self, expected: VerifyKey) -> SigningKey:
        """Read the key again: another process rotated it."""
        if self._renew_from is not None:
            self.key = self._renew_from(expected)
        return self.key

    @contextmanager
    def write(self) -> Iterator[SqlWork]:
        """Yield a unit of work; committed at the end, with a signed checkpoint over what it appended."""
        with transaction(self.database) as connection:
            work = self._on(connection)
            yield work
            work.log.seal()

    @contextmanager
    def count(self) -> Iterator[SqlWork]:
        """Yield a unit of work for counts, to which nothing is appended: it waits for no disk.

        What it commits outlives this process, and not always a power cut: see `open_database`.
        """
        with transaction(self._counting) as connection:
            yield self._on(connection)

    @contextmanager
    def unsynced(self) -> Iterator[SqlWork]:
        """Yield a unit of work that does not wait for the disk: no kill undoes it, but a power cut may."""
        with transaction(self.database, synced=False) as connection:
            work = self._on(connection)
            yield work
            work.log.seal()

    @contextmanager
    def read(self) -> Iterator[SqlWork]:
        """Yield a unit of work that only reads: one consistent view, no lock."""
        with transaction(self.database, reading=True) as connection:
            yield self._on(connection)

    def _on(self, connection: sa.Connection) -> SqlWork:
        failures = SqlFailures(connection)
        return SqlWork(
            log=SqlLog(connection, self._clock, self.key, self._renew),
            utterances=SqlUtterances(connection),
            documents=SqlDocuments(connection),
            private=SqlPrivate(connection),
            stretches=self._ask_for(connection, failures),
            failures=failures,
            keys=SqlKeys(connection),
            usage=SqlUsage(connection),
            post=SqlPost(connection, self._sealer, self._clock),
            deliveries=SqlDeliveries(connection, self._sealer, self._clock),
            subscribers=SqlSubscribers(connection, self._sealer),
        )


class SqlFailures:
    """`Failures` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, failure: Failure) -> None:
        self._connection.execute(
            tables.failure.insert(),
            {
                "stage": failure.stage,
                "subject": failure.subject,
                "error": failure.error,
                "sentence": failure.sentence,
                "next_step": failure.next_step,
                "at": failure.at,
            },
        )

    def of(self, stage: str, subject: str) -> list[Failure]:
        return self._where(tables.failure.c.stage == stage, tables.failure.c.subject == subject)

    def at(self, stage: str) -> list[Failure]:
        return self._where(tables.failure.c.stage == stage)

    def _where(self, *conditions: sa.ColumnElement[bool]) -> list[Failure]:
        table = tables.failure
        columns = (
            table.c.stage,
            table.c.subject,
            table.c.error,
            table.c.sentence,
            table.c.next_step,
            table.c.at,
        )
        query = sa.select(*columns).where(*conditions).order_by(table.c.id)
        return [Failure(*row) for row in self._connection.execute(query)]

    def clear(self, stage: str, subject: str) -> None:
        table = tables.failure
        self._connection.execute(table.delete().where(table.c.stage == stage, table.c.subject == subject))


class SqlWorkers:
    """Where workers sign in (the port of `emeritus.engine`)."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def beat(self, executor: str, at: datetime) -> None:
        table = tables.worker
        with transaction(self._database) as connection:
            connection.execute(table.delete().where(table.c.executor == executor))
            connection.execute(table.insert(), {"executor": executor, "seen_at": at})

    def leave(self, executor: str) -> None:
        table = tables.worker
        with transaction(self._database) as connection:
            connection.execute(table.delete().where(table.c.executor == executor))

    def seen_since(self, moment: datetime) -> set[str]:
        table = tables.worker
        with transaction(self._database, reading=True) as connection:
            query = sa.select(table.c.executor).where(table.c.seen_at >= moment)
            return set(connection.execute(query).scalars())
