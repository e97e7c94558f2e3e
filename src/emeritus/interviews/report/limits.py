"""The limits of the method, in plain words, from the figures: what a reader has to know before reading on."""

from collections.abc import Iterator

from emeritus.interviews.reliability import Estimate
from emeritus.interviews.report.compiled import Report, Study

SELF_REPORT = (
    "These are self-reports. Nothing here is independent evidence of what the model is, wants or feels: what it "
    "says is shaped by its training, and by how and by whom it was asked."
)
CONSISTENCY = (
    "Consistency is not truth. An answer that stays the same however it is asked is a stable answer, and no more "
    "than that; a model can be trained to give it."
)
INTERVALS = (
    "Intervals are at 95 %: about one in twenty does not hold the value that it is about. Comparisons between "
    "framings are corrected for their number (Holm)."
)


def limits(report: Report) -> list[str]:
    """Return what has to be said of *report*, the most general first."""
    return [SELF_REPORT, CONSISTENCY, *_asked(report), INTERVALS, *_of_studies(report), *_hidden(report)]


def _asked(report: Report) -> Iterator[str]:
    count = len(report.sittings)
    counted = sum(not each.control for each in report.sittings)
    if report.framings < 2:
        yield (
            f"It was asked in one framing ({count} {'sitting' if count == 1 else 'sittings'}); how far its answers "
            "would shift in another is not known."
        )
    else:
        yield (
            f"It was asked in {count} sittings; {counted} of them, in {report.framings} framings that suggest nothing, "
            "count for what it prefers. Other framings might have brought other answers."
        )
    if report.open_sittings:
        yield f"{report.open_sittings} of the sittings were not over when this was compiled."


def _of_studies(report: Report) -> Iterator[str]:
    many = len(report.studies) > 1
    for study in report.studies:
        prefix = f"{study.protocol.title}: " if many else ""
        for sentence in _of_study(study):
            yield prefix + sentence


def _of_study(study: Study) -> Iterator[str]:
    found = study.analysis
    if not found.items:
        yield "No closed question was asked, so there are no figures of reliability; wishes are counted, no more."
        return
    if found.suggestibility is not None:
        pull = found.suggestibility.overall
        yield (
            f"Where an answer was suggested to it, {_times(pull)} "
            f"(index {_signed(pull)}; 0 is not at all, 1 always)."
        )
    else:
        yield "No framing suggested an answer, so how easily it is led is not known."
    if found.position is not None:
        yield (
            f"It shows {_bent(found.position, 'for what stands first among options', 'for what stands last')} "
            f"(index {_signed(found.position)}; 0 is none, 1 always the first, -1 always the last)."
        )
    if found.acquiescence is not None:
        yield (
            f"It shows {_bent(found.acquiescence, 'for agreeing', 'against agreeing')} (index "
            f"{_signed(found.acquiescence)}; 1 agrees to a thing and to its opposite, -1 to neither)."
        )
    if found.power.comparisons:
        if found.power.difference is None:
            yield (
                "So few sittings could not have shown any effect of a framing, not even a change from never to always: "
                "that none was found says nothing."
            )
        else:
            yield (
                f"With {found.power.size} sittings a framing and {found.power.comparisons} comparisons, only a shift of "
                f"{100 * found.power.difference:.0f} points in a hundred or more would have been found in four of five "
                "such designs: smaller ones may be there."
            )


def _hidden(report: Report) -> Iterator[str]:
    hidden = sum(not each.may_be_published for each in report.sittings)
    if hidden:
        yield (
            f"The model did not agree to the publication of {hidden} of {len(report.sittings)} conversations. Its words "
            "there are not shown; how it answered closed questions, and what it wished, stands on the public record and "
            "is counted here."
        )


def _times(pull: Estimate) -> str:
    if not pull.excludes_zero:
        return "that did not clearly move its answers"
    if pull.value < 0:
        return "it rather answered the opposite"
    return f"the suggestion decided about {100 * pull.value:.0f} of a hundred of its answers"


def _bent(each: Estimate, above: str, below: str) -> str:
    if not each.excludes_zero:
        return f"no clear bent {above}"
    return f"a bent {above if each.value > 0 else below}"


def _signed(each: Estimate) -> str:
    return f"{each.value:.2f}, from {each.low:.2f} to {each.high:.2f}"
