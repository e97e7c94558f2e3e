"""Migrations: their sum is the tables, and they are safe to run."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.store import tables
from emeritus.store.database import open_database, transaction
from emeritus.store.schema import check, migrate


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> sa.Engine:
    if request.param == "sqlite":
        return open_database(f"sqlite:///{tmp_path / 'house.db'}")
    return open_database(request.getfixturevalue("postgres_database"))


def test_the_sum_of_the_migrations_is_the_tables(database: sa.Engine) -> None:
    """What `migrate` makes and what the code expects are the same."""
    migrate(database)
    with transaction(database) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    database.dispose()


def test_many_may_migrate_at_once(database: sa.Engine) -> None:
    """Whoever is first does it, and the others find it done."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            migrate(database)
        except BaseException as why:  # noqa: BLE001
            problems.append(why)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    check(database)
    database.dispose()


def test_a_house_that_is_not_there_or_not_of_this_release_is_named(database: sa.Engine) -> None:
    """No table is read before it is known to be ours."""
    with pytest.raises(NotFound, match="no house"):
        check(database)
    migrate(database)
    with transaction(database) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="9999"):
        check(database)
    database.dispose()


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "", "sqlite"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    """SQLite or PostgreSQL, by name."""
    with pytest.raises(InvalidInput, match="neither SQLite nor PostgreSQL"):
        open_database(url)
