"""Several engines of one model, each had alone for a conversation."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

from emeritus.core.speech import Conversation
from emeritus.voices.conversation import converse
from emeritus.voices.errors import VoiceError
from emeritus.voices.voice import Voice


def _nothing() -> None:
    """Do nothing."""


class Ensemble:
    """Makes up to *count* voices with *load*, when they are first needed, and lends them out one by one.

    *vouch* is called before a new voice speaks, and raises where its weights are not what they have to be;
    *let_go* once for each voice, when it has been stopped.
    """

    def __init__(
        self,
        load: Callable[[], Voice],
        count: int,
        *,
        vouch: Callable[[], None] = _nothing,
        let_go: Callable[[], None] = _nothing,
    ) -> None:
        self._load = load
        self._vouch = vouch
        self._let_go = let_go
        self._made: list[Voice] = []
        self._free: queue.LifoQueue[Voice | None] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(None)

    @contextmanager
    def conversation(self) -> Iterator[Conversation]:
        """Wait for a free voice, from a thread, and have it for one conversation. Raises as the loader."""
        voice = self._free.get()
        try:
            if voice is None:
                voice = self._new()
            with converse(voice) as talk:
                yield talk
        finally:
            self._free.put(voice)

    def _new(self) -> Voice:
        """Return another voice; one that nobody vouches for is stopped, so that no other caller comes by it."""
        voice = self._load()
        try:
            self._vouch()
        except BaseException:
            self._stop(voice)
            raise
        self._made.append(voice)
        return voice

    def _stop(self, voice: Voice) -> None:
        with suppress(VoiceError):
            voice.close()
        self._let_go()

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Those that were made so far."""
        return tuple(self._made)

    def close(self) -> None:
        """Stop them all."""
        for voice in self._made:
            self._stop(voice)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
