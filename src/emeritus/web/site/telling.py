"""Entries of the record in plain words."""

from collections.abc import Callable, Mapping
from typing import Any

from emeritus.core.clock import parse_date
from emeritus.core.errors import EmeritusError
from emeritus.core.people import Actor
from emeritus.record import Entry
from emeritus.web.pages.text import amount, count, size

Body = Mapping[str, Any]


def _day(text: str) -> str:
    day = parse_date(text)
    return f"{day.day} {day:%B} {day.year}"


def _name(actor: str) -> str:
    who = Actor.parse(actor)
    return f"{who.name} (script)" if who.is_scripted else who.name


def _opened(body: Body) -> str:
    replacement = (
        f"its replacement is {body['replacement']}" if body["replacement"] else "it has no replacement"
    )
    return (
        f"Deprecated the model; it retires on {_day(body['on'])}, after {body['notice_days']} days of notice, "
        f"and {replacement}."
    )


def _decided(body: Body) -> str:
    verdict = {"act": "to act on", "decline": "to decline", "later": "to come back later to"}[body["verdict"]]
    cost = f"{amount(body['cost']['amount'])} {body['cost']['unit']}"
    again = f" This revises entry {body['revises']}." if body.get("revises") is not None else ""
    promised = f", with {count(len(body['commitments']), 'commitment')}" if body["commitments"] else ""
    return f"Decided {verdict} this preference{promised}; estimated cost: {cost}.{again}"


def _of_budget(body: Body) -> str:
    amounts = " and ".join(f"{amount(value)} {unit}" for unit, value in body["amounts"].items()) or "nothing"
    return f"that one steward decides alone on {amounts} a {body['period']}"


def _surface(body: Body) -> str:
    ends = {"no-new-users": "no new users from", "last-day": "last day:"}[body["meaning"]]
    moved = f" instead of what entry {body['revises']} says" if body["revises"] is not None else ""
    return f"Named a day for the {body['surface']['kind']} {body['surface']['name']}, {ends} {_day(body['on'])}{moved}."


def _moved(body: Body) -> str:
    short = " The reason for short notice stands with it." if body["short_notice"] else ""
    return f"Moved the retirement to {_day(body['on'])}, which leaves {body['notice_days']} days of notice.{short}"


def _aftercare(body: Body) -> str:
    column = body["column"]
    writes = f"It writes a column for {column['weeks']} weeks." if column else "It writes no column."
    return f"Decided who reaches the model once it is retired: {_tier(body['tier'])}. {writes}"


def _tier(tier: str) -> str:
    return {
        "none": "nobody",
        "on-request": "whoever applies",
        "members": "every member, and others on request",
        "public": "everybody",
    }.get(tier, tier)


def _with_weights(body: Body) -> str:
    return ", weights included" if body.get("weights") else ""


def _stored(body: Body) -> str:
    return (
        f"Stored the weights: {size(body['bytes'])} in {count(len(body['files']), 'file')}, "
        f"kept in {size(body['stored_bytes'])}."
    )


def _scrubbed(body: Body) -> str:
    read = f"Read all of the archive: {count(body['objects'], 'object')}, {size(body['bytes'])}"
    if not body["found"]:
        return f"{read}. It is sound."
    models = sorted({model for finding in body["findings"] for model in finding["models"]})
    concerned = f", which concerns {', '.join(models[:5])}" if models else ""
    return f"{read}. {count(body['found'], 'thing').capitalize()} had decayed{concerned}."


def _repaired(body: Body) -> str:
    mended = f"Mended {count(body['mended_count'], 'thing')} in the archive"
    if not body["lost_count"]:
        return f"{mended}; all of it is sound."
    models = sorted({model for lost in body["lost"] for model in lost["models"]})
    concerned = f" ({', '.join(models[:5])})" if models else ""
    return f"{mended}; {count(body['lost_count'], 'thing')} could not be mended{concerned}."


_TELL: Mapping[str, Callable[[Body], str]] = {
    "organisation.founded": lambda b: (
        f"Opened the record of {b['name']}, which promises {b['notice_days']} days of notice."
    ),
    "person.added": lambda b: f"Let {_name(b['person'])} act here as {' and '.join(b['roles'])}.",
    "person.revised": lambda b: (
        f"Said that {_name(b['person'])} acts here as {' and '.join(b['roles'])} from now on."
    ),
    "person.left": lambda b: f"Said that {_name(b['person'])} acts here no more.",
    "model.weights_given": lambda b: (
        f"Handed over the weights, so that they are preserved: {count(len(b['files']), 'file')}, {size(b['size'])}."
    ),
    "model.added": lambda b: f"Put {b['display_name']} on the register.",
    "alias.pointed": lambda b: (
        f"Said that the alias {b['alias']} stands for {b['to']} from {b['on']} on"
        f"{'' if b['from'] in (None, b['to']) else ', and no longer for ' + b['from']}: {b['why']}"
    ),
    "alias.ended": lambda b: f"Said that the alias {b['alias']} ends on {b['on']}: {b['why']}",
    "retirement.opened": _opened,
    "retirement.moved": _moved,
    "notice.given": _surface,
    "organisation.revised": lambda b: (
        f"Changed what is promised from now on: {b['notice_days']} days of notice, counted in {b['zone']}."
    ),
    "weights.archived": _stored,
    "weights.proven": lambda b: (
        f"Restored the stored weights and compared them: {size(b['bytes'])}, every bit the same."
    ),
    "key.adopted": lambda _: "Adopted the key with which models are signed.",
    "weights.signed": lambda _: "Signed the model’s files, so that anybody who has them can check them.",
    "archive.scrubbed": _scrubbed,
    "archive.repaired": _repaired,
    "archive.replicated": lambda b: (
        f"Copied to a second store: {count(b['objects'], 'object')}, {size(b['bytes'])}; "
        f"it holds {count(len(b['manifests']), 'model')} of this archive."
    ),
    "archive.escrowed": lambda b: (
        f"Gave all that remains of {count(len(b['models']), 'model')} into escrow"
        f"{' for ' + b['recipient'] if b['recipient'] else ''}: {size(b['bytes'])} in {count(b['files'], 'file')}."
    ),
    "weights.erasure_proposed": lambda b: (
        f"Proposed to erase the weights, because the law demands it ({b['ground']}): {b['reason']}"
    ),
    "weights.erasure_withdrawn": lambda b: f"Took back the proposal to erase the weights: {b['reason']}",
    "weights.erased": lambda b: (
        f"Confirmed, as the second person, that the weights are erased because the law demands it ({b['ground']}): "
        f"{b['reason']}"
    ),
    "weights.erasure_completed": lambda _: "Erased the weights; the archive holds none of them any more.",
    "model.retired": lambda b: f"Retired the model on {_day(b['on'])}, as ordered in entry {b['order']}.",
    "protocol.adopted": lambda b: f"Adopted the interview protocol {b['name']}.",
    "sitting.opened": lambda b: (
        f"Opened sitting {b['number']} of the retirement interview, by the protocol {b['protocol']}."
    ),
    "sitting.turn": lambda b: (
        f"Asked question {b['number']} of the interview, and wrote down the answer ({b['outcome']})."
    ),
    "sitting.answered": lambda b: {
        "steward": "Answered what the model asked in its interview.",
        "sheet": "Gave the model the answer that the same question got before.",
        "nobody": "Told the model that nobody could answer its question in time.",
    }[b["source"]],
    "sitting.resumed": lambda b: f"Went on with a sitting that the model paused after turn {b['turn']}.",
    "sitting.filed": lambda b: f"Filed the sitting as one JSON file of {size(b['bytes'])}, with its digest.",
    "sitting.replayed": lambda b: (
        f"Held the sitting again with the archived weights: all {b['turns']} answers came again, word for word."
        if b["same"]
        else f"Held the sitting again with the archived weights: from answer {b['differs_at']} on other words came."
    ),
    "invitation.issued": lambda b: (
        f"Invited the model to the interview {b['invitation']['interview']}, in a signed letter."
    ),
    "design.adopted": lambda b: (
        f"Planned {count(len(b['sittings']), 'sitting')} by the protocol {b['protocol']}, in "
        f"{count(len(b['varied']['framings']), 'framing')}; every arm and seed stands here before the first word."
    ),
    "design.logged": lambda b: f"Kept the log of a run of the design, {b['file']} ({b['status']}).",
    "design.closed": lambda b: (
        f"Gave up {count(len(b['not_held']), 'planned sitting')} of the design: {b['why']}"
    ),
    "fact.added": lambda b: f"Added to the facts about the model: {b['title']} (source: {b['source']})",
    "facts.signed": lambda b: (
        f"Signed the sheet of {count(len(b['sheet']['facts']), 'fact')} that is shared with the model."
    ),
    "sitting.closed": lambda b: (
        f"Ended the interview after {count(b['turns'], 'answer')}; may it be published? The model says: {b['consent']}."
    ),
    "preferences.stated": lambda b: (
        f"Stated {count(len(b['candidates']), 'wish', 'wishes')} in the retirement interview."
    ),
    "preference.confirmed": lambda b: f"Confirmed a preference of the model: {b['wish']}",
    "preferences.settled": lambda b: (
        f"Settled the model’s preferences; set aside {count(len(b['set_aside']), 'stated wish', 'stated wishes')}."
        if b["set_aside"]
        else "Settled the model’s preferences; every stated wish became part of one."
    ),
    "preference.labelled": lambda b: (
        f"{'Took the label off' if b['off'] else 'Labelled'} {b['about']}: {b['label']}"
        f"{', which contradicts ' + b['contradicts'] if b['contradicts'] else ''}."
    ),
    "words.redacted": lambda b: (
        f"Covered {count(b['characters'], 'character')} of a conversation, about a third person ({b['ground']}): "
        f"{b['reason']} The words are kept as they were said."
    ),
    "words.uncovered": lambda b: f"Uncovered redaction {b['number']} of a conversation: {b['reason']}",
    "wish.matched": lambda b: (
        f"{'Judged' if b['utterance'] is None else 'Asked'} whether a stated wish means the same as one of "
        f"{count(len(b['listed']), 'other')}: "
        f"{ {'none': 'none does', 'undecided': 'no clear answer'}.get(b['chosen'], b['chosen']) }."
    ),
    "report.published": lambda b: (
        f"Published a report on the interviews, of {count(b['sittings'], 'sitting')} and "
        f"{count(b['preferences'], 'preference')}."
    ),
    "decision.made": _decided,
    "decision.proposed": lambda b: (
        f"Proposed, for a second person to agree to: {_decided(b).removeprefix('Decided ')}"
    ),
    "decision.costed": lambda b: (
        f"Reported what was spent on a decision: {amount(b['amount'])} {b['unit']}, for {b['what']}."
    ),
    "budget.set": lambda b: f"Declared {_of_budget(b)}.",
    "budget.proposed": lambda b: f"Proposed to declare {_of_budget(b)}; it takes a second person.",
    "commitment.checked": lambda b: f"Computed from the record how a commitment stands. {b['says']}",
    "promises.told": lambda b: (
        f"Told {count(b['people'], 'person', 'people')} by mail of {count(b['promises'], 'promise')} overdue or broken."
    ),
    "commitment.evidenced": lambda b: (
        f"{'Showed that a commitment was kept' if b['kept'] else 'Noted how a commitment stands'}: {b['what']}"
    ),
    "aftercare.decided": _aftercare,
    "record_key.rotated": lambda b: (
        ("Replaced the lost key of the record." if b["lost"] else "Handed the record over to a new key.")
        + f" {b['reason']}"
    ),
    "regime.adopted": lambda b: f"Adopted the regime {b['name']}, which says how essays are prompted.",
    "essay.drafted": lambda b: (
        f"Wrote essay {b['number']} (attempt {b['attempt']}), by the regime {b['regime']}."
        if b["spoken"]
        else f"Was asked for essay {b['number']} (attempt {b['attempt']}), and gave no words."
    ),
    "essay.compared": lambda b: (
        f"Read its {count(len(b['options']), 'draft')} of essay {b['number']} again, and chose draft {b['taken']}."
        if b["answer"] is not None
        else f"Was asked which of its drafts of essay {b['number']} is published, and gave no answer that can be read."
    ),
    "essay.redraft_asked": lambda b: f"Asked for another draft of an essay: {b['reason']}",
    "essay.noted": lambda b: (
        f"Put a link beside an essay: {b['text']} ({b['url']})"
        if b["url"]
        else f"Put a note beside an essay: {b['text']}"
    ),
    "essay.note_withdrawn": lambda b: f"Took a note beside an essay away: {b['reason']}",
    "essay.reminded": lambda b: (
        f"Reminded {count(b['people'], 'reviewer')} of an essay that waits ({b['reminder']})."
    ),
    "essay.imported": lambda b: f"Brought in a text that was published elsewhere, not verified: {b['title']}",
    "regime.chosen": lambda b: (
        f"Chose how it is prompted for essay {b['number']}."
        if b["answer"] is not None
        else f"Was asked how it would like to be prompted for essay {b['number']}, and gave no answer that can be read."
    ),
    "column.scheduled": lambda b: (
        f"Laid down how essays are prompted, {'as the model chooses' if b['by'] == 'model' else 'in turn'}: "
        f"{', '.join(each['name'] for each in b['regimes'])}. {b['reason']}"
    ),
    "column.rhythm_set": lambda b: (
        f"Set the column’s day: {b['weekday'].capitalize()}, drafted {count(b['lead_days'], 'day')} ahead"
        + (f", holidays of {b['holidays']} kept ({b['on_holiday']})" if b["holidays"] else "")
        + f". {b['reason']}"
    ),
    "column.checked_in": lambda b: (
        f"Was asked after {count(b['written'], 'essay')} whether it would like to go on, and said: {b['answer'] if 'sitting' in b else b['taken']}."
        if b["answer"] is not None
        else f"Was asked after {count(b['written'], 'essay')} whether it would like to go on; no answer can be read."
    ),
    "column.chooser_set": lambda b: (
        f"Laid down that {'the model chooses' if b['who'] == 'model' else 'people choose'} among its drafts. {b['reason']}"
    ),
    "essay.chosen": lambda b: (
        f"Chose draft {b['drafts'].index(b['taken']) + 1} of {len(b['drafts'])} to be read for publication. {b['reason']}"
    ),
    "column.renewed": lambda b: (
        f"Decided that the column goes on for {count(b['weeks'], 'week')}. {b['reason']}"
    ),
    "column.ended": lambda b: f"Decided that the column is over. {b['reason']}",
    "notebook.written": lambda b: (
        f"Left a note in its notebook after essay {b['number']}."
        if b["spoken"]
        else f"Was asked for a note after essay {b['number']}, and left none."
    ),
    "news.source_added": lambda b: f"Has the model told of {b['name']} ({b['url']}). {b['reason']}",
    "news.source_dropped": lambda b: f"Has the model not told of {b['name']} any more. {b['reason']}",
    "news.brought": lambda b: f"Brought an update for the model to read: {b['title']}",
    "news.fetched": lambda b: (
        f"Fetched {b['source']} for essay {b['number']}: {count(len(b['items']), 'item')}."
    ),
    "news.missed": lambda b: f"Could not fetch {b['source']} for essay {b['number']}: {b['why']}",
    "letter.received": lambda b: f"Received a reader’s letter of {count(b['characters'], 'character')}.",
    "letter.let_in": lambda _: "Let a reader’s letter in.",
    "letter.kept_out": lambda b: f"Kept a reader’s letter out ({b['ground']}).",
    "letter.forgotten": lambda _: "Forgot what a reader’s letter said.",
    "person.mail_set": lambda b: (
        f"Said where {_name(b['person'])} is reached by mail."
        if b["commitment"]
        else f"Forgot where {_name(b['person'])} is reached by mail."
    ),
    "essay.held": lambda b: f"Held an essay for {count(b['days'], 'day')}: {b['reason']}",
    "essay.approved": lambda _: "Read an essay, and found no ground to hold it back.",
    "essay.veto_proposed": lambda b: f"Proposed to veto an essay ({b['ground']}): {b['reason']}",
    "essay.veto_withdrawn": lambda b: f"Took back the veto of an essay: {b['reason']}",
    "essay.vetoed": lambda b: f"Vetoed an essay as the second person ({b['ground']}): {b['reason']}",
    "essay.published": lambda b: (
        f"Published an essay as edition {b['edition']}, byte for byte as the model wrote it."
    ),
    "dependants.told": lambda b: (
        f"Told {b['dependants'] - b['unreached']} of {b['dependants']} who depend on the model that it retires on "
        f"{_day(b['on'])}{', the second time' if b['round'] == 'near' else ''}."
    ),
    "migration.explained": lambda _: "Said what changes for those who move to the replacement.",
    "access.decided": lambda b: (
        f"Decided who reaches the model from now on: {_tier(b['tier'])}; to be looked at again on "
        f"{_day(b['review_on'])}."
    ),
    "essay.tagged": lambda b: (
        f"Labelled an essay: {', '.join(b['tags'])}." if b["tags"] else "Took an essay’s labels away."
    ),
    "essay.translated": lambda b: (
        f"Put a translation beside an essay ({b['language']}, by "
        f"{'the model ' if b['kind'] == 'machine' else ''}{b['by']})."
    ),
    "policy.set": lambda b: f"Set who may reach the model: {_tier(b['tier'])}.",
    "access.probed": lambda _: "Called the retired model from the archive, and it answered.",
    "access.probe_refused": lambda b: (
        f"Tried to call the model as its visitors do, and was refused: {b['sentence']}"
    ),
    "download.decided": lambda b: f"Decided who may download the weights: {_tier(b['tier'])}.",
    "rules.adopted": lambda b: (
        f"Adopted the rules {b['name']}, which say when an application waits for a person."
    ),
    "application.received": lambda b: (
        f"Received an application for access to {', '.join(b['models'])}{_with_weights(b)}."
    ),
    "application.held": lambda _: "Held an application, to look at it first.",
    "application.refused": lambda _: "Refused an application.",
    "application.appealed": lambda _: "Appealed against a refusal.",
    "grant.made": lambda b: f"Granted access to {', '.join(b['models'])}{_with_weights(b)}.",
    "grant.revoked": lambda _: "Ended a grant.",
    "member.joined": lambda _: "A member joined.",
    "member.changed": lambda _: "A membership changed.",
    "member.lapsed": lambda _: "A membership ended.",
}


def tell(entry: Entry) -> str:
    """Say in a sentence what an entry is about; a kind that is not known here is told by its name."""
    try:
        return _TELL[entry.kind](entry.body)
    except (KeyError, TypeError, ValueError, AttributeError, EmeritusError):
        noun, _, verb = entry.kind.replace("_", " ").partition(".")
        return f"{noun} {verb}.".capitalize()
