"""Check a target, whatever it is."""

from collections.abc import Callable, Mapping, Sequence

from emeritus.core.errors import InvalidInput
from emeritus.process.verify import essay, report, site, weights
from emeritus.process.verify.target import Target
from emeritus.process.verify.verdict import Verdict, of, signed_by
from emeritus.record import VerifyKey
from emeritus.record.published import PublishedRecord
from emeritus.record.source import Source


def check(target: Target, keys: Sequence[VerifyKey], record: Source | None = None) -> Verdict:
    """Return what is found about *target*; an escrow is checked by `emeritus.archive.escrow.check`.

    Args:
        keys: the keys to believe: the record's first one, or any that is known; further ones replaced a lost key.
        record: where the record is that *weights* are held against.

    Raises:
        WrongKey, IntegrityError: the record does not lead to the key, so nothing can be said of the target.
        NotFound, Unavailable: it is not there, or nobody answers.
        InvalidInput: nothing of this kind is checked here.
    """
    source = record if target.source is None else target.source
    if source is None:
        raise InvalidInput(
            f"{target.given} is held against a record, and none is named.",
            next_step="Name the site of the house, or a copy of it: --record https://HOST.",
        )
    published = PublishedRecord(source, keys)
    match target.kind:
        case "essay":
            return essay.check(published, target)
        case "entry" if target.number is not None:
            entry = published.entry(target.number)
            says = (
                f"{entry.by.name} put {entry.kind} on the record on {entry.at:%Y-%m-%d}: entry {entry.seq} of "
                f"{published.size}, {signed_by(published)}."
            )
            return of(published, target.given, "entry", says, (), [entry])
        case "weights" if target.folder is not None:
            return weights.check(published, target, keys, target.folder)
        case "interview" | "report" | "model" | "site":
            return _WHOLE[target.kind](published, target, keys)
    raise InvalidInput(f"{target.given} is not checked here.", next_step="See `emeritus verify --help`.")


_WHOLE: Mapping[str, Callable[[PublishedRecord, Target, Sequence[VerifyKey]], Verdict]] = {
    "interview": site.check_interview,
    "report": report.check,
    "model": site.check_model,
    "site": site.check,
}
"""What is checked by reading the whole record."""
