"""What the process needs of the outside: a unit of work, the archive's blobs, voices, mail, a clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

from attrs import field, frozen

from emeritus.access.ports import Keys, Usage
from emeritus.archive import Blobs, Signer, Verifier, parity
from emeritus.archive.parity_code import Code
from emeritus.archive.signing import ModelKey
from emeritus.column.subscribers import Subscribers
from emeritus.core.clock import Clock
from emeritus.core.errors import Unavailable
from emeritus.core.speech import Speaker, Utterances
from emeritus.record import Log
from emeritus.record.documents import Documents
from emeritus.record.private import Private


@frozen
class Failure:
    """A stretch that gave up: what was wrong, in an error's own words."""

    stage: str
    subject: str
    error: str
    sentence: str
    next_step: str
    at: datetime


class Failures(Protocol):
    """What went wrong in stretches, so that people see it and the next try waits a little."""

    def add(self, failure: Failure) -> None: ...

    def of(self, stage: str, subject: str) -> list[Failure]:
        """Return the failures of one stretch since it was last cleared, oldest first."""
        ...

    def at(self, stage: str) -> list[Failure]:
        """Return the failures of one stage, whatever their subject, oldest first."""
        ...

    def clear(self, stage: str, subject: str) -> None:
        """Forget them: it went well, or a person wants another try now."""
        ...


class Stretches(Protocol):
    """Where stretches of software's work are asked for, within the unit of work."""

    def ask(self, stage: str, subject: str) -> None:
        """Have *stage* run for *subject* once this unit of work is committed. Asking twice runs it once."""
        ...


@frozen
class Letter:
    """A mail to one person.

    *key* is its idempotency key: the same key twice is one mail. It is kept for good, so it must not hold an
    address. *kind* says what it is about, in one word. *fields* are filled in when it is sent: each name,
    wherever it stands in *text*, *html* or *headers*, becomes its value; so many letters share one text.
    """

    key: str
    to: str
    subject: str
    text: str
    html: str | None = None
    kind: str = "notice"
    headers: Mapping[str, str] = field(factory=dict)
    fields: Mapping[str, str] = field(factory=dict)


LetterState = Literal["waiting", "handed", "sent", "failed", "bounced"]
"""``handed``: given to the mail server, whose answer is not known yet. ``failed``: given up."""


@frozen
class Queued:
    """A letter that is due. *id* is its own for good: its Message-ID and its return path come from it.

    *attempts* counts earlier tries that the mail server put off; *uncertain* those after which nobody knows
    whether it took the letter.
    """

    id: str
    letter: Letter
    attempts: int
    uncertain: int
    made_at: datetime


@frozen
class Mark:
    """What became of a letter: *state*, why, and for ``waiting`` when it is tried again."""

    id: str
    state: LetterState
    said: str = ""
    again_at: datetime | None = None


@frozen
class Tally:
    """How many letters of a kind are in a state, since when the oldest, and what was last said of one."""

    kind: str
    state: LetterState
    count: int
    since: datetime
    said: str = ""


class Post(Protocol):
    """The outbox. What is sent in a unit of work is mailed by a worker once that is committed."""

    def send(self, letter: Letter) -> None:
        """Have *letter* mailed; nothing happens when its key was used before. Raises InvalidInput."""
        ...

    def send_all(self, letters: Iterable[Letter]) -> None:
        """Have all *letters* mailed, as `send` does with one."""
        ...

    def take(self, claim: str, now: datetime, most: int) -> list[Queued]:
        """Claim letters that are due, those that wait longest first; whoever claims last has them.

        A letter that was handed over, and of which nothing was heard for `HANDED_FOR`, is due again.
        """
        ...

    def mark(self, claim: str, marks: Sequence[Mark], now: datetime) -> set[str]:
        """Note what became of letters that *claim* still has; return their ids.

        Of a letter that is ``sent``, ``failed`` or ``bounced``, the address is forgotten here, and what it said
        at the next `take` when no other letter says it.
        """
        ...

    def due(self, now: datetime) -> bool:
        """Tell whether there is a letter to send now."""
        ...

    def bounced(self, id: str, said: str) -> str | None:  # noqa: A002
        """Note that the letter called *id* came back; return its key, None when there is no such letter."""
        ...

    def tally(self) -> list[Tally]:
        """Count all letters, by kind and state."""
        ...

    def drop(self, *, kind: str = "", key_prefix: str = "") -> int:
        """Give up letters that were not handed over, of a kind or with keys that begin so; return how many."""
        ...


class Postman(Protocol):
    """Who carries letters to a mail server. `emeritus.post.SmtpPostman` is one."""

    @property
    def pace(self) -> float:
        """Letters a minute, at most; 0: as fast as it goes."""
        ...

    def deliver(
        self,
        letters: Sequence[Queued],
        mark: Callable[[Sequence[Mark]], set[str]],
        now: Callable[[], datetime],
    ) -> None:
        """Send *letters*. Each is marked ``handed`` before its words leave, and by what came of it after.

        Where a mark does not take, another worker has the letter, and it is not sent.

        Raises:
            Unavailable: the server cannot be reached, or lets nobody in; nothing else is tried then.
        """
        ...


HANDED_FOR = timedelta(seconds=90)
"""So long nobody else sends a letter that was handed over: longer than the server is waited for."""


@frozen
class Delivery:
    """A message for an address outside. *id* is its own for good; *attempts* counts earlier tries.

    Messages of JSON are ours, and go out signed; another *kind* is what somebody else's protocol asks for.
    """

    id: str
    url: str
    body: bytes = field(repr=False)
    attempts: int = 0
    kind: str = "application/json"


class Deliveries(Protocol):
    """Messages to addresses outside, until each was taken or given up."""

    def put(self, key: str, url: str, body: bytes, kind: str = "application/json") -> None:
        """Have *body* posted to *url* once this unit of work is committed; nothing where *key* was used before."""
        ...

    def take(self, now: datetime, most: int) -> list[Delivery]:
        """Return messages that are due, those that wait longest first."""
        ...

    def sent(self, id: str, now: datetime) -> None:  # noqa: A002
        """Note that it was taken; what it said and where it went is forgotten."""
        ...

    def later(self, id: str, said: str, again_at: datetime) -> None:  # noqa: A002
        """Note what was wrong, and when it is tried again."""
        ...

    def failed(self, id: str, said: str, now: datetime) -> None:  # noqa: A002
        """Give it up; what it said and where it went is forgotten."""
        ...

    def tally(self) -> dict[str, int]:
        """Return how many are ``waiting``, ``sent`` and ``failed``."""
        ...


class AccessWork(Protocol):
    """One unit of work, as far as access takes part in it."""

    @property
    def log(self) -> Log: ...
    @property
    def private(self) -> Private: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def usage(self) -> Usage: ...
    @property
    def post(self) -> Post: ...
    @property
    def deliveries(self) -> Deliveries: ...


class Work(AccessWork, Protocol):
    """One unit of work: everything in it is committed together, or not at all."""

    @property
    def utterances(self) -> Utterances: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def stretches(self) -> Stretches: ...
    @property
    def failures(self) -> Failures: ...
    @property
    def subscribers(self) -> Subscribers: ...


class Voices(Protocol):
    """Who makes models speak. `emeritus.voices.Pool` is one."""

    def speaker(self, model: str) -> Speaker:
        """Return a speaker for a model of the register; its engine is started at the first word."""
        ...

    def tokens(self, model: str, text: str) -> Sequence[int] | None:
        """Return *text* in the tokens of the model's engine; None where nobody here knows them."""
        ...

    def renew(self, model: str) -> None:
        """Have the model loaded anew at the next word: it speaks from elsewhere now."""
        ...


@frozen
class Fetched:
    """What an address outside answered. *url* is where it came from in the end, after redirects."""

    url: str
    status: int
    content_type: str
    data: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it said that all went well."""
        return 200 <= self.status < 300


class Fetch(Protocol):
    """Reaches what lies outside: feeds, webhooks. Bounded in bytes and time, and never aimed inside."""

    def get(self, url: str, *, accept: str = "*/*") -> Fetched:
        """Return what *url* answers, after a few redirects at most, whatever its status is.

        Raises:
            InvalidInput: it is no web address, or answers with too much.
            NotPermitted: it leads to a private address.
            Unavailable: it does not answer, or not in time.
        """
        ...

    def post(
        self, url: str, data: bytes, *, content_type: str, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """Send *data* and return the answer; a redirect is an answer, and not followed. Raises as `get`."""
        ...


class NothingOutside:
    """`Fetch` of a house that is joined to nothing."""

    def get(self, url: str, *, accept: str = "*/*") -> Fetched:  # noqa: ARG002
        raise self._unavailable(url)

    def post(
        self,
        url: str,
        data: bytes,  # noqa: ARG002
        *,
        content_type: str,  # noqa: ARG002
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> Fetched:
        raise self._unavailable(url)

    def _unavailable(self, url: str) -> Unavailable:
        return Unavailable(
            f"{url[:120]!r} cannot be fetched: this house is joined to nothing outside.",
            next_step="Build its parts with a `fetch`.",
        )


Watch = Callable[[str, str, int, int, str], None]
"""Told of progress: stage, subject, done, total, what is being done. Must not block."""


def unwatched(_stage: str, _subject: str, _done: int, _total: int, _what: str) -> None:
    """Watch nothing."""


@frozen
class Keeping:
    """How the archive is kept.

    All of it is read *every* so often (None: only when a person asks), at most *rate* bytes a second (None:
    as fast as it goes). *replicas* opens each second store, by its address; *open* any other one.
    *code*: how much parity.
    """

    every: timedelta | None = timedelta(days=30)
    rate: int | None = None
    replicas: Mapping[str, Callable[[], Blobs]] = field(factory=dict)
    open: Callable[[str], Blobs] | None = None
    code: Code = parity.DEFAULT


@frozen
class Parts:
    """Everything that the stages are given. Engines and stores are called outside units of work.

    *protocol* names the interview protocol for new sittings, *check_in* that of the yearly ones,
    *column_check_in* that of those about a column whose weeks are over: one that is shipped, or a file. *model_key*
    signs models; None in a house that has none yet. *fetch* reaches what lies outside. *postman*: None while
    no mail server is named. *site_url* is where the public site stands, without a slash at its end. An
    application that nothing speaks against is granted *grant_after* so long, if nobody was quicker. A
    membership by login *login_lasts* so long after the last one (None: nobody logs in).
    """

    work: Callable[[], AbstractContextManager[Work]]
    blobs: Blobs
    cache: Path
    voices: Voices
    clock: Clock
    sign: Signer
    verify: Verifier
    watch: Watch = unwatched
    protocol: str = "retirement-v1"
    check_in: str = "check-in-v1"
    column_check_in: str = "column-check-in-v1"
    model_key: ModelKey | None = None
    keeping: Keeping = Keeping()
    fetch: Fetch = field(factory=NothingOutside)
    postman: Postman | None = None
    unsynced: Callable[[], AbstractContextManager[Work]] | None = None
    site_url: str = ""
    grant_after: timedelta = timedelta(hours=48)
    login_lasts: timedelta | None = None
