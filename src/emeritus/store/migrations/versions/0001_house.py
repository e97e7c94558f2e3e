"""The first tables: the record, words, private facts, people's tokens, failures, workers, keys, usage."""

import sqlalchemy as sa
from alembic import op

from emeritus.store.tables import UtcTime
from emeritus.store.triggers import append_only

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "entry",
        sa.Column("seq", _BIG, autoincrement=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("model", sa.String(96)),
        sa.Column("subject", sa.String(200)),
        sa.Column("key", sa.String(300)),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_entry"),
        sa.UniqueConstraint("key", name="uq_entry_key"),
    )
    op.create_index("ix_entry_model_kind", "entry", ["model", "kind"])
    op.create_index("ix_entry_kind_subject", "entry", ["kind", "subject"])
    op.create_table(
        "node",
        sa.Column("level", sa.Integer, autoincrement=False),
        sa.Column("position", sa.BigInteger, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="pk_node"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", _BIG, autoincrement=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoint"),
    )
    op.create_table(
        "utterance",
        sa.Column("id", sa.String(80)),
        sa.Column("model", sa.String(96), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_utterance"),
    )
    op.create_index("ix_utterance_model", "utterance", ["model"])
    op.create_table(
        "private_fact",
        sa.Column("name", sa.String(200)),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_private_fact"),
    )
    op.create_table(
        "desk_token",
        sa.Column("hash", sa.String(80)),
        sa.Column("person", sa.String(100), nullable=False),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_desk_token"),
    )
    op.create_table(
        "failure",
        sa.Column("id", _BIG),
        sa.Column("stage", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("error", sa.String(80), nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("next_step", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_failure"),
    )
    op.create_index("ix_failure_stage_subject", "failure", ["stage", "subject"])
    op.create_table(
        "worker",
        sa.Column("executor", sa.String(80)),
        sa.Column("seen_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("executor", name="pk_worker"),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(80)),
        sa.Column("hash", sa.String(80), nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("models", sa.JSON),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime),
        sa.Column("revoked_at", UtcTime),
        sa.Column("last_used_at", UtcTime),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("hash", name="uq_api_key_hash"),
    )
    op.create_index("ix_api_key_holder", "api_key", ["holder"])
    op.create_table(
        "usage",
        sa.Column("request", sa.String(80)),
        sa.Column("key_id", sa.String(80), nullable=False),
        sa.Column("model", sa.String(96), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False, server_default="0"),
        sa.Column("tokens_out", sa.Integer, nullable=False, server_default="0"),
        sa.Column("seconds", sa.Float, nullable=False, server_default="0"),
        sa.Column("status", sa.Integer),
        sa.PrimaryKeyConstraint("request", name="pk_usage"),
    )
    op.create_index("ix_usage_key_id", "usage", ["key_id"])
    op.create_index("ix_usage_model", "usage", ["model"])
    dialect = op.get_bind().dialect.name
    append_only_at_first = {
        "entry": ("seq",),
        "node": ("level", "position"),
        "checkpoint": ("size",),
        "utterance": ("id",),
    }
    for table, keys in append_only_at_first.items():
        for statement in append_only(table, keys, dialect):
            op.execute(statement)
