"""What people send: forms, read with bounds, answered in the thread pool."""

from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import parse_qsl

from attrs import frozen
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MAX_FORM_BYTES = 256 * 1024
MAX_FIELDS = 200


@frozen
class Form:
    """The fields that were sent, in their order; files are left out."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """Return the last value of *name*, without NUL and with plain line ends."""
        found = self.all(name)
        return found[-1] if found else default

    def all(self, name: str) -> list[str]:
        """Return every value of *name*."""
        return [_clean(value) for field, value in self.fields if field == name]

    def names(self) -> Iterator[str]:
        """Yield the name of each field once."""
        yield from dict.fromkeys(name for name, _ in self.fields)


def _clean(value: str) -> str:
    return value.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")


Handler = Callable[[Request, Form], Response]


async def _body(request: Request) -> bytes:
    """Read what was sent, no further than a form may be long."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_FORM_BYTES:
            raise HTTPException(413)
    return bytes(data)


async def read_form(request: Request) -> Form:
    """Read an URL-encoded form of bounded length.

    Raises:
        HTTPException: 413 too long, 415 another kind of body, 400 too many fields.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    text = (await _body(request)).decode("ascii", "replace")
    try:
        fields = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise HTTPException(400) from None
    return Form(tuple(fields))


def takes_form(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of *handler*, which gets the form that was sent and may use the database."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(handler, request, await read_form(request))

    return endpoint


def post(path: str, handler: Handler) -> Route:
    """Return a route that takes a form of bounded length."""
    return Route(path, takes_form(handler), methods=["POST"])
