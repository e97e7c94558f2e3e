"""Keys and usage in SQL keep the contracts of their ports."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from tests.access.contracts import KeysContract, UsageContract

from emeritus.store.access import SqlKeys, SqlUsage
from emeritus.store.database import open_database
from emeritus.store.schema import migrate


@pytest.fixture
def connection(either_database: str) -> Iterator[sa.Connection]:
    database = open_database(either_database)
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
