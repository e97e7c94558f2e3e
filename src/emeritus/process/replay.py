"""Replay: hold a sitting again with archived weights, the same seeds and the same steps, and compare every word."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

from attrs import frozen

from emeritus import interviews
from emeritus.core.digests import digest
from emeritus.core.errors import Conflict
from emeritus.core.people import SOFTWARE
from emeritus.core.speech import Conversation, EngineBuild, Utterance
from emeritus.interviews import Sitting, TurnRecord
from emeritus.interviews.turn import beginning
from emeritus.process.ports import Parts
from emeritus.record import Act
from emeritus.registry import get_model

Converse = Callable[[], AbstractContextManager[Conversation]]
Told = Callable[[int, int, str], None]
_HOW = re.compile(r"; threads: (\d{1,4}); prompt cache: (?:none|begun|kept)$")


@frozen
class Replayed:
    """What came of a replay. *differs_at* is the first turn that came out otherwise, None when none did.

    *reasons* say what is known to have changed, and so can have changed the words.
    """

    sitting: str
    turns: int
    differs_at: int | None
    reasons: tuple[str, ...]
    engine: EngineBuild
    entry: int

    @property
    def same(self) -> bool:
        """True when every word came again."""
        return self.differs_at is None


def replay(parts: Parts, sitting_id: str, converse: Converse, told: Told = lambda *_: None) -> Replayed:
    """Hold a sitting again, up to the first turn that differs, and put what was found on the record.

    Raises:
        NotFound: there is no such sitting; its words, or the weights, are not here.
        Conflict: nothing was said in it; it was answered by somebody whose weights nobody here holds.
    """
    with parts.work() as work:
        sitting = interviews.get_sitting(work.log, sitting_id)
        model = get_model(work.log, sitting.model)
        before = [work.utterances.get(turn.utterance) for turn in sitting.turns]
    if not before:
        raise Conflict(f"Nothing has been said in {sitting_id} yet.", next_step="Hold it first.")
    if model.away is not None or not all(words.weights for words in before):
        raise Conflict(
            f"The words of {sitting_id} came from a model whose weights nobody here holds, so they cannot be made again.",
            next_step="Hold another sitting, and compare what it says.",
        )
    first, again = _first_difference(sitting, before, converse, told)
    was = before[(first or len(before)) - 1]
    reasons = () if first is None else _reasons(was, again)
    body = {
        "turns": len(before),
        "same": first is None,
        "differs_at": first,
        "engine": f"{again.engine.name} {again.engine.version}",
        "system": bare(again.engine).system,
        "weights": again.weights,
        "reasons": list(reasons),
    }
    with parts.work() as work:
        key = f"sitting.replayed:{sitting_id}:{digest(body)}"
        entry = work.log.append(Act("sitting.replayed", body, SOFTWARE, sitting.model, sitting_id, key))
    return Replayed(sitting_id, len(before), first, reasons, bare(again.engine), entry.seq)


def _first_difference(
    sitting: Sitting, before: Sequence[Utterance], converse: Converse, told: Told
) -> tuple[int | None, Utterance]:
    """Take the turns again by the steps that the record tells of; a conversation broken off is broken off here too."""
    begins = beginning(sitting.opening, sitting.turns[0].shared)
    with ExitStack() as stack:
        talk = stack.enter_context(converse())
        for turn, words in zip(sitting.turns, before, strict=True):
            told(turn.number, len(before), turn.question)
            if turn.cache != "kept" and turn.number > 1:
                stack.close()
                talk = stack.enter_context(converse())
            starts = begins if turn.cache == "begun" else ()
            said = talk.say(words.prompt, words.sampling, schema=words.schema, begins=starts)
            again = said.utterance
            if (again.text, again.finish) != (words.text, words.finish):
                return turn.number, again
    return None, again


def bare(build: EngineBuild) -> EngineBuild:
    """Return an engine build without what it says of threads and of the prompt cache."""
    return EngineBuild(build.name, build.version, _HOW.sub("", build.system))


def threads_of(parts: Parts, sitting_id: str) -> int:
    """Return with how many threads a sitting was drawn; 0 where its words do not say. Raises NotFound."""
    with parts.work() as work:
        turns = interviews.get_sitting(work.log, sitting_id).turns
        found = [_HOW.search(work.utterances.get(turn.utterance).engine.system) for turn in turns[:1]]
    return int(found[0][1]) if found and found[0] else 0


def _reasons(was: Utterance, again: Utterance) -> tuple[str, ...]:
    then, now = bare(was.engine), bare(again.engine)
    found = []
    if was.weights != again.weights:
        found.append("the weights are others: these were restored from another file")
    if (then.name, then.version) != (now.name, now.version):
        found.append(f"the engine is another: {then.name} {then.version} then, {now.name} {now.version} now")
    threads = [match[1] for words in (was, again) if (match := _HOW.search(words.engine.system))]
    if len(set(threads)) > 1:
        found.append(f"{threads[0]} threads drew it then, {threads[1]} now")
    if then.system != now.system:
        found.append(f"the processor or the build is another: {then.system} then, {now.system} now")
    if not found:
        found.append(
            "weights, engine and processor features are the same; the processor itself, or a defect, may differ"
        )
    return tuple(found)


def steps_of(turns: Sequence[TurnRecord]) -> str:
    """Say how a sitting was drawn, in a few words."""
    begun = sum(turn.cache == "begun" for turn in turns)
    kept = sum(turn.cache == "kept" for turn in turns)
    if not begun:
        return "each turn by itself, without the prompt cache"
    broken = f", taken up again {begun - 1} times" if begun > 1 else ""
    return f"one conversation{broken}: {kept} of {len(turns)} turns went on from what the engine had kept"
