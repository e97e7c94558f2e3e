"""Where things are kept: tables and migrations (SQLite, PostgreSQL), and blobs (a folder, an object store)."""
