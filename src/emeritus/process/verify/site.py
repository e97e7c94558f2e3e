"""A whole site, or all of one model: every entry is read, and everything that it points to."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from emeritus import column
from emeritus.column.standing import Standing
from emeritus.core.digests import canonical, sha256
from emeritus.core.errors import EmeritusError, NotFound
from emeritus.core.speech import Utterance
from emeritus.core.wording import count
from emeritus.interviews import Sitting, export_sitting, sittings
from emeritus.interviews.redaction import covered
from emeritus.process.public import public_words, released_sittings
from emeritus.process.report import reports
from emeritus.process.verify import essay as essays
from emeritus.process.verify.essay import MOST_TEXT, MOST_WORDS, text_path, words_path
from emeritus.process.verify.report import check_reports
from emeritus.process.verify.target import Target
from emeritus.process.verify.verdict import Verdict, as_written, of, signed_by
from emeritus.record import Entry, Finding, MemoryUtterances, VerifyKey
from emeritus.record.published import PublishedRecord, RecordCopy
from emeritus.record.source import read_all
from emeritus.registry import all_models, get_model, organisation

MOST_TRANSCRIPT = 64 << 20


def transcript_path(sitting: Sitting) -> str:
    """Return where a sitting is published, when its model agreed."""
    return f"models/{sitting.model}/interview/{sitting.number}.json"


def check(record: PublishedRecord, target: Target, keys: Sequence[VerifyKey]) -> Verdict:
    """Check everything that is public."""
    copy, findings = record.whole(keys)
    told = ""
    if not findings:
        try:
            with as_written("The record"):
                written = [each for each in column.states(copy) if each.edition is not None]
                released = list(released_sittings(copy))
                words = public_words(copy)
                models, name = all_models(copy), organisation(copy).name
            findings += check_essays(record, copy, written)
            findings += check_words(record, words, {each.utterance for each in written})
            findings += check_transcripts(record, copy, released)
            findings += check_reports(record, copy, copy.entries(kinds={"report.published"}))
            told = (
                f"the record of {name}: {count(record.size, 'entry').replace('entrys', 'entries')}, none changed, "
                f"{signed_by(record)}; {count(len(models), 'model')}, {count(len(written), 'essay')} as written, "
                f"{count(len(released), 'conversation')} as held."
            )
        except EmeritusError as why:
            findings.append(Finding("record", why.sentence))
    return of(record, target.given, "site", told, findings)


def check_interview(record: PublishedRecord, target: Target, keys: Sequence[VerifyKey]) -> Verdict:
    """Check the published sittings of a model, or one of them."""
    copy, findings = record.whole(keys)
    with as_written("The record"):
        held = [
            each
            for each in sittings(copy, get_model(copy, target.id).id)
            if target.number in (None, each.number)
        ]
    with as_written("The record"):
        hidden = covered(copy, target.id)
    released = [each for each in held if each.may_be_published and each.id not in hidden]
    if not released:
        raise NotFound(
            f"No such conversation with {target.id} is published byte for byte.",
            next_step="That is so when the model agreed, and nothing about third persons had to be covered; see its page.",
        )
    findings += check_transcripts(record, copy, released)
    turns = sum(len(each.turns) for each in released)
    says = (
        f"{count(len(released), 'conversation')} with {target.id}, {count(turns, 'answer')}, stand here as they were "
        f"asked and said; opened on {released[0].opened_at:%Y-%m-%d}, {signed_by(record)}."
    )
    ids = {each.id for each in released}
    entries = [entry for entry in copy.entries(model=target.id) if entry.subject in ids]
    return of(record, target.given, "interview", says, findings, entries)


def check_model(record: PublishedRecord, target: Target, keys: Sequence[VerifyKey]) -> Verdict:
    """Check everything that is public of one model."""
    copy, findings = record.whole(keys)
    with as_written("The record"):
        model = get_model(copy, target.id)
        written = [each for each in column.states(copy, model.id) if each.edition is not None]
        released = [each for each in released_sittings(copy) if each.model == model.id]
        words = {name: entry for name, entry in public_words(copy).items() if entry.model == model.id}
    findings += check_essays(record, copy, written)
    findings += check_words(record, words, {each.utterance for each in written})
    findings += check_transcripts(record, copy, released)
    findings += check_reports(record, copy, reports(copy, model.id))
    entries = copy.entries(model=model.id)
    state = f"retired on {model.retired_at:%Y-%m-%d}" if model.retired_at else str(model.state)
    says = (
        f"{model.display_name} is {state}, as {len(entries)} entries of {record.size} say, {signed_by(record)}; "
        f"{count(len(written), 'essay')} as written, {count(len(released), 'conversation')} as held."
    )
    return of(record, target.given, "model", says, findings, entries)


def check_essays(record: PublishedRecord, copy: RecordCopy, written: Sequence[Standing]) -> Iterator[Finding]:
    """Yield what does not hold of published essays."""
    about: dict[str, list[Entry]] = {}
    for entry in copy.entries(kinds={"essay.published"}):
        about.setdefault(entry.subject or "", []).append(entry)
    texts = read_all(record.source, (text_path(each.id) for each in written), MOST_TEXT)
    words = read_all(record.source, (words_path(each.utterance) for each in written), MOST_WORDS)
    for essay, (_, text), (_, data) in zip(written, texts, words, strict=True):
        missing = [each for each in (text, data) if isinstance(each, EmeritusError)]
        if isinstance(text, bytes) and isinstance(data, bytes):
            for fault in essays.faults(essay, about.get(essay.id, ()), text, data):
                yield Finding(essay.id, fault)
        for why in missing:
            yield Finding(essay.id, why.sentence)


def check_words(record: PublishedRecord, words: dict[str, Entry], known: set[str]) -> Iterator[Finding]:
    """Yield what does not hold of public words, but of those that are *known* to."""
    left = [name for name in words if name not in known]
    read = read_all(record.source, (words_path(name) for name in left), MOST_WORDS)
    for name, (_, data) in zip(left, read, strict=True):
        where = f"entry {words[name].seq}, utterance {name[:80]}"
        if isinstance(data, EmeritusError):
            yield Finding(where, data.sentence)
        elif sha256(data) != name:
            yield Finding(where, "these are not the words that were said")


def check_transcripts(
    record: PublishedRecord, copy: RecordCopy, released: Sequence[Sitting]
) -> Iterator[Finding]:
    """Yield what does not hold of published sittings: each is made again from the record and its words."""
    read = read_all(record.source, (transcript_path(each) for each in released), MOST_TRANSCRIPT)
    for sitting, (_, data) in zip(released, read, strict=True):
        if isinstance(data, EmeritusError):
            yield Finding(sitting.id, data.sentence)
            continue
        try:
            with as_written("The transcript"):
                made = export_sitting(copy, _words_in(data), sitting.id).data
        except EmeritusError as why:
            yield Finding(sitting.id, why.sentence)
            continue
        if made != data:
            yield Finding(sitting.id, "the transcript is not what was asked and said")


def _words_in(data: bytes) -> MemoryUtterances:
    """Return the words of a transcript, each held against its id."""
    kept = MemoryUtterances()
    for exchange in json.loads(data)["exchanges"]:
        words: dict[str, Any] = dict(exchange["utterance"])
        name = words.pop("id")
        kept.keep(Utterance.from_canonical(canonical(words), name))
    return kept
