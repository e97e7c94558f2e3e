"""The legal transitions of a model: active → deprecated → retired, each once and by a named person."""

from datetime import date

from emeritus.core.clock import Clock
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import SOFTWARE, Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.registry.model import Model, State, get_model, require_state
from emeritus.registry.notice import FURTHEST_DAYS, order_of
from emeritus.registry.organisation import acting, organisation


def open_retirement(
    log: Log,
    clock: Clock,
    model_id: str,
    *,
    on: date,
    replacement: str | None,
    why: str,
    by: Actor,
    short_notice: str | None = None,
) -> Entry:
    """Deprecate a model now, and order its retirement for the day *on* (UTC).

    Args:
        replacement: the id of the model to move to; None when there is none.
        why: the reason, for the public.
        short_notice: the reason for giving less notice than the organisation promises.

    Raises:
        InvalidInput: an impossible date, an unknown replacement, no reason.
        Conflict: the model is not active; another retirement of it stands.
        NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "open a retirement"), "steward", "open a retirement")
    model = get_model(log, model_id)
    standing = log.find(_opened_key(model_id))
    today = (standing.at if standing else clock.now()).date()
    _check_date(log, model, on, today, short_notice)
    _check_replacement(log, model, on, replacement)
    if not why.strip():
        raise InvalidInput("The reason is missing.", next_step="Say why, for the public: --why '…'.")
    body = {
        "on": on.isoformat(),
        "replacement": replacement,
        "why": why.strip(),
        "notice_days": (on - today).days,
        "short_notice": short_notice,
    }
    act = Act("retirement.opened", body, by, model=model_id, subject=model_id, key=_opened_key(model_id))
    if standing is None or not standing.same_act(act):
        require_state(model, [State.ACTIVE], "open its retirement")
    return log.append(act)


def _opened_key(model_id: str) -> str:
    return f"retirement.opened:{model_id}"


def _check_date(log: Log, model: Model, on: date, today: date, short_notice: str | None) -> None:
    if on <= today:
        raise InvalidInput(
            f"{on} is not in the future; today is {today}.", next_step="Choose a later day of retirement."
        )
    if on <= model.released:
        raise InvalidInput(
            f"{on} is not after the model's release, {model.released}.", next_step="Choose a later day."
        )
    if (on - today).days > FURTHEST_DAYS:
        raise InvalidInput(
            f"{on} is more than ten years away.", next_step="Choose a day that somebody here can answer for."
        )
    promised = organisation(log).notice_days
    if (on - today).days < promised and not (short_notice and short_notice.strip()):
        raise InvalidInput(
            f"{on} gives {(on - today).days} days of notice; this organisation promises {promised}.",
            next_step="Choose a later day, or say in public why not: --short-notice 'REASON'.",
        )


def _check_replacement(log: Log, model: Model, on: date, replacement: str | None) -> None:
    if replacement is None:
        return
    if replacement == model.id:
        raise InvalidInput("A model cannot replace itself.", next_step="Name another model, or none.")
    if log.find(f"model.added:{replacement}") is None:
        raise InvalidInput(
            f"The replacement {replacement[:96]!r} is not on the register.",
            next_step="Add it with `emeritus model add`, or retire without one: --no-replacement.",
        )
    other = get_model(log, replacement)
    if other.retires_on is not None and other.retires_on <= on:
        raise InvalidInput(
            f"{other.display_name} cannot be the replacement: it retires itself on {other.retires_on}.",
            next_step="Name a model that will still be in service.",
        )


def retire(log: Log, clock: Clock, model_id: str) -> Entry:
    """Carry out, on or after its day, the retirement that a named person ordered.

    Raises:
        Conflict: nobody ordered it, or the day has not come.
    """
    model = get_model(log, model_id)
    order = order_of(log, model_id)
    if order is None or model.retires_at is None:
        raise Conflict(
            f"Nobody has ordered the retirement of {model.display_name}.",
            next_step=f"Open it: `emeritus retire {model_id} --on DATE --replacement ID`.",
        )
    if model.state is State.DEPRECATED and clock.now() < model.retires_at:
        raise Conflict(
            f"{model.display_name} retires on {model.retires_on}, and that day has not come.",
            next_step="Wait; the sweep carries it out on the day.",
        )
    body = {"ordered_by": str(order.by), "order": order.seq, "on": order.body["on"]}
    act = Act(
        "model.retired", body, SOFTWARE, model=model_id, subject=model_id, key=f"model.retired:{model_id}"
    )
    return log.append(act)
