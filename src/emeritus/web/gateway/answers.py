"""Answers that are not a model's: JSON, refusals and errors, in the shape that both SDKs read."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from emeritus.access import shapes
from emeritus.access.gate import Links, Refusal
from emeritus.access.standing import Standing
from emeritus.core.errors import EmeritusError, Unavailable
from emeritus.voices.errors import NotUnderstood

RETRY_SECONDS: Final = 2
RATE_SECONDS: Final = 10


def json_answer(
    value: Any, request_id: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return *value* as JSON."""
    return Response(
        msgspec.json.encode(value),
        status,
        {"cache-control": "no-store", **(headers or {}), **request_headers(request_id)},
        "application/json",
    )


def request_headers(request_id: str) -> dict[str, str]:
    """Return the id of a call, under the names that the two SDKs read."""
    return {"request-id": request_id, "x-request-id": request_id}


def refusal_answer(refusal: Refusal, standing: Standing, links: Links, request_id: str) -> Response:
    """Return a refusal. The SDKs are told not to try again where nothing would change."""
    passes = refusal.code == "rate_exceeded"
    headers = {"retry-after": str(RATE_SECONDS)} if passes else {"x-should-retry": "false"}
    if refusal.model is not None:
        headers |= shapes.model_headers(standing, refusal.model, links, refusal.called)
    if refusal.status == 401:
        headers["www-authenticate"] = 'Bearer realm="emeritus"'
    body = shapes.refusal_body(refusal, standing, links, request_id)
    return json_answer(body, request_id, refusal.status, headers)


def message_start(model: str, request_id: str) -> bytes:
    """Return the event that begins an Anthropic stream, for an engine that forgot it and told no counts."""
    message: dict[str, Any] = {
        "id": request_id,
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": model,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    data = msgspec.json.encode({"type": "message_start", "message": message})
    return b"event: message_start\ndata: " + data + b"\n\n"


def error_status(error: EmeritusError) -> int:
    """Return the HTTP status of an error; what an engine does not understand is a bad request."""
    return 400 if isinstance(error, NotUnderstood) else error.status


def error_value(error: EmeritusError, request_id: str) -> dict[str, Any]:
    """Return the body of an error."""
    return shapes.error_body(
        error_status(error), error.id, error.sentence, error.next_step, request_id=request_id
    )


def error_headers(error: EmeritusError) -> dict[str, str]:
    """Return when to try again, for what may pass."""
    after = error.retry_after
    if after is None and isinstance(error, Unavailable):
        after = RETRY_SECONDS
    return {} if after is None or error.status not in (429, 503) else {"retry-after": str(after)}


def error_answer(error: EmeritusError, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as a whole answer."""
    return json_answer(
        error_value(error, request_id),
        request_id,
        error_status(error),
        {**(headers or {}), **error_headers(error)},
    )


def error_event(error: EmeritusError, path: str, request_id: str) -> bytes:
    """Return an error as the last event of a stream that has begun, in the shape of the API at *path*."""
    body = error_value(error, request_id)
    if path == "/v1/responses":
        told = body["error"]
        body = {"type": "error", "code": told["code"], "message": told["message"], "error": told}
    name = b"" if path in ("/v1/chat/completions", "/v1/completions") else b"event: error\n"
    return name + b"data: " + msgspec.json.encode(body) + b"\n\n"


class Defect(EmeritusError):
    """A defect of ours; the log has more under the call's id."""

    id = "defect"
    status = 500
