"""A child process that is started while the weights of its engine are still being restored."""

import threading

from emeritus.voices.engine_process import Warden


class Spare:
    """At most one child that waits for its orders, with llama.cpp's libraries loaded; it ends with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Warden | None = None

    def prepare(self) -> None:
        """Have one ready, soon."""
        with self._lock:
            if self._waiting is None or self._waiting.process.poll() is not None:
                self._waiting = Warden(ahead=True)

    def take(self) -> Warden | None:
        """Return the one that waits, if there is one; it is the caller's then."""
        with self._lock:
            taken, self._waiting = self._waiting, None
        return taken
