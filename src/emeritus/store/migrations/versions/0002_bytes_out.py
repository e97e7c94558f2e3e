"""Downloads of weights are counted too: in bytes. Older processes go on, since the column has a default."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("usage", sa.Column("bytes_out", sa.BigInteger, nullable=False, server_default="0"))
