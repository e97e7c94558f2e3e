"""Serve a house: the site, the desk and the gateway in one server, with the worker beside them."""

import functools
import hashlib
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import structlog
import uvicorn
from starlette.applications import Starlette

from emeritus.archive.shelf import Shelf
from emeritus.core.clock import Clock
from emeritus.core.errors import EmeritusError, InvalidInput, Unavailable
from emeritus.settings import Settings
from emeritus.store.keyfile import unreadable
from emeritus.store.sealing import Sealer
from emeritus.voices.neighbours import Neighbours
from emeritus.web.gateway import create_gateway
from emeritus.web.gateway.billing import Billing
from emeritus.web.gateway.parts import Parts as GatewayParts
from emeritus.web.hub import Parts as HubParts
from emeritus.web.hub import create_hub
from emeritus.web.pages.app import build_app
from emeritus.web.pages.parts import MemberLogin, Paces
from emeritus.web.pages.parts import Parts as PageParts
from emeritus.web.passing import passing_routes
from emeritus.web.patience import Patience
from emeritus.web.site.rechecking import Rechecking
from emeritus.wiring import House

_LAST_WORDS = 5
"""Seconds between the end of the engines and the end of the connections."""
log = structlog.get_logger("emeritus.serving")

if TYPE_CHECKING:
    from emeritus.engine.durable import Engine


def page_parts(house: House, site_url: str) -> PageParts:
    """Return what the site and the desk of *house* are built from."""
    return PageParts(
        work=house.works.write,
        read=house.works.read,
        clock=house.clock,
        site_url=site_url,
        verify_key=str(house.key.verify_key),
        sessions=house.desk_tokens,
        # Derived, so that all processes of a house agree and the signing key itself goes nowhere.
        cookie_key=hashlib.sha256(b"emeritus desk cookie\x00" + house.key.seed).digest(),
        hub=house.hub,
        mailing=house.parts.postman is not None,
        sittings=house.settings.home / "interviews",
        members=_members(house.settings, house.clock),
        paces=Paces(
            house.settings.applications_an_hour,
            house.settings.subscriptions_an_hour,
            house.settings.letters_an_hour,
        ),
    )


def application(
    house: House, *, site_url: str | None = None, neighbours: Neighbours | None = None
) -> Starlette:
    """Return everything that is served over HTTP as one ASGI application.

    With *neighbours*, calls go to the node that has the model, and those of other nodes are taken.
    """
    site = (site_url or house.settings.site_url).rstrip("/")

    gateway = create_gateway(
        GatewayParts(
            work=house.works.write,
            read=house.works.read,
            count=house.works.count,
            pool=neighbours or house.pool,
            clock=house.clock,
            site_url=site,
            applications_an_hour=house.settings.applications_an_hour,
        ),
        _billing(house.settings),
    )
    if neighbours is not None:
        gateway += passing_routes(house.pool, neighbours.passage)
    hub = create_hub(
        HubParts(
            work=house.works.write,
            read=house.works.read,
            blobs=house.parts.blobs,
            verify=house.parts.verify,
            clock=house.clock,
            site_url=site,
            shelf=Shelf(house.settings.shelf_folder, house.settings.hub_cache),
            streams=house.settings.hub_streams,
        )
    )
    return build_app(page_parts(house, site), more=[*gateway, *hub])


def _members(settings: Settings, clock: Clock) -> MemberLogin | None:
    if not settings.oidc_issuer:
        return None
    try:
        from emeritus.web.site.oidc import Oidc  # noqa: PLC0415 - an extra that is not always there
    except ImportError:
        raise InvalidInput(
            "Members are to log in, and what that needs is not installed.",
            next_step="Install it: pip install 'emeritus[oidc]'; or take oidc_issuer out of the settings.",
        ) from None
    file = settings.oidc_secret_file
    secret = "".join(_lines(settings.home / file)[:1]) if file is not None else ""
    login = Oidc(settings.oidc_issuer, settings.oidc_client, secret, settings.oidc_scope, clock)
    sealer = Sealer.at(settings.mail_key_file) if settings.oidc_check_hours else None
    return MemberLogin(login, settings.oidc_claim, settings.oidc_plans, sealer)


def _billing(settings: Settings) -> Billing | None:
    if settings.billing_secret_file is None:
        return None
    file = settings.home / settings.billing_secret_file
    return Billing(functools.partial(_lines, file), settings.billing_plans)


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text().splitlines() if line.strip()]
    except OSError as why:
        raise unreadable(file, why) from None


def serve(
    house: House, *, host: str, port: int, engine: "Engine | None", ready: Callable[[str], None]
) -> None:
    """Serve until SIGINT (KeyboardInterrupt) or SIGTERM (SystemExit with 0: it was asked to stop, and did).

    Raises:
        Unavailable: the port is taken, or the server ended by itself.
    """
    signal.signal(signal.SIGTERM, _stop)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: else asyncio leaves Nagle's algorithm on, and each answer in two parts waits 40 ms for the second.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as why:
        listener.close()
        raise Unavailable(
            f"{host}:{port} cannot be listened on: {why.strerror}.",
            next_step="Stop what uses it, or choose another: --host, --port.",
        ) from None
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    site = house.settings.site_url if "site_url" in house.settings.model_fields_set else url
    neighbours = house.neighbours()
    app = application(house, site_url=site, neighbours=neighbours)
    drain = house.settings.drain_seconds
    config = uvicorn.Config(
        app,
        http=Patience,
        log_level="warning",
        timeout_graceful_shutdown=math.ceil(drain) + _LAST_WORDS,
        server_header=False,
    )
    server = _Told(
        config,
        lambda: ready(url),
        functools.partial(_drain, house, neighbours, drain, working=engine is not None),
    )
    with (
        listener,
        _in_touch(house, neighbours),
        _asking_again(house, site),
        _at_work(engine),
    ):  # outside of the server's event loop, in which DBOS refuses to start
        server.run(sockets=[listener])
    match server.asked_by:
        case signal.SIGINT:
            raise KeyboardInterrupt
        case signal.SIGTERM:
            raise SystemExit(0)
    raise Unavailable(
        "The server ended by itself.", next_step="Look above for what it said, and start it again."
    )


@contextmanager
def _at_work(engine: "Engine | None") -> Iterator[None]:
    if engine is None:
        yield
        return
    try:
        engine.start()
        yield
    finally:
        engine.close()


@contextmanager
def _in_touch(house: House, neighbours: Neighbours) -> Iterator[None]:
    """Be a node among others while serving, and load what is to be warm."""
    threading.Thread(target=neighbours.keep_in_touch, name="nodes", daemon=True).start()
    for model in house.settings.engine_warm:
        threading.Thread(target=_warm, args=(house, model), name=f"warm {model}", daemon=True).start()
    try:
        yield
    finally:
        neighbours.leave()


@contextmanager
def _asking_again(house: House, site: str) -> Iterator[None]:
    """Ask the provider now and then about those who logged in, while serving."""
    parts = page_parts(house, site)
    over = threading.Event()
    if parts.members is not None and parts.members.sealer is not None:
        every = timedelta(hours=house.settings.oidc_check_hours)
        asking = Rechecking(parts, parts.members, parts.members.sealer, every)
        threading.Thread(target=asking.run, args=(over,), name="logins", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _warm(house: House, model: str) -> None:
    try:
        house.pool.warm(model)
    except EmeritusError as why:
        log.warning("a model could not be warmed", model=model, why=str(why))


def _drain(house: House, neighbours: Neighbours, seconds: float, *, working: bool) -> None:
    """Tell who waits, and let those who are being answered come to their end; then stop the engines.

    Whoever is not done by then gets a last event that says so, from an engine that went away. Where a worker
    is beside the server, its engines are left to it.
    """
    house.pool.turn_away()
    neighbours.drain()
    if not working:
        house.pool.close(seconds)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)  # while the worker starts or ends, before the server listens to signals itself


class _Told(uvicorn.Server):
    """A server that says when it is ready, and ends in order however often it is told to stop."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._drain = drain
        self.asked_by = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Take note. Raised again in the loop, as uvicorn does, a signal would end it with a traceback."""
        if not self.should_exit:
            threading.Thread(target=self._drain, name="drain", daemon=True).start()
        self.asked_by = sig
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()
