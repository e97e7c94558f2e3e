"""Tell: everybody who depends on a model that leaves gets a notice, when it is announced and near the last day.

On the record stand counts, and for each who was told a salted commitment to how; never who they are.
"""

from collections.abc import Iterator
from typing import Any, Literal

from attrs import frozen

from emeritus.access import members, webhooks
from emeritus.access.dependants import Dependant, Dependants, dependants
from emeritus.access.policy import Policy
from emeritus.access.standing import standing
from emeritus.core.clock import instant
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.core.people import SOFTWARE
from emeritus.ledger import aftercare
from emeritus.process import applying, letters
from emeritus.process.plan import plan
from emeritus.process.ports import AccessWork, Letter, Parts
from emeritus.process.stages import TELL, TELL_AGAIN
from emeritus.record import Act
from emeritus.registry import Model, get_model, organisation
from emeritus.registry.migration import Changes, changes

Round = Literal["announced", "near"]
EVENTS = {"announced": "model.retirement_announced", "near": "model.retirement_near"}
MOST_IN_AN_ENTRY = 5000


@frozen
class Ways:
    """How a dependant is reached: a mail address, an address that takes messages, both, or neither."""

    mail: str | None
    webhook: str | None


def stride(parts: Parts, model_id: str) -> bool:
    """Tell all who depend on the model, once for each day that is named."""
    return _stride(parts, model_id, TELL, "announced")


def stride_again(parts: Parts, model_id: str) -> bool:
    """Tell them again, when the last day is near."""
    return _stride(parts, model_id, TELL_AGAIN, "near")


def _stride(parts: Parts, model_id: str, stage: str, round_: Round) -> bool:
    with parts.work() as work:
        steps = [each for each in plan(work.log, model_id, parts.clock.now()).steps if each.stage == stage]
        if not steps or steps[0].status != "due":
            return False
        found = dependants(standing(work.log), work.keys, work.usage, model_id, parts.clock.now())
        _tell(work, parts, get_model(work.log, model_id), found, round_)
    return False


def ways(work: AccessWork, dependant: Dependant) -> Ways:
    """Return how a dependant is reached."""
    if dependant.kind == "grant":
        mail = applying.address(work, dependant.holder.replace("grant-", "application-", 1))
    else:
        try:
            mail = members.get_member(work.log, work.private, dependant.holder).mail
        except NotFound:
            mail = None
    webhook = webhooks.find(work.private, dependant.holder)
    return Ways(mail, None if webhook is None else webhook.url)


@frozen
class _Notice:
    """What is told: to everybody the same."""

    model: Model
    successor: Model | None
    changes: Changes | None
    decided: Policy | None
    house: str
    site: str
    round: Round

    @property
    def name(self) -> str:
        """Name this notice: another day that is named is another notice."""
        return f"{self.model.id}:{self.round}:{self.model.retires_on}"

    def letter(self, holder: str, to: str) -> Letter:
        return letters.leaving(
            self.model,
            self.successor,
            self.changes,
            self.decided,
            key=f"leaving:{self.name}:{holder}",
            to=to,
            house=self.house,
            site=self.site,
            last=self.round == "near",
        )

    def event(self, at: str) -> bytes:
        model = self.model
        data: dict[str, Any] = {
            "model": model.id,
            "name": model.display_name,
            "retires_on": str(model.retires_on),
            "reason": model.reason,
            "replacement": model.replacement,
            "changes": None if self.changes is None else self.changes.text,
            "access_afterwards": None if self.decided is None else self.decided.tier,
            "page": f"{self.site}/models/{model.id}",
        }
        return webhooks.event(EVENTS[self.round], at, data)


def _tell(work: AccessWork, parts: Parts, model: Model, found: Dependants, round_: Round) -> None:
    after = aftercare(work.log, model.id)
    notice = _Notice(
        model,
        _successor(work, model),
        changes(work.log, model.id),
        None if after is None else Policy(model.id, after.tier, after.reason, after.review_on, after.entry),
        organisation(work.log).name,
        parts.site_url,
        round_,
    )
    body = notice.event(instant(parts.clock.now()))
    told = [(each, ways(work, each)) for each in found.known]
    for number, begin in enumerate(range(0, max(1, len(told)), MOST_IN_AN_ENTRY)):
        part = told[begin : begin + MOST_IN_AN_ENTRY]
        commitments = list(_commitments(work, notice, part))
        said = {
            "round": round_,
            "on": str(model.retires_on),
            "replacement": model.replacement,
            "dependants": len(part),
            "by_mail": sum(way.mail is not None for _, way in part),
            "by_webhook": sum(way.webhook is not None for _, way in part),
            "unreached": sum(way.mail is None and way.webhook is None for _, way in part),
            "commitments": commitments,
        }
        key = f"dependants.told:{notice.name}" + (f":{number}" if number else "")
        work.log.append(Act("dependants.told", said, SOFTWARE, model.id, model.id, key))
    for each, way in told:
        if way.mail is not None:
            work.post.send(notice.letter(each.holder, way.mail))
        if way.webhook is not None:
            work.deliveries.put(f"leaving:{notice.name}:{each.holder}", way.webhook, body)


def _commitments(work: AccessWork, notice: _Notice, part: list[tuple[Dependant, Ways]]) -> Iterator[str]:
    for each, way in part:
        fact = {"holder": each.holder, "mail": way.mail, "webhook": way.webhook}
        yield work.private.put(f"told:{notice.name}:{each.holder}", fact)


def _successor(work: AccessWork, model: Model) -> Model | None:
    try:
        return get_model(work.log, model.replacement) if model.replacement else None
    except (NotFound, InvalidInput):
        return None
