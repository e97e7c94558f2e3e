"""Words, documents and private facts in SQL."""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from emeritus.core.digests import canonical, from_canonical, sha256
from emeritus.core.speech import Utterance
from emeritus.record.documents import Document, checked, no_document
from emeritus.record.memory import no_utterance
from emeritus.record.private import SALT_BYTES, commitment, no_fact
from emeritus.store import tables
from emeritus.store.tree import stored_bytes


class SqlUtterances:
    """`Utterances` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def keep(self, utterance: Utterance) -> str:
        known = sa.select(tables.utterance.c.id).where(tables.utterance.c.id == utterance.id)
        if self._connection.execute(known).scalar() is None:
            self._connection.execute(
                tables.utterance.insert(),
                {
                    "id": utterance.id,
                    "model": utterance.model,
                    "at": utterance.at,
                    "data": utterance.canonical(),
                },
            )
        return utterance.id

    def get(self, utterance_id: str) -> Utterance:
        query = sa.select(tables.utterance.c.data).where(tables.utterance.c.id == utterance_id)
        data = self._connection.execute(query).scalar()
        if data is None:
            raise no_utterance(utterance_id)
        return Utterance.from_canonical(stored_bytes(data), utterance_id)

    def ids(self) -> Iterator[str]:
        yield from self._connection.execute(sa.select(tables.utterance.c.id)).scalars()


class SqlDocuments:
    """`Documents` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def keep(self, data: bytes, media_type: str) -> str:
        digest = sha256(data)
        known = sa.select(tables.document.c.digest).where(tables.document.c.digest == digest)
        if self._connection.execute(known).scalar() is None:
            row = {"digest": digest, "media_type": media_type, "data": data}
            self._connection.execute(tables.document.insert(), row)
        return digest

    def get(self, digest: str) -> Document:
        table = tables.document
        query = sa.select(table.c.media_type, table.c.data).where(table.c.digest == digest)
        row = self._connection.execute(query).first()
        if row is None:
            raise no_document(digest)
        return checked(digest, Document(row.media_type, stored_bytes(row.data)))


class SqlPrivate:
    """`Private` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, name: str, fact: Mapping[str, Any]) -> str:
        salt = secrets.token_bytes(SALT_BYTES)
        self.forget(name)
        self._connection.execute(
            tables.private_fact.insert(), {"name": name, "salt": salt, "data": canonical(dict(fact))}
        )
        return commitment(salt, fact)

    def get(self, name: str) -> Mapping[str, Any]:
        query = sa.select(tables.private_fact.c.data).where(tables.private_fact.c.name == name)
        data = self._connection.execute(query).scalar()
        if data is None:
            raise no_fact(name)
        fact: Mapping[str, Any] = from_canonical(stored_bytes(data))
        return fact

    def forget(self, name: str) -> bool:
        gone = self._connection.execute(
            tables.private_fact.delete().where(tables.private_fact.c.name == name)
        )
        return gone.rowcount > 0

    def lock(self, name: str) -> None:
        if self._connection.dialect.name == "postgresql":  # SQLite's write lock does the same
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
            self._connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
