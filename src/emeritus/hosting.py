"""Who makes the models of a house speak: the pool, and what it loads from."""

import os
import secrets
import socket
from collections.abc import Callable
from typing import Any

from emeritus.archive.restored import Restored
from emeritus.core.clock import Clock
from emeritus.process.ports import Parts
from emeritus.process.preserve import weights_path, weights_size
from emeritus.registry import get_model
from emeritus.settings import Settings, VoiceChoice
from emeritus.store.nodes import SqlNodes
from emeritus.store.work import SqlWorks
from emeritus.voices import (
    Ensemble,
    Limits,
    Pool,
    Voice,
    VoiceSpec,
    adapter,
    estimated_memory,
    prepare,
)
from emeritus.voices.address import checked_url
from emeritus.voices.neighbours import Neighbours
from emeritus.voices.passage import Passage

ELSEWHERE = frozenset({"cluster", "openai", "anthropic"})
"""Adapters that take no weights from here."""


def make_pool(settings: Settings, works: SqlWorks, clock: Clock, parts: Callable[[], Parts]) -> Pool:
    """Return the pool of a house. *parts* is asked when a model is loaded, which may be long after this."""
    restored = Restored(settings.cache_folder, settings.cache_budget or None)

    def weigh(model_id: str) -> int:
        with works.read() as work:
            if get_model(work.log, model_id).away is not None:
                return 0
        chosen = settings.voices.get(model_id)
        if chosen is not None and (chosen.adapter in ELSEWHERE or "memory" in chosen.options):
            return int(chosen.options.get("memory", 0))
        return estimated_memory(weights_size(parts(), model_id))

    def load(model_id: str) -> Voice:
        return _voice(settings, works, clock, parts(), restored, model_id)

    return Pool(
        load,
        _limits(settings),
        weigh=weigh,
        vouch=restored.vouch,
        let_go=restored.let_go,
        resting=settings.engine_resting,
        clock=clock,
    )


def make_ensemble(
    settings: Settings, works: SqlWorks, clock: Clock, parts: Parts, model_id: str, count: int, threads: int
) -> Ensemble:
    """Return *count* engines of one model, of one slot each, for conversations.

    They share the processors, where *threads* of each is 0.
    """
    threads = threads or settings.engine_threads or max(1, (os.cpu_count() or 1) // count)

    restored = Restored(settings.cache_folder, settings.cache_budget or None)

    def load() -> Voice:
        return _voice(settings, works, clock, parts, restored, model_id, slots=1, threads=threads)

    return Ensemble(
        load,
        count,
        vouch=lambda: restored.vouch(model_id),
        let_go=lambda: restored.let_go(model_id),
    )


def _voice(
    settings: Settings,
    works: SqlWorks,
    clock: Clock,
    parts: Parts,
    restored: Restored,
    model_id: str,
    **more: int,
) -> Voice:
    with works.read() as work:
        model = get_model(work.log, model_id)
        place = {} if model.away is None else work.private.get(f"remote:{model_id}")
    if model.away is not None:
        away: dict[str, Any] = {**place, "model": model.away.name}
        return adapter(model.away.api)(VoiceSpec(model_id, options=away, clock=clock))
    chosen = settings.voices.get(model_id, VoiceChoice(adapter=settings.engine))
    build = adapter(chosen.adapter)
    options = {**_usual(settings, chosen.adapter), **chosen.options}
    if chosen.adapter in ELSEWHERE:  # served by somebody else, from a copy of the weights
        return build(VoiceSpec(model_id, options=options, clock=clock))
    prepare(build)
    path, weights = weights_path(parts, restored, model_id)
    if chosen.adapter == "llama":
        options |= more
    return build(VoiceSpec(model_id, path, weights, options, clock))


def make_neighbours(
    settings: Settings, works: SqlWorks, clock: Clock, pool: Pool, secret: Callable[[], bytes]
) -> Neighbours:
    """Return the pool with its neighbours: all processes that serve this house. *secret* is the house's own."""

    def is_light(model_id: str) -> bool:
        chosen = settings.voices.get(model_id)
        with works.read() as work:
            away = get_model(work.log, model_id).away
        return away is not None or (chosen is not None and chosen.adapter in ELSEWHERE)

    return Neighbours(
        pool,
        SqlNodes(works.database),
        clock,
        Passage(secret),
        me=f"{settings.node_name or socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
        url=checked_url(settings.node_url, plain_http=True) if settings.node_url else "",
        is_light=is_light,
        pins=settings.engine_pins,
    )


def _usual(settings: Settings, name: str) -> dict[str, Any]:
    """Return the options of an adapter that the house's settings give for every model."""
    own = settings.engine_options if name == settings.engine else {}
    if name != "llama":
        return own
    return {"context": settings.engine_context, "threads": settings.engine_threads, **own}


def _limits(settings: Settings) -> Limits:
    return Limits(
        memory=settings.engine_memory,
        idle=settings.idle_seconds,
        wait=settings.engine_wait,
        turn=settings.engine_turn,
        least=settings.engine_least,
        places=settings.engine_queue,
        places_per_key=settings.engine_queue_per_key,
    )
