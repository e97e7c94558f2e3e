"""Documents are kept once, under the digest of their bytes, and reading them checks that."""

import pytest
import sqlalchemy as sa

from emeritus.core.digests import sha256
from emeritus.core.errors import IntegrityError, NotFound
from emeritus.record.documents import Document, MemoryDocuments
from emeritus.store import tables
from emeritus.store.database import open_database, transaction
from emeritus.store.schema import migrate
from emeritus.store.words import SqlDocuments


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def documents(request, tmp_path):
    if request.param == "memory":
        yield MemoryDocuments()
        return
    url = (
        f"sqlite:///{tmp_path / 'house.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    database = open_database(url)
    migrate(database)
    with transaction(database) as connection:
        yield SqlDocuments(connection)
    database.dispose()


def test_what_is_kept_comes_back_byte_for_byte(documents):
    data = bytes(range(256)) * 3
    digest = documents.keep(data, "application/atom+xml")
    assert digest == sha256(data)
    assert documents.keep(data, "text/plain") == digest, "the same bytes again change nothing"
    assert documents.get(digest) == Document("application/atom+xml", data)
    assert documents.get(documents.keep(b"", "text/plain")).data == b""
    with pytest.raises(NotFound):
        documents.get(sha256(b"never"))


def test_what_was_altered_is_not_given_out(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'house.db'}")
    migrate(database)
    with transaction(database) as connection:
        documents = SqlDocuments(connection)
        digest = documents.keep(b"as it was", "text/plain")
        connection.execute(sa.update(tables.document).values(data=b"as they wish"))
        with pytest.raises(IntegrityError, match="not what the record names"):
            documents.get(digest)
    database.dispose()
