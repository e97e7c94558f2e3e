"""Documents that entries name by their digest. Older processes go on: they know nothing of the table."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "document",
        sa.Column("digest", sa.String(80)),
        sa.Column("media_type", sa.String(200), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_document"),
    )
