"""Engines that sleep: they gave their room back, keep their process, and wake faster than they load."""

import threading
from collections import OrderedDict
from contextlib import suppress

from emeritus.voices.errors import VoiceError
from emeritus.voices.voice import Rests, Voice


def close_quietly(voice: Voice) -> None:
    """Stop a voice, however badly it takes it."""
    with suppress(VoiceError):
        voice.close()


class Resting:
    """At most *most* sleeping voices; one more ends the one that has slept longest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._voices: OrderedDict[str, Voice] = OrderedDict()
        self._closed = False

    def lay(self, voice: Voice) -> tuple[bool, str | None]:
        """Put *voice* to sleep, if it can; tell whether it sleeps, and which model was ended for that."""
        if not self._most or not isinstance(voice, Rests):
            return False, None
        try:
            if not voice.rest():
                return False, None
        except VoiceError:
            return False, None
        with self._lock:
            if self._closed:
                return False, None
            self._voices[voice.model] = voice
            spare = self._voices.popitem(last=False) if len(self._voices) > self._most else None
        if spare is None:
            return True, None
        close_quietly(spare[1])
        return True, spare[0]

    def take(self, model: str) -> Voice | None:
        """Return the sleeping voice of *model*, to be woken; None when there is none that lives."""
        with self._lock:
            voice = self._voices.pop(model, None)
        if voice is not None and not voice.alive:
            close_quietly(voice)
            return None
        return voice

    def close(self) -> None:
        """End them all, and take no more."""
        with self._lock:
            self._closed = True
            voices, self._voices = self._voices, OrderedDict()
        for voice in voices.values():
            close_quietly(voice)
