"""What was used of a grant, by all its keys together: a budget does not begin anew with a new key."""

from datetime import datetime, timedelta
from typing import Final

from emeritus.access.ports import Keys, Usage

MINUTE: Final = timedelta(minutes=1)


def spent(keys: Keys, usage: Usage, holder: str) -> int:
    """Return the tokens that the keys of *holder* have used, in and out together."""
    return sum(each.totals.tokens for each in usage.by_key(keys=_of(keys, holder)))


def lately(keys: Keys, usage: Usage, holder: str, now: datetime) -> int:
    """Return how many calls the keys of *holder* made within the last minute."""
    return sum(each.totals.requests for each in usage.by_key(keys=_of(keys, holder), since=now - MINUTE))


def _of(keys: Keys, holder: str) -> list[str]:
    return [key.id for key in keys.of(holder)]
