"""The door: every word with the database, in plain functions that run in a thread of their own."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias

from attrs import field, frozen

from emeritus.access import gate, keys, standing, used
from emeritus.access.gate import Admission, Links, Refusal
from emeritus.access.keys import KeyFault
from emeritus.access.ports import Began, Ended, KeyRecord
from emeritus.access.standing import Standing
from emeritus.web.gateway.parts import Parts, Work

SEEN: Final = 4096


@frozen
class Coming:
    """A call at the door. *key* is the key as it came."""

    request: str
    model: str
    key: str | None = field(repr=False)


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


_Decided: TypeAlias = tuple[Entered | Refused, KeyRecord | None]


class Door:
    """Lets calls in and out. What stands is folded once, and again when the record has grown."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._standing: Standing | None = None
        self._seen: OrderedDict[str | None, None] = OrderedDict()
        self.links = Links(parts.site_url)

    def standing(self, work: Work) -> Standing:
        """Return what stands now."""
        before = self._standing
        found = standing.standing(work.log, before)
        if before is not None and found.size < before.size:
            return found  # a reader that began earlier than another: what is newer stands
        if before is not None and found is not before:
            for name, model in before.models.items():
                # Retired: from now on it speaks from its own weights.
                if found.models[name].away != model.away:
                    self._parts.pool.renew(name)
        self._standing = found
        return found

    def look(self) -> Standing:
        """Return what stands now, in a unit of work of its own."""
        with self._parts.read() as work:
            return self.standing(work)

    def turn(self, coming: Sequence[Coming], ended: Sequence[Ended]) -> list[Entered | Refused]:
        """Decide on the calls that come, and write down what others took: all in one transaction.

        Those who are let in are counted before anything is asked of an engine. Nothing of what is decided on
        is remembered from before, but what the record at its size says: a key that was revoked, on whatever
        machine, is out at its next call.
        """
        now = self._parts.clock.now()
        seen = any(call.key in self._seen for call in coming)
        if coming and not seen:  # strangers are refused without a lock on the database
            with self._parts.read() as work:
                decided = self._decide(work, coming, now)
            if not ended and not any(isinstance(answer, Entered) for answer, _ in decided):
                return [answer for answer, _ in decided]
        with self._parts.count() as work:
            if seen or not coming:
                decided = self._decide(work, coming, now)
            work.usage.begin_many(
                [
                    Began(call.request, answer.admission.key_id, answer.admission.model.id, now)
                    for call, (answer, _) in zip(coming, decided, strict=True)
                    if isinstance(answer, Entered)
                ]
            )
            for key in {key.id: key for _, key in decided if key is not None}.values():
                keys.note_use(work.keys, key, now)
            if ended:
                work.usage.finish_many(ended)
        return [answer for answer, _ in decided]

    def _decide(self, work: Work, coming: Sequence[Coming], now: datetime) -> list[_Decided]:
        """Return the answer to each call, and the key that it was let in by."""
        if not coming:
            return []
        stands = self.standing(work)
        presented = keys.present_many(work.keys, [call.key for call in coming])
        spent, lately = _used(work, stands, presented, now)
        decided: list[_Decided] = []
        for call, key in zip(coming, presented, strict=True):
            known = key if isinstance(key, KeyRecord) else None
            holder = known.holder if known else ""
            answer = gate.admit(
                stands, call.model, key, now, links=self.links, spent=spent[holder], lately=lately[holder]
            )
            if isinstance(answer, Refusal):
                self._seen.pop(call.key, None)
                decided.append((Refused(answer, stands), None))
                continue
            if known is not None and known.id != answer.key_id:
                known = None
            if known is not None:
                self._remember(call.key)
                lately[holder] += 1  # those who come together count for one another
            decided.append((Entered(answer, stands), known))
        return decided

    def _remember(self, key: str | None) -> None:
        """Keep in mind that *key* was good, so that the next call by it is looked up and counted in one go."""
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)


def _used(
    work: Work, stands: Standing, presented: Sequence[KeyRecord | KeyFault], now: datetime
) -> tuple[Counter[str], Counter[str]]:
    """Return by holder the tokens spent, and the calls of the last minute, of those who are bounded in them."""
    spent: Counter[str] = Counter()
    lately: Counter[str] = Counter()
    for key in presented:
        if not isinstance(key, KeyRecord):
            continue
        if gate.budgeted(stands, key) and key.holder not in spent:
            spent[key.holder] = used.spent(work.keys, work.usage, key.holder)
        if gate.paced(stands, key) and key.holder not in lately:
            lately[key.holder] = used.lately(work.keys, work.usage, key.holder, now)
    return spent, lately
