"""A sitting as one file: plain JSON in canonical form, readable without any of this software.

The format is documented in docs/reference/sitting-format.md.
"""

import json
from typing import Any

from attrs import asdict, frozen

from emeritus.core.clock import instant
from emeritus.core.digests import canonical, sha256
from emeritus.core.speech import Utterances
from emeritus.interviews.sitting import KINDS, Reply, TurnRecord, get_sitting, protocol_of
from emeritus.record import Log
from emeritus.registry import organisation

FORMAT = "emeritus-sitting/2"


@frozen
class Export:
    """The file's bytes (RFC 8785) and their digest."""

    data: bytes
    digest: str


def export_sitting(log: Log, utterances: Utterances, sitting_id: str) -> Export:
    """Return the whole sitting. The same sitting always gives the same bytes.

    Raises:
        NotFound: there is no such sitting; words of it are lost.
        IntegrityError: words of it were altered.
    """
    sitting = get_sitting(log, sitting_id)
    protocol = protocol_of(log, sitting)
    entries = log.entries(model=sitting.model, subject=sitting.id, kinds=KINDS)
    data = canonical(
        {
            "format": FORMAT,
            "organisation": organisation(log).name,
            "sitting": sitting.id,
            "model": sitting.model,
            "number": sitting.number,
            "purpose": sitting.purpose,
            "design": sitting.design,
            "arm": asdict(sitting.arm),
            "control": sitting.control,
            "seed": sitting.seed,
            "speaking": None if sitting.speaking is None else asdict(sitting.speaking),
            "steward": str(sitting.steward),
            "interviewer": sitting.interviewer,
            "sheet": sitting.sheet,
            "patience": sitting.patience,
            "opened_at": instant(sitting.opened_at),
            "closed_at": None if sitting.closed_at is None else instant(sitting.closed_at),
            "ended": sitting.ended,
            "consent": sitting.consent,
            "protocol": {
                "name": protocol.name,
                "version": protocol.version,
                "digest": protocol.digest,
                "text": protocol.data.decode(),
            },
            "opening": sitting.opening,
            "values": dict(sitting.values),
            "left_out": [asdict(each) for each in sitting.left_out],
            "replies": [_reply(reply) for reply in sitting.replies],
            "resumed": sorted(sitting.resumed),
            "exchanges": [_exchange(utterances, turn) for turn in sitting.turns],
            "record": [{"seq": entry.seq, "leaf": entry.leaf.hex()} for entry in entries],
        }
    )
    return Export(data, sha256(data))


def _reply(reply: Reply) -> dict[str, Any]:
    told = asdict(reply, filter=lambda field, _: field.name != "at")
    return {**told, "facts": list(reply.facts), "by": str(reply.by), "at": instant(reply.at)}


def _exchange(utterances: Utterances, turn: TurnRecord) -> dict[str, Any]:
    words = utterances.get(turn.utterance)
    return {
        "number": turn.number,
        "section": turn.section,
        "question": turn.question,
        "kind": turn.kind,
        "wording": turn.wording,
        "attempt": turn.attempt,
        "options": list(turn.options),
        "shared": turn.shared,
        "asked": turn.asked,
        "outcome": turn.outcome,
        "choice": turn.answer,
        "aside": turn.aside,
        "cache": turn.cache,
        "wishes": [dict(each) for each in turn.wishes],
        "left_out": [asdict(each) for each in turn.left_out],
        "utterance": {"id": words.id, **json.loads(words.canonical())},
    }
