"""An outbox in memory: a public fake that passes the contract tests of the real one."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from attrs import evolve, frozen

from emeritus.core.address import mail_address
from emeritus.core.clock import Clock
from emeritus.core.ids import new_id
from emeritus.process.ports import HANDED_FOR, Letter, LetterState, Mark, Queued, Tally


@frozen
class _Kept:
    """A letter as `MemoryPost` keeps it; *letter* is forgotten once it is sent."""

    key: str
    kind: str
    queued: Queued
    state: LetterState
    due_at: datetime
    claim: str = ""
    said: str = ""
    letter: Letter | None = None


class MemoryPost:
    """`Post` in a dict."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._letters: dict[str, _Kept] = {}

    def send(self, letter: Letter) -> None:
        letter = evolve(letter, to=mail_address(letter.to))
        if any(each.key == letter.key for each in self._letters.values()):
            return
        now = self._now()
        queued = Queued(new_id("letter", now), letter, 0, 0, now)
        self._letters[queued.id] = _Kept(letter.key, letter.kind, queued, "waiting", now, letter=letter)

    def send_all(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            self.send(letter)

    def take(self, claim: str, now: datetime, most: int) -> list[Queued]:
        open_ = [e for e in self._letters.values() if e.state in ("waiting", "handed") and e.due_at <= now]
        open_.sort(key=lambda each: (each.kind == "edition", each.due_at, each.queued.id))
        for each in open_[:most]:
            uncertain = each.queued.uncertain + (each.state == "handed")
            queued = evolve(each.queued, uncertain=uncertain)
            self._letters[queued.id] = evolve(each, claim=claim, state="waiting", queued=queued)
        return [self._letters[each.queued.id].queued for each in open_[:most]]

    def mark(self, claim: str, marks: Sequence[Mark], now: datetime) -> set[str]:
        held = set()
        for each in marks:
            kept = self._letters.get(each.id)
            if kept is None or kept.claim != claim or kept.state not in ("waiting", "handed"):
                continue
            held.add(each.id)
            if each.state == "handed":
                kept = evolve(kept, state="handed", due_at=now + HANDED_FOR)
            elif each.state == "waiting":
                queued = evolve(kept.queued, attempts=kept.queued.attempts + 1)
                kept = evolve(
                    kept, state="waiting", due_at=each.again_at or now, said=each.said[:500], queued=queued
                )
            else:
                kept = _forgotten(kept, each.state, each.said)
            self._letters[each.id] = kept
        return held

    def due(self, now: datetime) -> bool:
        return any(e.state in ("waiting", "handed") and e.due_at <= now for e in self._letters.values())

    def bounced(self, id: str, said: str) -> str | None:  # noqa: A002
        kept = self._letters.get(id)
        if kept is None:
            return None
        self._letters[id] = _forgotten(kept, "bounced", said)
        return kept.key

    def tally(self) -> list[Tally]:
        groups: dict[tuple[str, LetterState], list[_Kept]] = {}
        for each in self._letters.values():
            groups.setdefault((each.kind, each.state), []).append(each)
        return [
            Tally(kind, state, len(kept), min(e.queued.made_at for e in kept), _newest_said(kept))
            for (kind, state), kept in sorted(groups.items())
        ]

    def drop(self, *, kind: str = "", key_prefix: str = "") -> int:
        which = [
            name
            for name, each in self._letters.items()
            if each.state == "waiting" and kind in ("", each.kind) and each.key.startswith(key_prefix)
        ]
        for name in which:
            self._letters[name] = _forgotten(self._letters[name], "failed", "given up by hand")
        return len(which)


def _forgotten(kept: _Kept, state: LetterState, said: str) -> _Kept:
    return evolve(kept, state=state, said=said[:500], letter=None)


def _newest_said(kept: Sequence[_Kept]) -> str:
    said = [each for each in kept if each.said]
    return max(said, key=lambda each: each.due_at).said if said else ""
