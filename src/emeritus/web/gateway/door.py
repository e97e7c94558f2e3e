"""The door: every word with the database, in plain functions that run in a worker thread."""

from attrs import frozen

from emeritus.access import gate, keys, standing, used
from emeritus.access.gate import Admission, Links, Refusal
from emeritus.access.ports import KeyRecord
from emeritus.access.standing import Standing
from emeritus.web.gateway.parts import Parts, Work


@frozen
class Entered:
    """A call that was let in and counted, and the standing under which it was."""

    admission: Admission
    standing: Standing


@frozen
class Refused:
    """A call that was not let in, and the standing under which it was not."""

    refusal: Refusal
    standing: Standing


@frozen
class Took:
    """What a call took, and how it ended (HTTP status; 499 when the caller hung up)."""

    tokens_in: int
    tokens_out: int
    seconds: float
    status: int


class Door:
    """Lets calls in and out. What stands is folded once, and again when the record has grown."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._standing: Standing | None = None
        self.links = Links(parts.site_url)

    def standing(self, work: Work) -> Standing:
        """Return what stands now."""
        self._standing = found = standing.standing(work.log, self._standing)
        return found

    def look(self) -> Standing:
        """Return what stands now, in a unit of work of its own."""
        with self._parts.read() as work:
            return self.standing(work)

    def enter(self, request_id: str, model: str, key_text: str | None) -> Entered | Refused:
        """Decide on a call; when it is let in, count it before anything is asked of the engine."""
        now = self._parts.clock.now()
        with self._parts.read() as work:  # whoever is refused takes no lock
            stands = self.standing(work)
            key = keys.present(work.keys, key_text)
            spent = lately = 0
            if isinstance(key, KeyRecord) and gate.budgeted(stands, key):
                spent = used.spent(work.keys, work.usage, key.holder)
            if isinstance(key, KeyRecord) and gate.paced(stands, key):
                lately = used.lately(work.keys, work.usage, key.holder, now)
            answer = gate.admit(stands, model, key, now, links=self.links, spent=spent, lately=lately)
        if isinstance(answer, Refusal):
            return Refused(answer, stands)
        with self._parts.work() as work:
            work.usage.begin(request_id, answer.key_id, answer.model.id, now)
            if isinstance(key, KeyRecord) and key.id == answer.key_id:
                keys.note_use(work.keys, key, now)
        return Entered(answer, stands)

    def leave(self, request_id: str, took: Took) -> None:
        """Write down what a call took."""
        with self._parts.work() as work:
            work.usage.finish(
                request_id,
                tokens_in=took.tokens_in,
                tokens_out=took.tokens_out,
                seconds=took.seconds,
                status=took.status,
            )
