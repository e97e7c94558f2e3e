"""What a caller asks: a bounded body, of which only the model and how to stream are read."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from attrs import frozen
from starlette.requests import ClientDisconnect, Request

from emeritus.access.keys import KEY
from emeritus.core.errors import EmeritusError

MAX_BODY: Final = 4 * 2**20
BODY_SECONDS: Final = 30.0
DRAIN: Final = 60 * 2**20
_MAY_NAME_ONE: Final = re.compile(rb"url|\\u")
"""What JSON has in it that names an address: in plain letters, or with some of them escaped."""
_SAID: Final = ("messages", "input", "prompt", "system", "tools")
_ADDRESSES: Final = frozenset({"url", "image_url", "video_url", "audio_url", "file_url", "server_url"})
_STREAM_OPTIONS: Final = frozenset({"/v1/chat/completions", "/v1/completions"})


class BadRequest(EmeritusError):
    """The body is not a request that can be passed on."""

    id = "request.invalid"
    status = 400
    exit_code = 2


class TooLarge(BadRequest):
    """The body is larger than the gateway takes."""

    id = "request.too_large"
    status = 413


class TooSlow(BadRequest):
    """The body did not arrive in time."""

    id = "request.too_slow"
    status = 408


class CallerLeft(BadRequest):
    """The caller left before the body had arrived; nobody hears this."""

    id = "request.left"
    status = 499


class FetchesNothing(BadRequest):
    """An engine of this house is asked to fetch something from an address; it could reach what callers cannot."""

    id = "request.fetches"


T = TypeVar("T")


@frozen
class Asked:
    """A call to pass on.

    *usage_added* says that the caller did not ask for the usage of a stream and we did, so that the event
    that carries it is kept from the caller.
    """

    path: str
    model: str
    stream: bool
    fields: Mapping[str, msgspec.Raw]
    usage_added: bool

    def body_for(self, model: str) -> bytes:
        """Return the body that the engine of *model* gets: what came, value by value, but an alias resolved.

        It is written anew, every name once: what the gate read and what the engine reads cannot differ.
        """
        if model == self.model:
            return msgspec.json.encode(self.fields)
        return msgspec.json.encode({**self.fields, "model": model})

    def require_nothing_to_fetch(self) -> None:
        """Let through what carries its own pictures and files. Raises FetchesNothing for an address to fetch from."""
        for name in _SAID:
            raw = self.fields.get(name, b"")
            if _MAY_NAME_ONE.search(raw):
                _look_for_addresses(msgspec.json.decode(raw))


async def read(request: Request, limit: int = MAX_BODY) -> bytes:
    """Return the whole body.

    One that is too large is read to its end all the same, within reason, and thrown away: whoever is still
    sending does not hear an answer.

    Raises:
        TooLarge, TooSlow, CallerLeft: it is not passed on.
    """
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit + DRAIN:
        raise _too_large(limit)
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    body += chunk
                elif size > limit + DRAIN:
                    break
    except TimeoutError:
        raise TooSlow(
            f"The body did not arrive within {BODY_SECONDS:g} seconds.", next_step="Send it again."
        ) from None
    except ClientDisconnect:
        raise CallerLeft(
            "The caller left while the body was being sent.", next_step="Send it again."
        ) from None
    if size > limit:
        raise _too_large(limit)
    return bytes(body)


def decoded(body: bytes, shape: type[T], what: str, next_step: str) -> T:
    """Read a JSON body of ours, which is to be *what*. Raises BadRequest, with *next_step*."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, ValueError, RecursionError) as why:
        told = "".join(char if char.isprintable() else " " for char in str(why))[:200]
        raise BadRequest(f"This is not {what}: {told}.", next_step=next_step) from None


def parse(path: str, body: bytes) -> Asked:
    """Read what has to be known of a call; of a name that was given twice, the last value.

    Raises:
        BadRequest: it is no JSON object, or its model, stream or stream_options are of the wrong type.
    """
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadRequest(
            "The body is not a JSON object.", next_step="Send what the API's own SDK sends."
        ) from None
    model = _field(fields, "model", str, "")
    if not model:
        raise BadRequest("The call names no model.", next_step="Set 'model'; /v1/models lists them.")
    stream = _field(fields, "stream", bool, default=False)
    usage_added = False
    if stream and path in _STREAM_OPTIONS:
        options = _field(fields, "stream_options", dict[str, msgspec.Raw], {})
        if not _field(options, "include_usage", bool, default=False):
            options["include_usage"] = msgspec.Raw(b"true")
            fields["stream_options"] = msgspec.Raw(msgspec.json.encode(options))
            usage_added = True
    return Asked(path, model, stream, fields, usage_added)


def bearer_of(request: Request) -> str:
    """Return what came as bearer; nothing where nothing did."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def key_of(request: Request) -> str | None:
    """Return the key that came with a call; of two, the one that looks like ours."""
    found = (bearer_of(request), request.headers.get("x-api-key", "").strip())
    given = [text for text in found if text]
    return next((text for text in given if text.startswith(KEY)), given[0] if given else None)


def _field(fields: dict[str, msgspec.Raw], name: str, kind: type[T], default: T) -> T:
    raw = fields.get(name)
    if raw is None or bytes(raw) == b"null":
        return default
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadRequest(
            f"'{name}' is of the wrong type.", next_step="Send what the API's own SDK sends."
        ) from None


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {limit // 1024} KiB.", next_step="Send less; long documents go in parts."
    )


def _look_for_addresses(value: Any) -> None:
    inner = [value]
    while inner:
        each = inner.pop()
        if isinstance(each, list):
            inner += each
        elif isinstance(each, dict):
            inner += each.values()
            for name in _ADDRESSES & each.keys():
                address = each[name]
                if isinstance(address, str) and not address.lower().startswith("data:"):
                    raise FetchesNothing(
                        f"The engine of this model runs here and fetches nothing; it was asked for {address[:100]!r}.",
                        next_step="Send the picture or file itself: 'data:…;base64,…'.",
                    )
