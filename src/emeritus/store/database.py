"""Engines and transactions: SQLite in WAL mode for one machine, PostgreSQL for several."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from emeritus.core.errors import IntegrityError, InvalidInput, Unavailable

_READ = "emeritus_read"
_UNSYNCED = "emeritus_unsynced"


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or has no room left."""

    id = "database.unavailable"


def open_database(url: str, *, through_power_cuts: bool = True) -> sa.Engine:
    """Return an engine for *url*: ``sqlite:///FILE`` or ``postgresql://…``.

    Args:
        url: where it is.
        through_power_cuts: whether a commit waits until it is on the disk. One that does not wait outlives
            its process all the same; the last moments can be lost when the machine itself goes down, whole
            transactions of them and never parts. Right for counts, wrong for the record.

    Raises:
        InvalidInput: for any other kind of database.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidInput(
            "The database URL is for neither SQLite nor PostgreSQL.",
            next_step="Set EMERITUS_DATABASE_URL to sqlite:///FILE or postgresql://USER@HOST/NAME.",
        )
    if parsed.get_backend_name() == "postgresql":
        engine = sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=10
        )
        if not through_power_cuts:
            event.listen(engine, "connect", _do_not_wait_postgres)
        return engine
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": 30})
    event.listen(engine, "connect", _prepare_sqlite)
    if not through_power_cuts:
        event.listen(engine, "connect", _do_not_wait_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, so that DDL is in transactions too
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _do_not_wait_sqlite(connection: Any, _record: object) -> None:
    connection.execute(
        "PRAGMA synchronous=NORMAL"
    )  # in WAL mode: written at each commit, synced now and then


def _do_not_wait_postgres(connection: Any, _record: object) -> None:
    connection.execute("SET synchronous_commit TO off")
    connection.commit()


def _begin_sqlite(connection: sa.Connection) -> None:
    # What is not synced is safe from a kill, not from a power cut; the next commit that is brings it along.
    wanted = "NORMAL" if connection.get_execution_options().get(_UNSYNCED, False) else "FULL"
    if connection.info.get(_UNSYNCED, "FULL") != wanted:
        connection.exec_driver_sql(f"PRAGMA synchronous={wanted}")
        connection.info[_UNSYNCED] = wanted
    # A writer takes the lock at once: one that began by reading could not upgrade, and would fail late.
    reading = connection.get_execution_options().get(_READ, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def transaction(engine: sa.Engine, *, reading: bool = False, synced: bool = True) -> Iterator[sa.Connection]:
    """Yield a connection inside one transaction: committed at the end, rolled back on an exception.

    One that is not *synced* does not wait for the disk: no kill undoes it, but a power cut may.

    Raises:
        DatabaseUnavailable: the database does not answer, is locked for too long, or its disk is full.
        IntegrityError: its file is damaged.
    """
    options: dict[str, Any] = {_READ: reading, _UNSYNCED: not synced}
    if reading and engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"  # one view for the whole of it, as in SQLite
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            if not synced and engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            yield connection
    except sa.exc.OperationalError as why:
        raise DatabaseUnavailable(
            f"The database did not do its work: {str(why.orig).splitlines()[0]}.",
            next_step="Check that it runs and that its disk has room; nothing of this act was kept.",
        ) from why
    except sa.exc.DatabaseError as why:
        if type(why) is not sa.exc.DatabaseError:  # its subclasses tell of our own mistakes
            raise
        raise IntegrityError(
            f"The database is damaged: {str(why.orig).splitlines()[0]}.",
            next_step="Stop what uses it, and restore it from a backup.",
        ) from why
