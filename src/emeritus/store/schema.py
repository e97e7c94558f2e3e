"""Migrations of our own tables (Alembic)."""

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from emeritus.core.errors import Conflict, NotFound
from emeritus.store.database import transaction

_LOCK = 0x454D4552  # one migrator at a time on PostgreSQL; SQLite's write lock does the same


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def migrate(engine: sa.Engine) -> None:
    """Bring the tables to the newest revision, all in one transaction. Safe to run from many processes."""
    scripts = _scripts()
    head = scripts.get_current_head()
    assert head is not None
    with transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        environment = EnvironmentContext(Config(), scripts)
        environment.configure(
            connection=connection,
            transactional_ddl=True,
            fn=lambda revision, _: scripts._upgrade_revs(head, revision),  # noqa: SLF001
        )
        environment.run_migrations()


def check(engine: sa.Engine) -> None:
    """Make sure that the tables are those of this release.

    Raises:
        NotFound: there are none.
        Conflict: they are older or newer.
    """
    with transaction(engine, reading=True) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    head = _scripts().get_current_head()
    if found is None:
        raise NotFound(
            "There is no house here yet.", next_step="Run `emeritus init --name 'YOUR ORGANISATION'`."
        )
    if found != head:
        raise Conflict(
            f"The tables are at revision {found}, and this release works with {head}.",
            next_step="Back the database up, then run `emeritus upgrade`.",
        )
