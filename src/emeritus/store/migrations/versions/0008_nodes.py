"""Nodes that make models speak, and the models that stay loaded."""

import sqlalchemy as sa
from alembic import op

from emeritus.store.tables import UtcTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "node",
        sa.Column("id", sa.String(80)),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("seen_at", UtcTime, nullable=False),
        sa.Column("load", sa.Integer, nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
        sa.Column("models", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_node"),
    )
    op.create_table(
        "pin",
        sa.Column("model", sa.String(96)),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_pin"),
    )
