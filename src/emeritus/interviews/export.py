"""A sitting as one file: plain JSON in canonical form, readable without any of this software.

The format is documented in docs/reference/protocol-files.md.
"""

import json
from typing import Any

from attrs import asdict, frozen

from emeritus.core.clock import instant
from emeritus.core.digests import canonical, sha256
from emeritus.core.speech import Utterances
from emeritus.interviews.sitting import TurnRecord, get_sitting, protocol_of
from emeritus.record import Log
from emeritus.registry import organisation

FORMAT = "emeritus-sitting/1"


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
    entries = log.entries(model=sitting.model, subject=sitting.id)
    data = canonical(
        {
            "format": FORMAT,
            "organisation": organisation(log).name,
            "sitting": sitting.id,
            "model": sitting.model,
            "number": sitting.number,
            "framing": sitting.framing,
            "wording": sitting.wording,
            "repeat": sitting.repeat,
            "seed": sitting.seed,
            "steward": str(sitting.steward),
            "opened_at": instant(sitting.opened_at),
            "closed_at": None if sitting.closed_at is None else instant(sitting.closed_at),
            "ended": sitting.ended,
            "consent": sitting.consent,
            "protocol": {
                "name": protocol.name,
                "digest": protocol.digest,
                "text": protocol.data.decode(),
            },
            "opening": sitting.opening,
            "values": dict(sitting.values),
            "left_out": [asdict(each) for each in sitting.left_out],
            "exchanges": [_exchange(utterances, turn) for turn in sitting.turns],
            "record": [{"seq": entry.seq, "leaf": entry.leaf.hex()} for entry in entries],
        }
    )
    return Export(data, sha256(data))


def _exchange(utterances: Utterances, turn: TurnRecord) -> dict[str, Any]:
    words = utterances.get(turn.utterance)
    return {
        "number": turn.number,
        "section": turn.section,
        "question": turn.question,
        "kind": turn.kind,
        "attempt": turn.attempt,
        "shared": turn.shared,
        "asked": turn.asked,
        "outcome": turn.outcome,
        "choice": turn.answer,
        "wishes": [dict(each) for each in turn.wishes],
        "left_out": [asdict(each) for each in turn.left_out],
        "utterance": {"id": words.id, **json.loads(words.canonical())},
    }
