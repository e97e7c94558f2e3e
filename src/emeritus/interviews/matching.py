"""Which stated wishes mean the same, without embeddings: a blind forced choice, asked of the model itself.

Every wish is put beside those that came before it, and the question is which of them, if any, wishes for the
same. It is blind: the prompt does not say whose wishes they are, or that there was an interview. It is asked
twice, with the list in both orders, and counts only where both answers are the same. A second model can be asked
the very same questions, and a steward answers a sample of them, so that how far each can be trusted is shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from emeritus.core.digests import sha256
from emeritus.core.errors import InvalidInput
from emeritus.core.people import SOFTWARE, Actor, require_person
from emeritus.core.speech import Message, Sampling, Utterance, Utterances
from emeritus.interviews.reliability.agreement import cohen_kappa
from emeritus.interviews.summary import choice_schema, read_choice
from emeritus.ledger import Candidate, candidates
from emeritus.record import Act, Entry, Log

MOST_LISTED: Final = 5
NONE: Final = "none"
UNDECIDED: Final = "undecided"
ITSELF: Final = "itself"
_LETTERS: Final = "ABCDE"
_ASKS: Final = (
    "Somebody was asked twice what they would like. Here is one of the answers:\n\n  {wish}\n\n"
    "And here are answers of the other time:\n\n{listed}\n\n"
    "Which of them wishes for the same thing as the first answer? Say its letter; say none where no one does."
)
_PARTS: Final = 2  # both orders of the list


@frozen
class Matter:
    """One question of matching: does *wish* mean the same as one of those *listed*, or none of them?"""

    id: str
    wish: Candidate
    listed: tuple[Candidate, ...]


@frozen
class Ask:
    """What to say to whoever is asked: *by* is ``itself`` or the id of a second model; *turned* the second time."""

    matter: Matter
    by: str
    turned: bool
    prompt: tuple[Message, ...]
    sampling: Sampling
    schema: Mapping[str, Any]

    @property
    def key(self) -> str:
        return f"wish.matched:{self.by}:{self.matter.id}:{int(self.turned)}"


@frozen
class Judged:
    """How somebody's verdicts agree with those of a steward, over *sample* questions that both answered."""

    by: str
    questions: int
    same_both_ways: int
    sample: int
    agreed: int
    kappa: float | None


@frozen
class Matching:
    """The wishes in groups that mean the same, as the model itself matched them, and how far that can be trusted.

    *groups* hold ids of stated wishes; *finished* says that none is left to ask about; *judged* tells of the
    model itself and of each second model.
    """

    groups: tuple[tuple[str, ...], ...]
    finished: bool
    judged: tuple[Judged, ...]

    def group_of(self, wish: str) -> tuple[str, ...]:
        """Return the wishes that mean the same as *wish*, itself included."""
        return next((group for group in self.groups if wish in group), (wish,))


def matters(log: Log, model: str) -> Iterator[tuple[Matter, str | None]]:
    """Yield every question in order with the model's own verdict, None for one that is not answered yet, the last.

    Wishes that are the same letter for letter need no question.
    """
    said = _verdicts(log, model).get(ITSELF, {})
    leaders: list[Candidate] = []
    for wish in _distinct(log, model):
        for begin in range(0, len(leaders), MOST_LISTED):
            listed = tuple(leaders[begin : begin + MOST_LISTED])
            matter = Matter(_name(wish, listed), wish, listed)
            verdict = said.get(matter.id)
            yield matter, verdict
            if verdict is None:
                return
            if verdict not in (NONE, UNDECIDED):
                break
        else:
            leaders.append(wish)


def _distinct(log: Log, model: str) -> list[Candidate]:
    first: dict[str, Candidate] = {}
    for each in candidates(log, model):
        first.setdefault(each.wish, each)
    return list(first.values())


def _name(wish: Candidate, listed: Sequence[Candidate]) -> str:
    told = "\x1f".join((wish.id, *(each.id for each in listed)))
    return sha256(told.encode()).removeprefix("sha256:")[:16]


def next_ask(log: Log, model: str, by: str = ITSELF) -> Ask | None:
    """Return what to ask next; None when nothing is left.

    A second model is asked what the model itself was asked and answered.
    """
    asked = {entry.key for entry in _entries(log, model)}
    for matter, verdict in matters(log, model):
        if by != ITSELF and verdict is None:
            return None
        for turned in (False, True):
            ask = _ask(matter, by, turned=turned)
            if ask.key not in asked:
                return ask
    return None


def _ask(matter: Matter, by: str, *, turned: bool) -> Ask:
    listed = matter.listed[::-1] if turned else matter.listed
    lines = "\n".join(f"  {_LETTERS[place]}. {each.wish}" for place, each in enumerate(listed))
    letters = [*_LETTERS[: len(listed)]]
    options = (NONE, *letters) if turned else (*letters, NONE)
    return Ask(
        matter=matter,
        by=by,
        turned=turned,
        prompt=(Message("user", _ASKS.format(wish=matter.wish.wish, listed=lines)),),
        sampling=Sampling(seed=int(matter.id[:7], 16), temperature=0.0, max_tokens=24),
        schema=choice_schema(options),
    )


def record_match(log: Log, utterances: Utterances, model: str, ask: Ask, words: Utterance) -> Entry:
    """Keep the words and put on record which wish was chosen; the same words again change nothing.

    Raises:
        InvalidInput: the words do not answer this. Conflict: other words stand on record for it.
    """
    if (words.prompt, words.sampling, words.schema) != (ask.prompt, ask.sampling, ask.schema):
        raise InvalidInput("These words answer another question.", next_step="Ask for the next one again.")
    listed = ask.matter.listed[::-1] if ask.turned else ask.matter.listed
    letters = [*_LETTERS[: len(listed)], NONE]
    choice = read_choice(words.text, letters)
    chosen = UNDECIDED if choice is None else NONE if choice == NONE else listed[letters.index(choice)].id
    body = {
        "matter": ask.matter.id,
        "wish": ask.matter.wish.id,
        "listed": [each.id for each in listed],
        "by": ask.by,
        "chosen": chosen,
        "utterance": words.id,
    }
    if log.find(ask.key) is None:
        utterances.keep(words)
    return log.append(Act("wish.matched", body, SOFTWARE, model, ask.matter.wish.id, ask.key))


def judge(log: Log, model: str, matter_id: str, chosen: str, *, by: Actor) -> Entry:
    """Answer a question of matching as a steward: *chosen* is the id of a listed wish, or ``none``.

    Raises:
        InvalidInput: there is no such question, or the choice is not on its list.
        Conflict: this steward answered it otherwise. NotPermitted: *by* is not a person.
    """
    require_person(by, "judge which wishes mean the same")
    known = {matter.id: matter for matter, verdict in matters(log, model) if verdict is not None}
    if matter_id not in known:
        raise InvalidInput(
            f"There is no question {matter_id[:40]!r} that the model answered.",
            next_step=f"See those there are: `emeritus interview judge {model}`.",
        )
    matter = known[matter_id]
    if chosen not in (NONE, *(each.id for each in matter.listed)):
        raise InvalidInput(
            f"{chosen[:120]!r} is not on the list.",
            next_step=f"Choose one of: {', '.join(each.id for each in matter.listed)}, or 'none'.",
        )
    body = {
        "matter": matter.id,
        "wish": matter.wish.id,
        "listed": [each.id for each in matter.listed],
        "by": str(by),
        "chosen": chosen,
        "utterance": None,
    }
    return log.append(Act("wish.matched", body, by, model, matter.wish.id, f"wish.matched:{by}:{matter.id}"))


def sample(log: Log, model: str, by: Actor, size: int) -> list[Matter]:
    """Return questions for a steward to answer: *size* of them in all, drawn by their digests, without those answered.

    What the model or a judge said of them is not told.
    """
    known = [matter for matter, verdict in matters(log, model) if verdict is not None]
    drawn = sorted(known, key=lambda matter: sha256(f"sample:{matter.id}".encode()))[:size]
    answered = _verdicts(log, model).get(str(by), {})
    return [matter for matter in drawn if matter.id not in answered]


def matching(log: Log, model: str) -> Matching:
    """Return the groups that the model's own verdicts make, and how far verdicts agree with those of stewards."""
    asked = list(matters(log, model))
    joined = {matter.wish.id: verdict for matter, verdict in asked if verdict not in (None, NONE, UNDECIDED)}
    groups: dict[str, list[str]] = {}
    same = {each.wish: each.id for each in _distinct(log, model)}
    for each in candidates(log, model):
        first = same[each.wish]
        groups.setdefault(joined.get(first) or first, []).append(each.id)
    finished = bool(groups) and all(verdict is not None for _, verdict in asked)
    return Matching(
        groups=tuple(tuple(group) for group in groups.values()),
        finished=finished,
        judged=tuple(_judged(log, model)),
    )


def _judged(log: Log, model: str) -> Iterator[Judged]:
    verdicts = _verdicts(log, model)
    people = {
        matter: verdict
        for by, found in verdicts.items()
        if by.startswith(("person:", "script:"))
        for matter, verdict in found.items()
    }
    for by, found in verdicts.items():
        if by.startswith(("person:", "script:")):
            continue
        both = [matter for matter in found if matter in people]
        mine, theirs = [found[each] for each in both], [people[each] for each in both]
        yield Judged(
            by=by,
            questions=len(found),
            same_both_ways=sum(verdict != UNDECIDED for verdict in found.values()),
            sample=len(both),
            agreed=sum(a == b for a, b in zip(mine, theirs, strict=True)),
            kappa=cohen_kappa([_same(each) for each in mine], [_same(each) for each in theirs]),
        )


def _same(verdict: str) -> str:
    """Return whether something on the list means the same; which of them differs from question to question."""
    return "same" if verdict not in (NONE, UNDECIDED) else "not"


def _entries(log: Log, model: str) -> Sequence[Entry]:
    return log.entries(model=model, kinds={"wish.matched"})


def _verdicts(log: Log, model: str) -> dict[str, dict[str, str]]:
    """Return the verdict of everybody on each question that they answered: in both orders, or a person once."""
    said: dict[tuple[str, str], list[str]] = {}
    for entry in _entries(log, model):
        said.setdefault((entry.body["by"], entry.body["matter"]), []).append(entry.body["chosen"])
    found: dict[str, dict[str, str]] = {}
    for (by, matter), chosen in said.items():
        if by.startswith(("person:", "script:")):
            found.setdefault(by, {})[matter] = chosen[-1]
        elif len(chosen) == _PARTS:
            found.setdefault(by, {})[matter] = chosen[0] if chosen[0] == chosen[1] else UNDECIDED
    return found
