"""What is answered, in the shapes that the OpenAI and the Anthropic SDKs read. Pure: dicts and headers.

One error body serves both: ``{"type":"error","error":{"type","message","code",…},"request_id"}``.
"""

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from attrs import frozen

from emeritus.access.gate import Called, Links, Refusal, reachable
from emeritus.access.standing import Standing
from emeritus.core.clock import instant
from emeritus.core.errors import NotFound
from emeritus.registry.model import Model, State

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    410: "gone_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
PAGE: Final = 20
LONGEST_PAGE: Final = 1000


def error_body(
    status: int,
    code: str,
    sentence: str,
    next_step: str,
    *,
    request_id: str,
    about: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an error. *about* says what is known of the model, under ``error.emeritus``."""
    error: dict[str, Any] = {
        "type": _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error"),
        "message": f"{sentence} {next_step}".strip(),
        "code": code,
        "param": "model" if code.startswith("model_") else None,
        "next_step": next_step,
    }
    if about is not None:
        error["emeritus"] = about
    return {"type": "error", "error": error, "request_id": request_id}


def refusal_body(refusal: Refusal, standing: Standing, links: Links, request_id: str) -> dict[str, Any]:
    """Return the error body of a refusal."""
    about: dict[str, Any] = {"apply": links.apply, "applications": links.applications}
    if refusal.model is not None and refusal.policy is not None:
        about |= facts(standing, refusal.model, links, refusal.called)
        about["reason"] = refusal.policy.reason
        about["migration"] = standing.changes.get(refusal.model.id)
    else:
        about["models"] = links.models
    return error_body(
        refusal.status,
        refusal.code,
        refusal.sentence,
        refusal.next_step,
        request_id=request_id,
        about=about,
    )


def facts(standing: Standing, model: Model, links: Links, called: Called | None = None) -> dict[str, Any]:
    """Return what every list and every error says of a model beyond the SDKs' own fields."""
    told: dict[str, Any] = {
        "model": model.id,
        "state": model.state.value,
        "deprecated_on": _day(model.deprecated_at),
        "retires_on": None if model.retires_on is None else model.retires_on.isoformat(),
        "retired_on": _day(model.retired_at),
        "tier": standing.policies[model.id].tier,
        "replacement": model.replacement,
        "page": links.model(model.id),
        "surfaces": [
            {"surface": str(day.surface), "meaning": day.meaning, "on": day.on.isoformat()}
            for day in standing.days.get(model.id, ())
        ],
    }
    if called is not None:
        to_come = called.announced
        told["alias"] = {
            "name": called.alias,
            "since": called.standing.on.isoformat(),
            "moves_on": None if to_come is None else to_come.on.isoformat(),
            "moves_to": None if to_come is None else to_come.model,
        }
    return told


@frozen
class Listed:
    """A line of the list of models: a model under its own id, or under an alias."""

    id: str
    model: Model
    called: Called | None = None


def openai_model(standing: Standing, listed: Listed, links: Links) -> dict[str, Any]:
    """Return a model as ``GET /v1/models/{id}`` of the OpenAI API has it."""
    model = listed.model
    return {
        "id": listed.id,
        "object": "model",
        "created": int(_added(model).timestamp()),
        "owned_by": standing.organisation or "emeritus",
        **_dates(model),
        "emeritus": facts(standing, model, links, listed.called),
    }


def anthropic_model(standing: Standing, listed: Listed, links: Links) -> dict[str, Any]:
    """Return a model as ``GET /v1/models/{id}`` of the Anthropic API has it."""
    model = listed.model
    return {
        "type": "model",
        "id": listed.id,
        "display_name": model.display_name,
        "created_at": instant(_added(model)),
        **_dates(model),
        "emeritus": facts(standing, model, links, listed.called),
    }


def _dates(model: Model) -> dict[str, Any]:
    """Return what other services and proxies call the dates and the replacement of a model."""
    last = model.retires_on if model.state is State.DEPRECATED else None
    return {
        "deprecation_date": _day(model.deprecated_at),
        "shutdown_date": None if last is None else last.isoformat(),
        "successor_model": model.replacement,
    }


def openai_list(standing: Standing, links: Links, now: datetime) -> dict[str, Any]:
    """Return every model that somebody can reach, and every alias of one."""
    data = [openai_model(standing, listed, links) for listed in _listed(standing, now)]
    return {"object": "list", "data": data}


def anthropic_list(
    standing: Standing,
    links: Links,
    now: datetime,
    *,
    limit: int = PAGE,
    after: str | None = None,
    before: str | None = None,
) -> dict[str, Any]:
    """Return one page of those: the first *limit* behind *after*, or the last ones ahead of *before*.

    Raises:
        NotFound: *after* or *before* is not in the list.
    """
    models = _listed(standing, now)
    names = [listed.id for listed in models]
    for cursor in (after, before):
        if cursor is not None and cursor not in names:
            raise NotFound(
                f"{cursor[:96]!r} is not in the list of models.", next_step="Begin without a cursor."
            )
    if before is not None:
        models = models[: names.index(before)]
        page, more = models[-limit:], len(models) > limit
    else:
        models = models[names.index(after) + 1 :] if after is not None else models
        page, more = models[:limit], len(models) > limit
    return {
        "data": [anthropic_model(standing, listed, links) for listed in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def model_headers(
    standing: Standing, model: Model, links: Links, called: Called | None = None
) -> dict[str, str]:
    """Return the headers that say which model answers, and what is to become of it.

    ``Deprecation`` is that of RFC 9745, ``Sunset`` that of RFC 8594; the latter only while there is a last
    day to come: a retired model that still answers has none. ``emeritus-alias`` is a structured field
    (RFC 9651): the alias by which it was called, since when it stands for this model, and where it moves.
    """
    headers = {"emeritus-model": model.id, "emeritus-state": model.state.value}
    if called is not None:
        headers["emeritus-alias"] = f'"{called.alias}";since="{called.standing.on}"' + (
            ""
            if called.announced is None
            else f';moves-on="{called.announced.on}";moves-to="{called.announced.model or ""}"'
        )
    if model.deprecated_at is None:
        return headers
    headers["deprecation"] = f"@{int(model.deprecated_at.timestamp())}"
    if model.state is State.DEPRECATED and model.retires_at is not None:
        headers["sunset"] = format_datetime(model.retires_at, usegmt=True)
    link = [f'<{links.model(model.id)}>; rel="deprecation"; type="text/html"']
    if model.replacement is not None and model.replacement in standing.models:
        link.append(f'<{links.model(model.replacement)}>; rel="successor-version"')
    headers["link"] = ", ".join(link)
    return headers


def _listed(standing: Standing, now: datetime) -> Sequence[Listed]:
    listed = [Listed(name, model) for name, model in standing.models.items() if reachable(standing, name)]
    for name, alias in sorted(standing.aliases.items()):
        holds = alias.standing(now)
        if holds is not None and holds.model is not None and reachable(standing, holds.model):
            called = Called(name, holds, alias.announced(now))
            listed.append(Listed(name, standing.models[holds.model], called))
    return listed


def _added(model: Model) -> datetime:
    assert model.added_at is not None
    return model.added_at


def _day(at: datetime | None) -> str | None:
    return None if at is None else at.date().isoformat()
