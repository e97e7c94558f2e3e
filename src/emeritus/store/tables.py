"""The tables. What a law protects (entries, tiles, checkpoints, words) is append-only by trigger."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(sa.TypeDecorator[datetime]):
    """A moment in UTC. SQLite drops time zones, so the zone is checked going in and given back coming out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        assert isinstance(value, datetime)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


entry = sa.Table(
    "entry",
    metadata,
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False
    ),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(80), nullable=False),
    sa.Column("model", sa.String(96)),
    sa.Column("subject", sa.String(200)),
    sa.Column("key", sa.String(300), unique=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index(None, "model", "kind"),
    sa.Index(None, "kind", "subject"),
)

tile = sa.Table(
    "tile",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
)

checkpoint = sa.Table(
    "checkpoint",
    metadata,
    sa.Column(
        "size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False
    ),
    sa.Column("note", sa.Text, nullable=False),
)

cosignature = sa.Table(
    "cosignature",
    metadata,
    sa.Column(
        "size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False
    ),
    sa.Column("witness", sa.String(300), primary_key=True),
    sa.Column("line", sa.Text, nullable=False),
)

utterance = sa.Table(
    "utterance",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("model", sa.String(96), nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

document = sa.Table(
    "document",
    metadata,
    sa.Column("digest", sa.String(80), primary_key=True),
    sa.Column("media_type", sa.String(200), nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

private_fact = sa.Table(
    "private_fact",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

desk_token = sa.Table(
    "desk_token",
    metadata,
    sa.Column("hash", sa.String(80), primary_key=True),
    sa.Column("person", sa.String(100), nullable=False),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
)

failure = sa.Table(
    "failure",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("stage", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("error", sa.String(80), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("next_step", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index(None, "stage", "subject"),
)

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("executor", sa.String(80), primary_key=True),
    sa.Column("seen_at", UtcTime, nullable=False),
)

node = sa.Table(
    "node",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("url", sa.String(500), nullable=False),
    sa.Column("seen_at", UtcTime, nullable=False),
    sa.Column("load", sa.Integer, nullable=False),
    sa.Column("draining", sa.Boolean, nullable=False),
    sa.Column("models", sa.JSON, nullable=False),
)

pin = sa.Table(
    "pin",
    metadata,
    sa.Column("model", sa.String(96), primary_key=True),
    sa.Column("made_at", UtcTime, nullable=False),
)

api_key = sa.Table(
    "api_key",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("hash", sa.String(80), nullable=False, unique=True),
    sa.Column("holder", sa.String(200), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("label", sa.String(200), nullable=False),
    sa.Column("models", sa.JSON),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
    sa.Column("last_used_at", UtcTime),
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("request", sa.String(80), primary_key=True),
    sa.Column("key_id", sa.String(80), nullable=False, index=True),
    sa.Column("model", sa.String(96), nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("tokens_in", sa.Integer, nullable=False, server_default="0"),
    sa.Column("tokens_out", sa.Integer, nullable=False, server_default="0"),
    sa.Column("seconds", sa.Float, nullable=False, server_default="0"),
    sa.Column("status", sa.Integer),
    sa.Column("bytes_out", sa.BigInteger, nullable=False, server_default="0"),
)

letter_words = sa.Table(
    "letter_words",
    metadata,
    sa.Column("digest", sa.String(80), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

letter = sa.Table(
    "letter",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("key", sa.String(300), nullable=False, unique=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("words", sa.String(80), index=True),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("claim", sa.String(40), nullable=False, server_default=""),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("uncertain", sa.Integer, nullable=False, server_default="0"),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("said", sa.Text, nullable=False, server_default=""),
    sa.Index(None, "state", "due_at"),
)

subscriber = sa.Table(
    "subscriber",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("column", sa.String(96), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("since", UtcTime, nullable=False),
    sa.Column("confirmed_at", UtcTime),
    sa.Column("asked_at", UtcTime),
    sa.Column("asks", sa.Integer, nullable=False, server_default="0"),
    sa.Column("soft", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("name", "column"),
)

mailing = sa.Table(
    "mailing",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("entry", sa.BigInteger, nullable=False),
    sa.Column("reader", sa.String(40), nullable=False),
)

delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("key", sa.String(300), nullable=False, unique=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("said", sa.Text, nullable=False, server_default=""),
    sa.Index(None, "state", "due_at"),
)

APPEND_ONLY = {
    "entry": ("seq",),
    "tile": ("level", "position"),
    "checkpoint": ("size",),
    "cosignature": ("size", "witness"),
    "utterance": ("id",),
}
"""Tables that only grow, with their keys."""
