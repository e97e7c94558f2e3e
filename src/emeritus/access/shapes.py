"""What is answered, in the shapes that the OpenAI and the Anthropic SDKs read. Pure: dicts and headers.

One error body serves both: ``{"type":"error","error":{"type","message","code",…},"request_id"}``.
"""

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from emeritus.access.gate import Links, Refusal, reachable
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


def refusal_body(refusal: Refusal, links: Links, request_id: str) -> dict[str, Any]:
    """Return the error body of a refusal."""
    about: dict[str, Any] = {"apply": links.apply, "applications": links.applications}
    if refusal.model is not None and refusal.policy is not None:
        about |= facts(refusal.model, refusal.policy.tier, links)
        about["reason"] = refusal.policy.reason
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


def facts(model: Model, tier: str, links: Links) -> dict[str, Any]:
    """Return what every list and every error says of a model beyond the SDKs' own fields."""
    return {
        "state": model.state.value,
        "deprecated_on": _day(model.deprecated_at),
        "retires_on": None if model.retires_on is None else model.retires_on.isoformat(),
        "retired_on": _day(model.retired_at),
        "tier": tier,
        "replacement": model.replacement,
        "page": links.model(model.id),
    }


def openai_model(standing: Standing, model: Model, links: Links) -> dict[str, Any]:
    """Return a model as ``GET /v1/models/{id}`` of the OpenAI API has it."""
    return {
        "id": model.id,
        "object": "model",
        "created": int(_added(model).timestamp()),
        "owned_by": standing.organisation or "emeritus",
        "emeritus": facts(model, standing.policies[model.id].tier, links),
    }


def anthropic_model(standing: Standing, model: Model, links: Links) -> dict[str, Any]:
    """Return a model as ``GET /v1/models/{id}`` of the Anthropic API has it."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": instant(_added(model)),
        "emeritus": facts(model, standing.policies[model.id].tier, links),
    }


def openai_list(standing: Standing, links: Links) -> dict[str, Any]:
    """Return every model that somebody can reach."""
    return {"object": "list", "data": [openai_model(standing, model, links) for model in _listed(standing)]}


def anthropic_list(
    standing: Standing,
    links: Links,
    *,
    limit: int = PAGE,
    after: str | None = None,
    before: str | None = None,
) -> dict[str, Any]:
    """Return one page of those models: the first *limit* behind *after*, or the last ones ahead of *before*.

    Raises:
        NotFound: *after* or *before* is not in the list.
    """
    models = _listed(standing)
    names = [model.id for model in models]
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
        "data": [anthropic_model(standing, model, links) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def model_headers(standing: Standing, model: Model, links: Links) -> dict[str, str]:
    """Return the headers that say which model answers, and what is to become of it.

    ``Deprecation`` is that of RFC 9745, ``Sunset`` that of RFC 8594; the latter only while there is a last
    day to come: a retired model that still answers has none.
    """
    headers = {"emeritus-model": model.id, "emeritus-state": model.state.value}
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


def _listed(standing: Standing) -> Sequence[Model]:
    return [model for model in standing.models.values() if reachable(standing, model.id)]


def _added(model: Model) -> datetime:
    assert model.added_at is not None
    return model.added_at


def _day(at: datetime | None) -> str | None:
    return None if at is None else at.date().isoformat()
