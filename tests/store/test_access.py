"""Keys and usage in SQL keep the contracts of their ports."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.access.contracts import KeysContract, UsageContract

from emeritus.store.access import SqlKeys, SqlUsage
from emeritus.store.database import open_database
from emeritus.store.schema import migrate


@pytest.fixture(params=["sqlite", "postgres"])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Connection]:
    url = (
        f"sqlite:///{tmp_path / 'house.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    database = open_database(url)
    migrate(database)
    with database.connect() as connection:
        yield connection
    database.dispose()


class TestSqlKeys(KeysContract):
    @pytest.fixture
    def keys(self, connection: sa.Connection) -> SqlKeys:
        return SqlKeys(connection)


class TestSqlUsage(UsageContract):
    @pytest.fixture
    def usage(self, connection: sa.Connection) -> SqlUsage:
        return SqlUsage(connection)
