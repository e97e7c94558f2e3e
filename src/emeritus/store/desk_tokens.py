"""Desk tokens: with which people sign in at the desk. Kept as hashes; ending one ends every session it opened."""

import secrets
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from emeritus.core.digests import sha256
from emeritus.core.people import Actor, Seat
from emeritus.store import tables
from emeritus.store.database import transaction

LAST = timedelta(days=90)


class DeskTokens:
    """The tokens of one house. Times are the machine's: a demonstration's clock signs nobody out."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def issue(self, person: Actor) -> str:
        """Return a new token for *person*; it is shown once."""
        token = "desk_" + secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        row = {
            "hash": sha256(token.encode()),
            "person": str(person),
            "made_at": now,
            "expires_at": now + LAST,
        }
        with transaction(self._database) as connection:
            connection.execute(tables.desk_token.insert(), row)
        return token

    def seat(self, token: str) -> Seat | None:
        """Return whose token this is, while it is good."""
        name = sha256(token.encode("utf-8", "surrogateescape"))
        person = self._person(name)
        return None if person is None else Seat(Actor.parse(person), name)

    def holds(self, seat: Seat) -> bool:
        """Tell whether the token is still good that *seat* was taken with."""
        return self._person(seat.token) == str(seat.actor)

    def end(self, person: Actor) -> int:
        """End every token of *person*, and with them their sessions; return how many were good."""
        table = tables.desk_token
        theirs = table.c.person == str(person)
        with transaction(self._database) as connection:
            good = sa.select(sa.func.count()).where(theirs, table.c.expires_at > datetime.now(UTC))
            count = int(connection.execute(good).scalar_one())
            connection.execute(table.delete().where(theirs))
        return count

    def _person(self, name: str) -> str | None:
        table = tables.desk_token
        good = sa.select(table.c.person).where(table.c.hash == name, table.c.expires_at > datetime.now(UTC))
        with transaction(self._database, reading=True) as connection:
            found: str | None = connection.execute(good).scalar()
        return found
