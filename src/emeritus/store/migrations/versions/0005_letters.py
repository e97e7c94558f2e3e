"""The outbox: letters whose addresses and words are sealed, and forgotten once they are sent."""

import sqlalchemy as sa
from alembic import op

from emeritus.store.tables import UtcTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "letter_words",
        sa.Column("digest", sa.String(80)),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_letter_words"),
    )
    op.create_table(
        "letter",
        sa.Column("id", sa.String(40)),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("words", sa.String(80)),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("claim", sa.String(40), nullable=False, server_default=""),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("uncertain", sa.Integer, nullable=False, server_default="0"),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.Column("due_at", UtcTime, nullable=False),
        sa.Column("said", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_letter"),
        sa.UniqueConstraint("key", name="uq_letter_key"),
    )
    op.create_index("ix_letter_words", "letter", ["words"])
    op.create_index("ix_letter_state_due_at", "letter", ["state", "due_at"])
