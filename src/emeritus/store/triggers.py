"""Triggers that make a table append-only, whoever speaks SQL to it (laws 2 and 5).

SQLite's ``INSERT OR REPLACE`` deletes without firing delete triggers, so an insert over a row that is
there is refused as well.
"""

from collections.abc import Sequence

_KEYS = {"entry": ("seq",), "node": ("level", "position"), "checkpoint": ("size",), "utterance": ("id",)}


def append_only(table: str, dialect: str) -> Sequence[str]:
    """Return the statements that make *table* append-only in *dialect*."""
    return _sqlite(table) if dialect == "sqlite" else _postgresql(table)


def _sqlite(table: str) -> list[str]:
    message = f"{table} is append-only: nothing on the record is changed or deleted"
    same = " AND ".join(f"{key} = NEW.{key}" for key in _KEYS[table])
    statements = [
        f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        for act in ("update", "delete")
    ]
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608  (all names are ours)
    statements.append(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {there} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )
    if table == "entry":
        statements.append(
            "CREATE TRIGGER entry_in_order BEFORE INSERT ON entry "
            "WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM entry) "
            "BEGIN SELECT RAISE(ABORT, 'entries are numbered without gaps'); END"
        )
    return statements


def _postgresql(table: str) -> list[str]:
    return [
        f"""
        CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{table} is append-only: nothing on the record is changed or deleted';
        END $$
        """,
        f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_append_only()
        """,
        f"""
        CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()
        """,
    ]
