"""A pool that knows its neighbours: each call goes to the node that has the model, or is to load it."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from attrs import frozen

from emeritus.core.clock import Clock
from emeritus.voices.errors import EngineDied, NotUnderstood, Unreachable, VoiceClosed, VoiceError
from emeritus.voices.nodes import Node, NodeBook, owner, route
from emeritus.voices.passage import FAULT, PREFIX, Passage
from emeritus.voices.pool import NOBODY, Pool
from emeritus.voices.voice import COUNTING_PATHS, NO_HEADERS, PLAIN_PATHS, RawAnswer, Relaying
from emeritus.voices.wire import passed_on, relay

EVERY = 2.0
"""Seconds between two signs of life."""
MISSED = 5
"""So many signs of life that did not come mean that a node is gone."""
_FORGOTTEN = timedelta(hours=1)
_TIDY = 600.0
_PASSED_BY = 10.0
_PINS_AGAIN = 30.0
_SILENCE = 600.0
log = structlog.get_logger("emeritus.nodes")


class Neighbours:
    """Lends voices as `Pool.alease` does, here or at another node. `keep_in_touch` signs in and looks around.

    Args:
        pool: this node's own.
        book: which all nodes share.
        me: this node's id; *url* where the others reach it, empty when it is alone.
        passage: proves calls to other nodes.
        is_light: tells whether a model is served from elsewhere anyway, so that any node may do it.
        pins: models that the settings pin, beside those in the book.
    """

    def __init__(
        self,
        pool: Pool,
        book: NodeBook,
        clock: Clock,
        passage: Passage,
        *,
        me: str,
        url: str = "",
        is_light: Callable[[str], bool] = lambda _model: False,
        pins: Sequence[str] = (),
    ) -> None:
        self.pool = pool
        self.me = me
        self.passage = passage
        self._book = book
        self._clock = clock
        self._url = url.rstrip("/")
        self._is_light = is_light
        self._light: dict[str, bool] = {}
        self._pins = tuple(pins)
        self._pinned: frozenset[str] = frozenset()
        self._pinned_at = 0.0
        self._tidied_at = 0.0
        self._others: tuple[Node, ...] = ()
        self._away: dict[str, float] = {}
        self._over = threading.Event()
        self._draining = False

    @asynccontextmanager
    async def alease(self, model: str, key: str = NOBODY) -> AsyncIterator[Relaying]:
        """Hold a way to make *model* speak. Raises as `Pool.alease`; from another node, at the request."""
        places = await self.places(model) if self._others else []
        if not places or places[0].id == self.me:
            async with self.pool.alease(model, key) as voice:
                yield voice
        else:
            yield _Elsewhere(self, model, key, tuple(places))

    def renew(self, model: str) -> None:
        """As `Pool.renew`; whether it is light is looked up anew."""
        self._light.pop(model, None)
        self.pool.renew(model)

    async def places(self, model: str) -> list[Node]:
        """Return the nodes to ask for *model*, in order; this one is among them."""
        here = self.here()
        now = time.monotonic()
        others = [node for node in self._others if self._away.get(node.id, 0.0) <= now]
        if not others or await self._needs_no_weights(model):
            return [here]
        return route(model, [here, *others], self.me)

    def here(self) -> Node:
        """Return how this node stands."""
        seats = self.pool.status()
        return Node(
            self.me,
            self._url,
            self._clock.now(),
            sum(seat.calls for seat in seats),
            self._draining,
            {
                seat.model: "warm" if seat.state == "warm" else "loading"
                for seat in seats
                if seat.memory or seat.state == "loading"
            },
        )

    def pass_by(self, node: Node) -> None:
        """Leave a node alone for a while: it did not answer."""
        log.warning("a node did not answer and is passed by", node=node.id, url=node.url)
        self._away[node.id] = time.monotonic() + _PASSED_BY

    # -- keeping in touch -----------------------------------------------------

    def keep_in_touch(self) -> None:
        """Sign in now and then, look who is there, and see to the pins, until `leave`. Runs in a thread."""
        while not self._over.is_set():
            try:
                self.look_around()
            except Exception as why:  # noqa: BLE001 - the database may be away; calls go on without neighbours
                log.warning("the other nodes cannot be seen", why=str(why))
                self._others = ()
            self._over.wait(EVERY)

    def look_around(self) -> None:
        """Sign in once, and take in what the book says."""
        self._book.beat(self.here())
        if time.monotonic() - self._tidied_at > _TIDY:
            self._tidied_at = time.monotonic()
            self._book.forget_before(self._clock.now() - _FORGOTTEN)
        since = self._clock.now() - timedelta(seconds=EVERY * MISSED)
        seen = self._book.seen_since(since)
        self._others = tuple(node for node in seen if node.id != self.me and node.url) if self._url else ()
        everybody = [self.here(), *self._others]
        wanted = {*self._pins, *self._book.pins()}
        mine = frozenset(model for model in wanted if owner(model, everybody) == self.me)
        now = time.monotonic()
        if mine != self._pinned or (mine and now - self._pinned_at > _PINS_AGAIN):
            self._pinned, self._pinned_at = mine, now
            self.pool.pin(mine)

    def drain(self) -> None:
        """Tell the others to send nothing more."""
        self._draining = True
        self._tell_book(lambda: self._book.beat(self.here()))

    def leave(self) -> None:
        """Sign out."""
        self._over.set()
        self._tell_book(lambda: self._book.leave(self.me))

    def _tell_book(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception as why:  # noqa: BLE001 - after a few seconds without a sign of life they know
            log.warning("the other nodes could not be told", why=str(why))

    async def _needs_no_weights(self, model: str) -> bool:
        if model not in self._light:
            self._light[model] = await asyncio.to_thread(self._is_light, model)
        return self._light[model]


@frozen
class _Elsewhere:
    """A model at other nodes: asked in order, this one among them, until one begins to answer."""

    neighbours: Neighbours
    model: str
    key: str
    places: tuple[Node, ...]

    @property
    def paths(self) -> frozenset[str]:
        return PLAIN_PATHS | COUNTING_PATHS

    @asynccontextmanager
    async def request(
        self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[RawAnswer]:
        neighbours = self.neighbours
        for node in self.places:
            if node.id == neighbours.me:
                async with (
                    neighbours.pool.alease(self.model, self.key) as voice,
                    voice.request(path, body, headers) as answer,
                ):
                    yield answer
                return
            async with AsyncExitStack() as stack:
                try:
                    answer = await stack.enter_async_context(self._ask(node, path, body, headers))
                except (Unreachable, VoiceClosed):
                    neighbours.pass_by(node)
                    continue
                yield answer
                return
        raise Unreachable(f"No node can be reached for {self.model}.", next_step="Call again in a moment.")

    @asynccontextmanager
    async def _ask(
        self, node: Node, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[RawAnswer]:
        begun = False

        def lost() -> VoiceError:
            kind = EngineDied if begun else Unreachable
            return kind(f"The node {node.id} went away.", next_step="Call again in a moment.")

        proof = self.neighbours.passage.headers(self.model, path, self.key, body)
        url = f"{node.url}{PREFIX}{self.model}{path}"
        async with relay(
            url, body, {**passed_on(headers), **proof}, who=f"Node {node.id}", seconds=_SILENCE, lost=lost
        ) as answer:
            begun = True
            fault = answer.headers.get(FAULT)
            if fault is not None:
                said = b"".join([chunk async for chunk in answer.chunks()]).decode(errors="replace")
                sentence, _, next_step = said.partition("\n")
                raise _FAULTS.get(fault, Unreachable)(sentence, next_step=next_step or "Call again.")
            yield answer


def _kinds(kind: Any) -> list[Any]:
    return [kind, *(found for below in kind.__subclasses__() for found in _kinds(below))]


_FAULTS = {kind.id: kind for kind in (*_kinds(VoiceError), *_kinds(NotUnderstood))}
