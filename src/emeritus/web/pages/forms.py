"""What people send: forms, read with bounds, answered in the thread pool."""

from collections.abc import Awaitable, Callable, Iterator

from attrs import frozen
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MAX_FORM_BYTES = 256 * 1024


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


def takes_form(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of *handler*, which gets the form that was sent and may use the database."""

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=200, max_part_size=MAX_FORM_BYTES) as sent:
            fields = tuple((name, value) for name, value in sent.multi_items() if isinstance(value, str))
        return await run_in_threadpool(handler, request, Form(fields))

    return endpoint


def post(path: str, handler: Handler) -> Route:
    """Return a route that takes a form of bounded length."""
    limit = Middleware(RequestBodyLimitMiddleware, max_body_size=MAX_FORM_BYTES)
    return Route(path, takes_form(handler), methods=["POST"], middleware=[limit])
