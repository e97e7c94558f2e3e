"""Several engines of one model, each had alone for a conversation."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

from emeritus.core.speech import Conversation
from emeritus.voices.conversation import converse
from emeritus.voices.errors import VoiceError
from emeritus.voices.voice import Voice


class Ensemble:
    """Makes up to *count* voices with *load*, when they are first needed, and lends them out one by one."""

    def __init__(self, load: Callable[[], Voice], count: int) -> None:
        self._load = load
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
                voice = self._load()
                self._made.append(voice)
            with converse(voice) as talk:
                yield talk
        finally:
            self._free.put(voice)

    def close(self) -> None:
        """Stop them all."""
        for voice in self._made:
            with suppress(VoiceError):
                voice.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
