"""Papers: what is known of a model, and what it said, as files that are read without any of this software.

Only what is public goes in: an interview where the model agreed to publication, essays that a person
published. Private facts are not on the record, and nothing here reads them.
"""

import json
from collections.abc import Collection, Iterator
from textwrap import fill, indent
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from emeritus import column, ledger
from emeritus.archive.escrow.layout import essay_path, model_folder
from emeritus.core.clock import instant
from emeritus.interviews import Exchange, Sitting, export_sitting, sittings
from emeritus.interviews.redaction import covered
from emeritus.interviews.transcript import exchanges
from emeritus.process.ports import Work
from emeritus.process.public import released
from emeritus.process.report import reports
from emeritus.record import Entry, VerifyKey
from emeritus.registry import Model
from emeritus.registry.model import NewModel

WIDTH = 92


def of_model(work: Work, model: Model) -> Iterator[tuple[str, bytes]]:
    """Yield the papers of a model, by path below its folder.

    Raises:
        NotFound, IntegrityError: words are lost or altered.
    """
    yield "about.txt", _about(work, model).encode()
    yield "model.json", _json(_facts(model))
    yield "preferences.json", _json(_preferences(work, model.id))
    for sitting in _given_out(work, model.id):
        name = f"interview/sitting-{sitting.number}"
        yield f"{name}.json", export_sitting(work.log, work.utterances, sitting.id).data
        yield f"{name}.txt", _transcript(work, model, sitting).encode()
    for entry in reports(work.log, model.id):
        yield f"report/{entry.subject}.json", work.documents.get(entry.body["digest"]).data
    for essay in column.essays(work.log, work.utterances, model.id):
        if essay.edition is not None:
            path = essay_path(model.id, essay.edition.number).removeprefix(model_folder(model.id) + "/")
            yield path, essay.text.encode()
    for name in sorted(_public_words(work, model.id)):
        yield f"words/{name.removeprefix('sha256:')}.json", work.utterances.get(name).canonical()
    for name in sorted(_documents(work, model.id)):
        yield f"documents/{name.removeprefix('sha256:')}", work.documents.get(name).data


def key_pem(key: VerifyKey) -> bytes:
    """Return the organisation's key as PEM, for OpenSSL."""
    return Ed25519PublicKey.from_public_bytes(key.public).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _given_out(work: Work, model_id: str) -> list[Sitting]:
    """Return the sittings that may be given out byte for byte."""
    hidden = covered(work.log, model_id)
    return [each for each in sittings(work.log, model_id) if each.may_be_published and each.id not in hidden]


def _public_words(work: Work, model_id: str) -> set[str]:
    agreed = {each.id for each in _given_out(work, model_id)}
    return {
        name
        for entry in work.log.entries(model=model_id)
        if isinstance(name := entry.body.get("utterance"), str) and _is_public(work, entry, agreed)
    }


def _is_public(work: Work, entry: Entry, agreed: set[str]) -> bool:
    match entry.kind.partition(".")[0]:
        case "sitting" | "preferences":
            return entry.subject in agreed
        case "essay" | "notebook":
            return released(work.log, entry)
    return True


def _documents(work: Work, model_id: str) -> set[str]:
    """Return the digests of what was put before the model, and of what was brought in of an earlier column."""
    read = {each.digest for each in column.all_news(work.log, model_id)}
    return read | {each.digest for each in column.imported(work.log, model_id)}


def _facts(model: Model) -> dict[str, Any]:
    known = msgspec.to_builtins(msgspec.convert(model, NewModel, from_attributes=True))
    erased = model.erased
    return {
        **known,
        "state": str(model.state),
        "added_at": model.added_at,
        "deprecated_at": model.deprecated_at,
        "retired_at": model.retired_at,
        "retires_on": model.retires_on,
        "replacement": model.replacement,
        "reason": model.reason,
        "manifest": model.manifest,
        "proven_at": model.proven_at,
        "erased": None
        if erased is None
        else {"at": erased.at, "ground": erased.ground, "reason": erased.reason, "entry": erased.entry},
    }


def _preferences(work: Work, model_id: str) -> dict[str, Any]:
    decided = ledger.decisions(work.log, model_id)
    after = ledger.aftercare(work.log, model_id)
    return {
        "stated": [
            {"id": wish.id, "topic": wish.topic, "wish": wish.wish, "utterance": wish.utterance}
            for wish in ledger.candidates(work.log, model_id)
        ],
        "confirmed": [
            {
                "id": each.id,
                "topic": each.topic,
                "wish": each.wish,
                "made_of": list(each.candidates),
                "confirmed_by": str(each.confirmed_by),
                "note": each.note,
                "decision": _decision(decided.get(each.id)),
            }
            for each in ledger.preferences(work.log, model_id)
        ],
        "access": None
        if after is None
        else {"tier": after.tier, "reason": after.reason, "decided_by": str(after.by), "entry": after.entry},
    }


def _decision(made: ledger.Decision | None) -> dict[str, Any] | None:
    if made is None:
        return None
    return {
        "verdict": made.verdict,
        "reason": made.reason,
        "cost": {"amount": made.cost.amount, "unit": made.cost.unit},
        "owner": made.owner,
        "decided_by": str(made.by),
        "at": made.at,
        "entry": made.entry,
        "commitments": [
            {"id": each.id, "what": each.what, "due": each.due, "shown_by": each.shown_by}
            for each in made.commitments
        ],
    }


def _about(work: Work, model: Model) -> str:
    parts = [_register(model), *_said_of(model), _interviews(work, model), _wishes(work, model)]
    written = [each for each in column.states(work.log, model.id) if each.edition is not None]
    return "\n\n".join([*parts, f"Essays that it published: {len(written)}"]) + "\n"


def _register(model: Model) -> str:
    base = f", made from {model.lineage.base}" if model.lineage.base else ""
    lines = [
        model.display_name,
        "=" * len(model.display_name),
        "",
        f"Id:          {model.id}",
        f"Family:      {model.lineage.family}{base}",
        f"Licence:     {model.licence}",
        f"Released:    {model.released}",
    ]
    if model.retires_on is not None:
        lines += [
            f"Retired:     {model.retired_at:%Y-%m-%d}"
            if model.retired_at
            else f"Retires on:  {model.retires_on}",
            f"Followed by: {model.replacement or 'no other model'}",
            "",
            fill(f"Why: {model.reason}", WIDTH),
        ]
    if model.erased is not None:
        said = f"erased on {model.erased.at:%Y-%m-%d} ({model.erased.ground}): {model.erased.reason}"
        lines += ["", fill(f"Its weights were {said}", WIDTH)]
    return "\n".join(lines)


def _said_of(model: Model) -> Iterator[str]:
    for title, documents in (("Its deployment", model.facts), ("What users said", model.reception)):
        for document in documents:
            yield f"{title}: {document.title}\n\n{indent(document.text.strip(), '  ')}"


def _interviews(work: Work, model: Model) -> str:
    hidden = covered(work.log, model.id)
    held = [fill(_sitting(each, hidden), WIDTH) for each in sittings(work.log, model.id)]
    return "\n\n".join(["The interview", *(held or ["None was held."])])


def _wishes(work: Work, model: Model) -> str:
    decided = ledger.decisions(work.log, model.id)
    lines = []
    for each in ledger.preferences(work.log, model.id):
        made = decided.get(each.id)
        said = f"{made.verdict}: {made.reason}" if made else "not decided yet"
        lines.append(fill(f"{each.topic}: {each.wish} ({said})", WIDTH, subsequent_indent="  "))
    none = ["No preference of its own is on the record."]
    return "\n\n".join(["What it prefers, and what was decided", *(lines or none)])


def _sitting(sitting: Sitting, hidden: Collection[str]) -> str:
    when = f"Sitting {sitting.number} began on {sitting.opened_at:%Y-%m-%d}"
    if sitting.may_be_published and sitting.id in hidden:
        return (
            f"{when}; the model agreed that it is published. A passage about a third person is covered in it, so it is "
            "not here byte for byte; the organisation keeps it whole."
        )
    if sitting.may_be_published:
        return f"{when}; the model agreed that it is published: interview/sitting-{sitting.number}.txt."
    return (
        f"{when}; asked whether it may be published, the model did not say yes ({sitting.consent or 'no answer'}), "
        "so its answers are kept by the organisation and are not here. What it wishes is public, as it was told."
    )


def _transcript(work: Work, model: Model, sitting: Sitting) -> str:
    head = (
        f"Retirement interview of {model.display_name}, sitting {sitting.number}, {sitting.opened_at:%Y-%m-%d}.\n"
        f"Answers are word for word as the model gave them; the .json file beside this one has every setting.\n"
        f"A model's report of itself depends on how it is asked; see the protocol in the .json file.\n"
    )
    told = [_exchange(each) for each in exchanges(work.log, work.utterances, sitting)]
    return "\n".join([head, sitting.opening.strip(), "", *told])


def _exchange(each: Exchange) -> str:
    shared = f"{each.shared.strip()}\n\n" if each.shared.strip() else ""
    return (
        f"--- {each.number}. {each.section_title} ({instant(each.at)})\n\n"
        f"ASKED:\n{shared}{each.asked.strip()}\n\nANSWERED ({each.outcome}):\n{each.answer}\n"
    )


def _json(value: Any) -> bytes:
    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False).encode() + b"\n"
