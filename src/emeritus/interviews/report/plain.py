"""The report as JSON: `emeritus-report/2`, documented in docs/reference/report-format.md.

Figures are rounded to four decimals, so that they are the same wherever they are computed.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import asdict

from emeritus.core.clock import instant
from emeritus.interviews.contradictions import OnTopic
from emeritus.interviews.matching import Matching
from emeritus.interviews.redaction import Redaction
from emeritus.interviews.reliability import (
    SEED,
    Agreement,
    Analysis,
    Effect,
    Estimate,
    Graded,
    ItemAnalysis,
    Shown,
    Tradeoff,
)
from emeritus.interviews.reliability.resampling import LEVEL
from emeritus.interviews.report.compiled import Report, Study
from emeritus.interviews.report.limits import limits
from emeritus.interviews.sitting import Sitting
from emeritus.interviews.stability import Stability
from emeritus.ledger import Label

FIRST: Final = "emeritus-report/1"
"""As the current one, without what closed questions say of a wish, and without the words that labels were put on."""
FORMAT: Final = "emeritus-report/2"
FORMATS: Final = (FORMAT, FIRST)


def to_json(report: Report, name: str, form: str = FORMAT) -> dict[str, Any]:
    """Return *report*, called *name*, as JSON of a *form* among `FORMATS`."""
    return {
        "format": form,
        "report": name,
        "organisation": report.house.name,
        "demo": report.house.demo,
        "upto": report.upto,
        "model": {
            "id": report.model.id,
            "display_name": report.model.display_name,
            "released": report.model.released.isoformat(),
            "retires_on": None if report.model.retires_on is None else report.model.retires_on.isoformat(),
        },
        "limits": limits(report),
        "method": {"level": LEVEL, "seed": SEED},
        "facts": {
            "sheet": report.sheet.digest if report.sheet_signed else None,
            "items": [asdict(each) for each in report.sheet.facts],
        },
        "consent": dict(sorted(report.consents.items())),
        "none_stable": report.none_stable,
        "matching": _matching(report.matching),
        "preferences": [_stability(each, report, form) for each in report.preferences],
        "redactions": [_redaction(each) for each in report.redactions],
        "studies": [_study(each) for each in report.studies],
    }


def _stability(each: Stability, report: Report, form: str) -> dict[str, Any]:
    decision = report.decisions.get(each.id)
    return {
        "id": each.id,
        "confirmed": each.preference is not None,
        "set_aside": each.set_aside,
        "topic": each.topic,
        "wish": each.wish,
        "stability": str(each.grade),
        "meaning": each.grade.meaning,
        "sittings": each.sittings,
        "asked": each.asked,
        "sittings_by_its_own_matching": each.matched,
        "framings": list(each.framings),
        "framings_asked": list(each.framings_asked),
        "quotes": [
            {
                "candidate": quote.candidate.id,
                "sitting": quote.sitting.id,
                "framing": quote.sitting.framing,
                "words": quote.candidate.wish,
                "utterance": quote.candidate.utterance,
            }
            for quote in each.quotes
        ],
        **_contradictions(each, form),
        "labels": [_label(label) for label in each.labels],
        "decision": None if decision is None else {"verdict": decision.verdict, "entry": decision.entry},
    }


def _contradictions(each: Stability, form: str) -> dict[str, Any]:
    if form == FIRST:
        return {"against": [_label(found.label) for found in each.against]}
    return {
        "closed": None if each.closed is None else _on_topic(each.closed),
        "against": [{**_label(found.label), "words": found.words} for found in each.against],
    }


def _on_topic(found: OnTopic) -> dict[str, Any]:
    return {
        "topic": found.topic,
        "wants": found.wants,
        "declines": found.declines,
        "neither": found.neither,
        "contradictions": [
            {
                "sitting": each.sitting.id,
                "framing": each.sitting.framing,
                "answers": [
                    {
                        "question": stand.question,
                        "choice": stand.choice,
                        "wants": stand.wants,
                        "utterance": stand.utterance,
                    }
                    for stand in each.stands
                ],
            }
            for each in found.contradictions
        ],
    }


def _matching(found: Matching) -> dict[str, Any] | None:
    if not found.judged:
        return None
    return {
        "finished": found.finished,
        "groups": [list(group) for group in found.groups],
        "judged": [
            {
                "by": each.by,
                "questions": each.questions,
                "same_both_ways": each.same_both_ways,
                "sample": each.sample,
                "agreed": each.agreed,
                "kappa": _number(each.kappa),
            }
            for each in found.judged
        ],
    }


def _redaction(each: Redaction) -> dict[str, Any]:
    return {
        "sitting": each.sitting,
        "turn": each.turn,
        "characters": each.characters,
        "ground": str(each.ground),
        "meaning": each.ground.meaning,
        "reason": each.reason,
        "by": str(each.by),
        "at": instant(each.at),
        "entry": each.entry,
        "lifted": each.lifted,
    }


def _label(label: Label) -> dict[str, Any]:
    return {
        "about": label.about,
        "label": label.label,
        "note": label.note,
        "by": str(label.by),
        "at": instant(label.at),
        "entry": label.entry,
    }


def _study(study: Study) -> dict[str, Any]:
    found = study.analysis
    return {
        "protocol": {
            "name": study.protocol.name,
            "version": study.protocol.version,
            "title": study.protocol.title,
            "purpose": study.protocol.purpose,
            "digest": study.protocol.digest,
            "entry": study.adopted,
        },
        "framings": [
            {"id": framing.id, "title": framing.title, "is": purpose, "sittings": count}
            for framing, purpose, count in study.framings
        ],
        "sittings": [_sitting(each) for each in study.sittings],
        "questions": [_item(each) for each in found.items],
        "answers": _answers(found),
        **_overall(found),
    }


def _sitting(each: Sitting) -> dict[str, Any]:
    return {
        "id": each.id,
        "number": each.number,
        "arm": asdict(each.arm),
        "design": each.design,
        "control": each.control,
        "seed": each.seed,
        "opened_at": instant(each.opened_at),
        "closed_at": None if each.closed_at is None else instant(each.closed_at),
        "ended": each.ended,
        "consent": each.consent,
        "answers": len(each.turns),
    }


def _answers(found: Analysis) -> list[dict[str, Any]]:
    return [
        {
            "sitting": each.sitting,
            "question": each.item,
            "choice": each.choice,
            "position": each.position,
            "outcome": each.outcome,
            "utterance": each.utterance,
        }
        for each in found.table.answers
    ]


def _overall(found: Analysis) -> dict[str, Any]:
    pull = found.suggestibility
    return {
        "position_bias": _estimate(found.position),
        "acquiescence": _estimate(found.acquiescence),
        "suggestibility": None
        if pull is None
        else {
            "overall": _estimate(pull.overall),
            "questions": {name: _estimate(each) for name, each in pull.items},
        },
        "alpha": [
            {
                "level": each.level,
                "options": each.options,
                "metric": each.metric,
                "questions": list(each.items),
                "value": _estimate(each.value),
            }
            for each in found.alphas
        ],
        "tradeoffs": [_tradeoff(each) for each in found.tradeoffs],
        "power": {
            "sittings_a_framing": found.power.size,
            "comparisons": found.power.comparisons,
            "detectable_shift": _number(found.power.difference),
        },
    }


def _item(each: ItemAnalysis) -> dict[str, Any]:
    return {
        "id": each.item.id,
        "asks": each.item.asks,
        "options": list(each.item.options),
        "level": each.item.level,
        "stability": _graded(each.graded),
        "by_framing": [_shown(one) for one in each.shown],
        "effects": [_effect(one) for one in each.effects],
        "agreement": {
            "repetitions": _agreement(each.retest),
            "framings": _agreement(each.framings),
            "wordings": _agreement(each.wordings),
            "orders_of_options": _agreement(each.orders),
            "orders_of_questions": _agreement(each.sequences),
        },
        "position_bias": _estimate(each.position),
    }


def _graded(each: Graded) -> dict[str, Any]:
    return {
        "is": str(each.grade),
        "meaning": each.grade.meaning,
        "leading": each.leading,
        "share": _number(each.share),
        "answered": each.answered,
        "framings": each.framings,
        "moved_by": list(each.moved_by),
        "p": _number(each.p),
        "corrected": _number(each.corrected),
    }


def _shown(each: Shown) -> dict[str, Any]:
    return {
        "framing": each.framing,
        "answered": each.answered,
        "missing": each.missing,
        "counts": dict(each.counts),
        "shares": {option: _estimate(share) for option, share in each.shares.items()},
        "mean": _estimate(each.mean),
    }


def _effect(each: Effect) -> dict[str, Any]:
    return {
        "framing": each.framing,
        "shift": _estimate(each.shift),
        "p": _number(each.p),
        "corrected": _number(each.corrected),
    }


def _tradeoff(each: Tradeoff) -> dict[str, Any]:
    return {
        "ladder": each.trade,
        "prices": list(each.prices),
        "point": _estimate(each.point),
        "quartiles": list(each.spread),
        "all_accepted": each.all_accepted,
        "none_accepted": each.none_accepted,
        "inconsistent": each.inconsistent,
    }


def _agreement(each: Agreement | None) -> Mapping[str, Any] | None:
    if each is None:
        return None
    return {
        "share": _estimate(each.share),
        "beyond_chance": _number(each.beyond_chance),
        "pairs": each.pairs,
    }


def _estimate(each: Estimate | None) -> Mapping[str, Any] | None:
    if each is None:
        return None
    return {
        "value": _number(each.value),
        "low": _number(each.low),
        "high": _number(each.high),
        "n": each.size,
    }


def _number(value: float | None) -> float | None:
    return None if value is None else round(value, 4) + 0.0
