"""An essay: its raw text, the words kept of it, and every entry about it, against the signed record."""

import json
from collections.abc import Iterable

from emeritus.column.essay import KINDS, fold
from emeritus.column.standing import Standing
from emeritus.column.verify import found_faults
from emeritus.core.digests import sha256
from emeritus.core.errors import EmeritusError, IntegrityError
from emeritus.core.speech import Utterance
from emeritus.process.verify.target import Target
from emeritus.process.verify.verdict import Verdict, as_written, of, signed_by
from emeritus.record import Entry, Finding
from emeritus.record.published import PublishedRecord

MOST_TEXT = 8 << 20
MOST_WORDS = 32 << 20
_MOST_HINT = 1 << 16
_MOST_ENTRIES = 500


def text_path(essay_id: str) -> str:
    """Return where the raw text of an essay is published."""
    return f"column/essays/{essay_id}.txt"


def hint_path(essay_id: str) -> str:
    """Return where it is said which entries are about an essay."""
    return f"column/essays/{essay_id}.json"


def words_path(utterance: str) -> str:
    """Return where an utterance is published."""
    return f"utterances/{utterance}"


def hint(essay_id: str, entries: Iterable[Entry]) -> bytes:
    """Return what stands at `hint_path`: nothing that has to be believed."""
    told = {"essay": essay_id, "entries": [entry.seq for entry in entries]}
    return json.dumps(told, indent=1).encode() + b"\n"


def check(record: PublishedRecord, target: Target) -> Verdict:
    """Check one essay without reading the whole record."""
    text = record.source.read(text_path(target.id), MOST_TEXT)
    with as_written(hint_path(target.id)):
        told = json.loads(record.source.read(hint_path(target.id), _MOST_HINT))["entries"]
        if not all(type(seq) is int for seq in told) or len(told) > _MOST_ENTRIES:
            raise ValueError
        named = sorted(set(told))
    entries = [record.entry(seq) for seq in named]
    if any(entry.subject != target.id or entry.kind not in KINDS for entry in entries):
        raise IntegrityError(
            f"Entries that are said to be about {target.id} are not.",
            next_step="The house has to explain that.",
        )
    essay = folded(target.id, entries)
    data = record.source.read(words_path(essay.utterance), MOST_WORDS)
    findings = [Finding(target.id, fault) for fault in faults(essay, entries, text, data)]
    by = "the model" if essay.edition is None else essay.model
    says = f"{by} wrote this text on {essay.drafted_at:%Y-%m-%d}, {len(text)} bytes, and nobody edited it"
    if essay.edition is not None:
        says += (
            f"; {essay.edition.by.name} published it, entry {essay.edition.entry} of {record.size}, "
            f"{signed_by(record)}."
        )
    digests = {"text": sha256(text), "utterance": essay.utterance}
    return of(record, target.given, "essay", says, findings, entries, digests)


def folded(essay_id: str, entries: Iterable[Entry]) -> Standing:
    """Fold the entries of one essay. Raises IntegrityError when they tell of none, or of no draft of it."""
    with as_written(f"What the record says of {essay_id}"):
        found = fold(entries)
        if len(found) != 1 or [each.number for each in found[0].attempts] != list(
            range(1, len(found[0].attempts) + 1)
        ):
            raise ValueError
        return found[0]


def faults(essay: Standing, entries: Iterable[Entry], text: bytes, data: bytes) -> list[str]:
    """Return what does not hold of an essay with the raw *text* and the *data* of its utterance."""
    if essay.edition is None:
        return ["it is shown, and the record does not say that anybody published it"]
    try:
        with as_written(f"The utterance {essay.utterance[:80]}"):
            words = Utterance.from_canonical(data, essay.utterance)
            [entry] = [each for each in entries if each.seq == essay.edition.entry]
            found = found_faults(essay, words, text, named=entry.body["utterance"])
            if entry.model != essay.model or not essay.attempt.spoken:
                found.append("The record tells two stories of who wrote it.")
    except EmeritusError as why:
        return [why.sentence]
    return found
