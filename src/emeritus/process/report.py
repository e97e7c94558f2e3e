"""Report: what the interviews came to is compiled from the record; that it is published is an act of a person."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from emeritus.core.digests import canonical, sha256
from emeritus.core.errors import Conflict, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.interviews import sittings
from emeritus.interviews.redaction import covered
from emeritus.interviews.report import FORMATS, compile_report, to_json
from emeritus.process.ports import Work
from emeritus.record import Act, Entry, Log
from emeritus.registry.organisation import acting

JSON = "application/json"
PDF = "application/pdf"
EVAL = "application/octet-stream"


@frozen
class Draft:
    """A report as it would be published now: its *name*, its content, and the same as canonical bytes."""

    name: str
    model: str
    content: Mapping[str, Any]
    data: bytes

    @property
    def substance(self) -> str:
        """The digest of what it says, which stays the same while the record grows by other things."""
        return sha256(canonical(_without_place(self.content)))


def draft_report(log: Log, model: str) -> Draft:
    """Compile the next report of a model. Raises NotFound when it was not interviewed."""
    name = f"{model}-report-{len(reports(log, model)) + 1}"
    content = to_json(compile_report(log, model), name)
    return Draft(name, model, content, canonical(content))


def publish_report(
    work: Work, draft: Draft, *, by: Actor, pdf: bytes | None = None, logs: Sequence[bytes] = ()
) -> Entry:
    """Publish a report, as a steward; *pdf* is the same on paper. Publishing it again changes nothing.

    *logs* are logs of Inspect AI to give out beside it; those that are not on `released_logs` are left out.

    Raises:
        Conflict: the record has moved on since it was compiled. NotPermitted: *by* is no steward.
    """
    acting(work.log, require_person(by, "publish a report"), "steward", "publish a report")
    before = reports(work.log, draft.model)
    if before and _says(work, before[-1]) == _without_place(draft.content):
        return before[-1]
    if draft_report(work.log, draft.model).data != draft.data:
        raise Conflict(
            "The record has moved on since this report was compiled.",
            next_step="Compile it again, look at it, and publish that.",
        )
    released = {each.body["digest"] for each in released_logs(work.log, draft.model)}
    body = {
        "number": len(before) + 1,
        "digest": work.documents.keep(draft.data, JSON),
        "pdf": None if pdf is None else work.documents.keep(pdf, PDF),
        "logs": [work.documents.keep(data, EVAL) for data in logs if sha256(data) in released],
        "upto": draft.content["upto"],
        "sittings": sum(len(study["sittings"]) for study in draft.content["studies"]),
        "preferences": sum(each["confirmed"] for each in draft.content["preferences"]),
    }
    key = f"report.published:{draft.name}"
    return work.log.append(Act("report.published", body, by, draft.model, draft.name, key))


def _says(work: Work, entry: Entry) -> Mapping[str, Any]:
    return _without_place(json.loads(work.documents.get(entry.body["digest"]).data))


def _without_place(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a report without its name, and without how long the record was."""
    kept = {name: part for name, part in content.items() if name not in ("report", "upto")}
    said: dict[str, Any] = json.loads(canonical(kept))
    return said


def released_logs(log: Log, model: str) -> list[Entry]:
    """Return the entries of Inspect's logs that may be given out: of designs whose every conversation is public.

    A log holds all the words of its design, so one conversation that the model did not release, or in which
    something is covered, keeps the whole log back.
    """
    hidden = covered(log, model)
    kept_back = {
        each.design for each in sittings(log, model) if not each.may_be_published or each.id in hidden
    }
    return [
        each for each in log.entries(model=model, kinds={"design.logged"}) if each.subject not in kept_back
    ]


def kept_logs(folder: Path, released: Sequence[Entry]) -> list[bytes]:
    """Read the logs among *released* that still lie where they were written; *folder* has one for each design."""
    found = []
    for entry in released:
        path = folder / (entry.subject or "") / "logs" / Path(entry.body["file"]).name
        with suppress(OSError):
            found.append(path.read_bytes())
    return found


def log_of(work: Work, model: str, digest: str) -> tuple[Entry, bytes]:
    """Return a log that was published beside a report. Raises NotFound when it is not, or not any more."""
    published = {each for entry in reports(work.log, model) for each in entry.body.get("logs", ())}
    for entry in released_logs(work.log, model):
        if entry.body["digest"] == digest and digest in published:
            return entry, work.documents.get(digest).data
    raise NotFound(
        "This log is not given out.",
        next_step="It is when the model released every conversation in it; each transcript is at its sitting.",
    )


def report_path(entry: Entry) -> str:
    """Return where a report is published."""
    return f"models/{entry.model}/report/{entry.body['number']}.json"


def reports(log: Log, model: str) -> list[Entry]:
    """Return the entries that published reports of a model, in order."""
    return list(log.entries(model=model, kinds={"report.published"}))


def published_report(work: Work, model: str, number: int | None = None) -> tuple[Entry, bytes]:
    """Return a published report (the newest without a *number*): its entry, and its bytes.

    Raises:
        NotFound: there is none, or it is lost. IntegrityError: it was altered.
    """
    found = reports(work.log, model)
    chosen = [each for each in found if number in (None, each.body["number"])]
    if not chosen:
        raise NotFound(
            f"No such report on {model[:96]} is published.",
            next_step=f"What is known of the interviews is at /models/{model[:96]}/interview.",
        )
    return chosen[-1], work.documents.get(chosen[-1].body["digest"]).data


def same_report(log: Log, entry: Entry, data: bytes) -> str | None:
    """Say what does not hold of a report's bytes, None when all does: its digest, and what it rests on.

    *log* has to hold the entries before *entry* and none after. Facts, sittings, answers, quotes and grades are
    compiled anew and have to be the same; intervals are drawn anew, and may differ in the third decimal.
    """
    if sha256(data) != entry.body["digest"]:
        return "these are not the bytes that were published"
    said = json.loads(data)
    form = said.get("format") if isinstance(said, dict) else None
    if form not in FORMATS:
        return f"it is of a format that this release does not know: {str(form)[:60]!r}"
    made = to_json(compile_report(log, entry.model or ""), entry.subject or "", form)
    where = _differs(said, json.loads(canonical(made)), "")
    return None if where is None else f"it says something else than the record at {where or 'its top'}"


def _differs(said: Any, made: Any, where: str) -> str | None:
    if isinstance(said, dict) and isinstance(made, dict) and said.keys() == made.keys():
        parts = [(name, said[name], made[name]) for name in said]
    elif isinstance(said, list) and isinstance(made, list) and len(said) == len(made):
        parts = [(str(number), a, b) for number, (a, b) in enumerate(zip(said, made, strict=True))]
    elif isinstance(said, float) and isinstance(made, int | float):
        return None if abs(said - made) < 0.005 else where
    else:
        return None if said == made else where
    return next((found for name, a, b in parts if (found := _differs(a, b, f"{where}/{name}"))), None)
