"""What there is to read for an essay, by the kinds of parts that a regime may have."""

from collections.abc import Mapping, Sequence

from emeritus.column.context import Item, Kind
from emeritus.column.essay import essays
from emeritus.column.letters import letters_to_read
from emeritus.column.news import news_to_read
from emeritus.column.notebook import notes_to_read
from emeritus.column.regime import Regime
from emeritus.core.speech import Utterances
from emeritus.record import Log
from emeritus.record.documents import Documents
from emeritus.record.private import Private


def materials(
    log: Log,
    utterances: Utterances,
    documents: Documents,
    private: Private,
    *,
    model: str,
    number: int,
    regime: Regime,
) -> Mapping[Kind, Sequence[Item]]:
    """Return what *regime* may put before the model for essay *number*, the most wanted of each kind first.

    Only what everybody may read is among it: a prompt becomes public with its essay.
    """
    found: dict[Kind, Sequence[Item]] = {}
    if regime.reads("essays"):
        found["essays"] = past_essays(log, utterances, model)
    if regime.reads("news"):
        found["news"] = news_to_read(log, documents, model, number)
    if regime.reads("letters"):
        found["letters"] = letters_to_read(log, private, model, number)
    if regime.reads("notebook"):
        found["notebook"] = notes_to_read(log, utterances, model)
    return found


def past_essays(log: Log, utterances: Utterances, model: str) -> list[Item]:
    """Return the published essays of a model, the newest first."""
    return [
        Item(each.id, f"essay {each.number}", each.text, each.edition.at, each.edition.entry)
        for each in reversed(essays(log, utterances, model))
        if each.edition is not None
    ]
