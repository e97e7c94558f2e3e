"""A step of a retirement, as the plan tells of it."""

from datetime import datetime
from typing import Literal

from attrs import frozen

Status = Literal["done", "due", "waiting", "scheduled", "later", "skipped"]


@frozen
class Step:
    """One step of a retirement.

    *status*: ``done``; ``due`` (software works on it); ``waiting`` (for *who*); ``scheduled`` (for *when*);
    ``later`` (something comes first); ``skipped`` (does not apply here). *when* is the time at which it was
    done, is due, or has waited since. *entry* is the place on the record that shows it.
    """

    stage: str
    subject: str
    status: Status
    says: str
    who: str = "software"
    when: datetime | None = None
    since: datetime | None = None
    entry: int | None = None
    late: bool = False
