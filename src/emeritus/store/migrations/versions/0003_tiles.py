"""The tree as tiles instead of a row for each hash; witnesses' cosignatures beside the checkpoints."""

import sqlalchemy as sa
from alembic import op

from emeritus.core.errors import IntegrityError
from emeritus.record import Checkpoint
from emeritus.record.edge import Edge
from emeritus.record.merkle import leaf_hash
from emeritus.record.note import Note
from emeritus.store.tree import keep_tiles, stored_bytes
from emeritus.store.triggers import append_only, entries_in_order, tiles_in_order

revision = "0003"
down_revision = "0002"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PAGE = 1000


def upgrade() -> None:
    op.create_table(
        "tile",
        sa.Column("level", sa.Integer, autoincrement=False),
        sa.Column("position", sa.BigInteger, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="pk_tile"),
    )
    op.create_table(
        "cosignature",
        sa.Column("size", _BIG, autoincrement=False),
        sa.Column("witness", sa.String(300)),
        sa.Column("line", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("size", "witness", name="pk_cosignature"),
    )
    connection = op.get_bind()
    dialect = connection.dialect.name
    statements = [
        *append_only("tile", ("level", "position"), dialect),
        *append_only("cosignature", ("size", "witness"), dialect),
        *tiles_in_order(dialect),
        *entries_in_order(dialect),
    ]
    for statement in statements:
        op.execute(statement)
    _compare(connection, _build(connection))
    op.drop_table("node")  # all of it follows from the entries
    if dialect == "postgresql":
        op.execute("DROP FUNCTION node_append_only()")


def _build(connection: sa.Connection) -> Edge:
    """Make the tiles from the entries."""
    edge = Edge()
    page = sa.text("SELECT data FROM entry WHERE seq >= :begin AND seq < :end ORDER BY seq")
    while True:
        rows = connection.execute(page, {"begin": edge.size, "end": edge.size + _PAGE}).scalars().all()
        for data in rows:
            keep_tiles(connection, edge.append(leaf_hash(stored_bytes(data))))
        if len(rows) < _PAGE:
            return edge


def _compare(connection: sa.Connection, edge: Edge) -> None:
    """Make sure that the tree is the one that was signed for: an upgrade does not cover up a change."""
    note = connection.execute(sa.text("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")).scalar()
    signed = None if note is None else Checkpoint.read(Note.parse(note).text)
    if (signed.size, signed.root) != (edge.size, edge.root()) if signed else edge.size:
        raise IntegrityError(
            "The entries are not those that the newest checkpoint was signed for, so nothing was upgraded.",
            next_step="Run `emeritus record verify` with the release before this one, and restore a backup.",
        )
