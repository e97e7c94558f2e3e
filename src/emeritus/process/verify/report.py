"""A report: its bytes against the record's digest, and what it says against what the record says."""

from collections.abc import Iterator, Sequence

from emeritus.core.errors import EmeritusError, NotFound
from emeritus.core.wording import count
from emeritus.process.report import report_path, reports, same_report
from emeritus.process.verify.target import Target
from emeritus.process.verify.verdict import Verdict, as_written, of, signed_by
from emeritus.record import Entry, Finding, VerifyKey
from emeritus.record.published import PublishedRecord, RecordCopy
from emeritus.record.source import read_all
from emeritus.registry import get_model

MOST_REPORT = 64 << 20


def check(record: PublishedRecord, target: Target, keys: Sequence[VerifyKey]) -> Verdict:
    """Check a published report of a model, the newest when none is named."""
    copy, findings = record.whole(keys)
    with as_written("The record"):
        made = [
            each
            for each in reports(copy, get_model(copy, target.id).id)
            if target.number in (None, each.body["number"])
        ]
    if not made:
        raise NotFound(
            f"No such report on {target.id} is published.",
            next_step="A person publishes it; see the page of the model.",
        )
    entry = made[-1]
    findings += check_reports(record, copy, [entry])
    says = (
        f"{entry.by.name} published this report on {entry.at:%Y-%m-%d}, of {count(entry.body['sittings'], 'sitting')}; "
        f"it says what the first {entry.body['upto']} entries of the record say, {signed_by(record)}."
    )
    return of(record, target.given, "report", says, findings, [entry], {"report": entry.body["digest"]})


def check_reports(record: PublishedRecord, copy: RecordCopy, made: Sequence[Entry]) -> Iterator[Finding]:
    """Yield what does not hold of published reports: each is compiled anew from the record before it."""
    read = read_all(record.source, (report_path(each) for each in made), MOST_REPORT)
    for entry, (_, data) in zip(made, read, strict=True):
        where = (entry.subject or "")[:120]
        if isinstance(data, EmeritusError):
            yield Finding(where, data.sentence)
            continue
        try:
            with as_written("The report"):
                fault = same_report(copy.before(entry.body["upto"]), entry, data)
        except EmeritusError as why:
            fault = why.sentence
        if fault is not None:
            yield Finding(where, fault)
