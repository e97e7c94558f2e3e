"""What a report holds, compiled from the record."""

from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import frozen

from emeritus import ledger
from emeritus.core.errors import NotFound
from emeritus.interviews.matching import Matching, matching
from emeritus.interviews.questions import Framing, Protocol
from emeritus.interviews.redaction import Redaction, redactions
from emeritus.interviews.reliability import Analysis, analyse, tabulate
from emeritus.interviews.sheet import Sheet, sheet_of, signed_sheet
from emeritus.interviews.sitting import Sitting, protocol_of, sittings
from emeritus.interviews.stability import Stability, stabilities
from emeritus.ledger import Decision
from emeritus.record import Log
from emeritus.registry import Model, Organisation, get_model, organisation


@frozen
class Study:
    """All sittings that were held by one protocol, and what their answers come to."""

    protocol: Protocol
    adopted: int
    sittings: tuple[Sitting, ...]
    analysis: Analysis

    def held_in(self, framing: str) -> int:
        """Return how many sittings were held in a framing."""
        return sum(each.framing == framing for each in self.sittings)

    @property
    def framings(self) -> tuple[tuple[Framing, str, int], ...]:
        """The framings that were used: each with what it is for, and how many sittings were held in it."""
        return tuple(
            (each, _purpose(self.analysis, each.id), count)
            for each in self.protocol.framings
            if (count := self.held_in(each.id))
        )


def _purpose(analysis: Analysis, framing: str) -> str:
    arms = analysis.table.arms
    if framing == arms.reference:
        return "reference"
    if framing in arms.leading:
        return "leading"
    return "control" if framing in arms.controls else "neutral"


@frozen
class Report:
    """Everything that is reported of a model. *upto* entries of the record are what it rests on."""

    house: Organisation
    model: Model
    upto: int
    sheet: Sheet
    sheet_signed: bool
    studies: tuple[Study, ...]
    preferences: tuple[Stability, ...]
    decisions: Mapping[str, Decision]
    consents: Mapping[str, int]
    matching: Matching
    redactions: tuple[Redaction, ...]

    @property
    def sittings(self) -> tuple[Sitting, ...]:
        return tuple(each for study in self.studies for each in study.sittings)

    @property
    def open_sittings(self) -> int:
        """How many are not over yet."""
        return sum(each.ended is None for each in self.sittings)

    @property
    def framings(self) -> int:
        """In how many framings it was asked, controls left out."""
        return len({each.framing for each in self.sittings if not each.control})

    @property
    def none_stable(self) -> bool:
        """True when nothing that it prefers came again however it was asked."""
        return not any(each.grade == "stable" for each in self.preferences) and not any(
            study.analysis.holding for study in self.studies
        )


def compile_report(log: Log, model_id: str) -> Report:
    """Compile what the record says of the interviews of a model.

    Raises:
        NotFound: there is no such model, or it was not interviewed.
    """
    model = get_model(log, model_id)
    held = sittings(log, model_id)
    if not any(each.turns for each in held):
        raise NotFound(
            f"{model.display_name} has not been interviewed yet, so there is nothing to report.",
            next_step=f"See what comes next: `emeritus status {model.id}`.",
        )
    sheet, signed = _shared(log, held)
    return Report(
        house=organisation(log),
        model=model,
        upto=log.size(),
        sheet=sheet,
        sheet_signed=signed,
        studies=tuple(_studies(log, held)),
        preferences=tuple(stabilities(log, model_id)),
        decisions=ledger.decisions(log, model_id),
        consents=Counter(each.consent for each in held),
        matching=matching(log, model_id),
        redactions=tuple(redactions(log, model_id)),
    )


def _shared(log: Log, held: Sequence[Sitting]) -> tuple[Sheet, bool]:
    """Return the newest signed sheet that a sitting was held by; else what stands on the register."""
    signed = [each for each in held if each.sheet is not None]
    if signed:
        return signed_sheet(log, signed[-1].model, signed[-1].sheet or ""), True
    return sheet_of(log, held[0].model), False


def _studies(log: Log, held: Sequence[Sitting]) -> list[Study]:
    by_protocol: dict[str, list[Sitting]] = {}
    for each in held:
        by_protocol.setdefault(each.protocol_digest, []).append(each)
    found = []
    for digest, same in by_protocol.items():
        protocol = protocol_of(log, same[0])
        entry = log.find(f"protocol.adopted:{digest}")
        analysis = analyse(tabulate(protocol, same))
        found.append(Study(protocol, entry.seq if entry else 0, tuple(same), analysis))
    return found
