"""Triggers that make a table append-only, whoever speaks SQL to it (laws 2 and 5).

SQLite's ``INSERT OR REPLACE`` deletes without firing delete triggers, so an insert over a row that is
there is refused as well.
"""

from collections.abc import Sequence


def append_only(table: str, keys: Sequence[str], dialect: str) -> Sequence[str]:
    """Return the statements that make *table*, whose primary key is *keys*, append-only in *dialect*."""
    return _sqlite(table, keys) if dialect == "sqlite" else _postgresql(table)


def _sqlite(table: str, keys: Sequence[str]) -> list[str]:
    message = f"{table} is append-only: nothing on the record is changed or deleted"
    same = " AND ".join(f"{key} = NEW.{key}" for key in keys)
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


def tiles_in_order(dialect: str) -> Sequence[str]:
    """Return the statements that let in a tile only when it is the next one, whole, over entries that are there."""
    faults = {
        "a tile has 256 hashes of 32 bytes": "length(NEW.hashes) <> 8192 OR length(NEW.root) <> 32",
        "tiles are numbered without gaps": (
            "NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM tile WHERE level = NEW.level)"
        ),
        "a tile stands over entries": (
            "(NEW.position + 1) << (8 * (NEW.level + 1)) > (SELECT coalesce(max(seq) + 1, 0) FROM entry)"
        ),
    }
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER tile_in_order_{number} BEFORE INSERT ON tile WHEN {wrong} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            for number, (message, wrong) in enumerate(faults.items(), 1)
        ]
    checks = "".join(
        f"IF {wrong} THEN RAISE EXCEPTION '{message}'; END IF; " for message, wrong in faults.items()
    )
    return [
        f"""
        CREATE FUNCTION tile_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            {checks}
            RETURN NEW;
        END $$
        """,
        "CREATE TRIGGER tile_in_order BEFORE INSERT ON tile FOR EACH ROW EXECUTE FUNCTION tile_in_order()",
    ]


def entries_in_order(dialect: str) -> Sequence[str]:
    """Return the statements that let in an entry only at the end (SQLite has them from `append_only`)."""
    if dialect == "sqlite":
        return []
    return [
        """
        CREATE FUNCTION entry_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM entry) THEN
                RAISE EXCEPTION 'entries are numbered without gaps';
            END IF;
            RETURN NEW;
        END $$
        """,
        "CREATE TRIGGER entry_in_order BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION entry_in_order()",
    ]
