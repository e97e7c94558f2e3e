"""Units of work in memory: a public fake that passes the contract tests of the real ones."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy

from attrs import frozen

from emeritus.access.fakes import MemoryKeys, MemoryUsage
from emeritus.column.fakes import MemorySubscribers
from emeritus.core.clock import Clock
from emeritus.core.errors import InvalidInput, Unavailable
from emeritus.process.fake_deliveries import MemoryDeliveries
from emeritus.process.fake_post import MemoryPost
from emeritus.process.ports import Failure, Fetched
from emeritus.record import MemoryLog, MemoryUtterances, SigningKey
from emeritus.record.documents import MemoryDocuments
from emeritus.record.private import MemoryPrivate


class MemoryStretches:
    """`Stretches` in a list: what was asked for, and committed."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def ask(self, stage: str, subject: str) -> None:
        if (stage, subject) not in self.asked:
            self.asked.append((stage, subject))


class MemoryFailures:
    """`Failures` in a list."""

    def __init__(self) -> None:
        self._kept: list[Failure] = []

    def add(self, failure: Failure) -> None:
        self._kept.append(failure)

    def of(self, stage: str, subject: str) -> list[Failure]:
        return [each for each in self._kept if (each.stage, each.subject) == (stage, subject)]

    def at(self, stage: str) -> list[Failure]:
        return [each for each in self._kept if each.stage == stage]

    def clear(self, stage: str, subject: str) -> None:
        self._kept = [each for each in self._kept if (each.stage, each.subject) != (stage, subject)]


class MemoryFetch:
    """`Fetch` over a dict of addresses; what was posted stands in *posted*."""

    def __init__(self, answers: Mapping[str, Fetched | bytes] | None = None) -> None:
        self.answers = dict(answers or {})
        self.posted: list[tuple[str, bytes, Mapping[str, str]]] = []

    def get(self, url: str, *, accept: str = "*/*") -> Fetched:  # noqa: ARG002
        return self._answer(url)

    def post(
        self, url: str, data: bytes, *, content_type: str, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        answer = self._answer(url)
        self.posted.append((url, data, {**(headers or {}), "Content-Type": content_type}))
        return answer

    def _answer(self, url: str) -> Fetched:
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(
                f"{url[:120]!r} is no web address.", next_step="Write it as https://HOST/PATH."
            )
        found = self.answers.get(url)
        if found is None:
            raise Unavailable(f"{url[:120]} does not answer.", next_step="Look whether it can be reached.")
        return found if isinstance(found, Fetched) else Fetched(url, 200, "", found)


@frozen
class MemoryWork:
    """What one unit of work gives."""

    log: MemoryLog
    utterances: MemoryUtterances
    documents: MemoryDocuments
    private: MemoryPrivate
    stretches: MemoryStretches
    failures: MemoryFailures
    keys: MemoryKeys
    usage: MemoryUsage
    post: MemoryPost
    deliveries: MemoryDeliveries
    subscribers: MemorySubscribers


class MemoryWorks:
    """Makes units of work over one memory: what a unit wrote is gone when it ends in an exception."""

    def __init__(self, clock: Clock, key: SigningKey) -> None:
        self._lock = threading.RLock()
        self._busy = False
        self._work = MemoryWork(
            MemoryLog(clock, key),
            MemoryUtterances(),
            MemoryDocuments(),
            MemoryPrivate(),
            MemoryStretches(),
            MemoryFailures(),
            MemoryKeys(),
            MemoryUsage(),
            MemoryPost(clock),
            MemoryDeliveries(clock),
            MemorySubscribers(),
        )

    @contextmanager
    def write(self) -> Iterator[MemoryWork]:
        """Yield a unit of work; one at a time."""
        with self._lock:
            if self._busy:
                raise RuntimeError("a unit of work inside another would wait for itself")
            self._busy = True
            work = self._work
            size = work.log.size()
            others = (
                work.utterances,
                work.documents,
                work.private,
                work.stretches,
                work.failures,
                work.keys,
                work.usage,
                work.post,
                work.deliveries,
                work.subscribers,
            )
            before = deepcopy([vars(each) for each in others])
            try:
                yield work
            except BaseException:
                work.log.forget_after(size)
                for each, state in zip(others, before, strict=True):
                    vars(each).update(state)
                raise
            finally:
                self._busy = False

    read = write
