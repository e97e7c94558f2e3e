"""Who gets a column by mail, sealed; and how far the newest publication has been spread among them."""

import sqlalchemy as sa
from alembic import op

from emeritus.store.tables import UtcTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "subscriber",
        sa.Column("id", sa.String(40)),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("column", sa.String(96), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("since", UtcTime, nullable=False),
        sa.Column("confirmed_at", UtcTime),
        sa.Column("asked_at", UtcTime),
        sa.Column("asks", sa.Integer, nullable=False, server_default="0"),
        sa.Column("soft", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_subscriber"),
        sa.UniqueConstraint("name", "column", name="uq_subscriber_name_column"),
    )
    op.create_table(
        "mailing",
        sa.Column("name", sa.String(40)),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("reader", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_mailing"),
    )
