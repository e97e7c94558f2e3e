"""The composition root: builds the rooms with their real parts. Nothing else knows which they are."""

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from attrs import frozen

from emeritus import __version__, registry
from emeritus.archive import Verifier
from emeritus.archive.parity_code import Code
from emeritus.archive.signing import ModelKey
from emeritus.core.clock import Clock, OffsetClock, SystemClock
from emeritus.core.errors import Conflict, EmeritusError, IntegrityError, InvalidInput, NotFound
from emeritus.core.people import Actor
from emeritus.engine.stretches import DurableStretches, StretchClient
from emeritus.hosting import make_ensemble, make_neighbours, make_pool
from emeritus.post import DkimKey, Sender, Server, SmtpPostman
from emeritus.post.dkim import generate_pem
from emeritus.process.hub import Hub
from emeritus.process.ports import Keeping, Parts, Watch, unwatched
from emeritus.process.signing import adopt_key
from emeritus.record import Entry, MemoryLog, SigningKey, VerifyKey
from emeritus.record.rotation import key_in_force, keys_of
from emeritus.registry import Organisation, organisation
from emeritus.registry.organisation import acting
from emeritus.settings import Settings
from emeritus.store.blobs import open_blobs
from emeritus.store.database import open_database, transaction
from emeritus.store.desk_tokens import DeskTokens
from emeritus.store.fetch import SafeFetch
from emeritus.store.keyfile import KeyFile, keep_secret, unreadable
from emeritus.store.log import SqlLog
from emeritus.store.schema import check, migrate
from emeritus.store.sealing import Sealer
from emeritus.store.work import SqlWorkers, SqlWorks
from emeritus.voices import Ensemble, Pool
from emeritus.voices.neighbours import Neighbours

if TYPE_CHECKING:
    from emeritus.engine.durable import Engine


@frozen
class House:
    """An open house: everything that commands and pages need, built and joined."""

    settings: Settings
    database: sa.Engine
    works: SqlWorks
    parts: Parts
    pool: Pool
    clock: Clock

    @property
    def key(self) -> SigningKey:
        """The key that signs the record now."""
        return self.works.key

    @property
    def hub(self) -> Hub | None:
        """The WebSub hub that is told of what is published; None where none is named."""
        url = self.settings.websub_hub
        return Hub(url, self.parts.site_url) if url else None

    def engine(self, **more: Any) -> "Engine":
        """Return a worker for this house, not yet started."""
        from emeritus.engine.durable import Engine

        def failures(stage: str, subject: str) -> int:
            with self.works.read() as work:
                return len(work.failures.of(stage, subject))

        return Engine(
            self.parts, self.database, workers=SqlWorkers(self.database), failure_count=failures, **more
        )

    def ensemble(self, model_id: str, count: int, threads: int = 0) -> Ensemble:
        """Return engines of *model_id* for conversations, not yet started; whoever asked closes it."""
        return make_ensemble(self.settings, self.works, self.clock, self.parts, model_id, count, threads)

    def neighbours(self) -> Neighbours:
        """Return the pool with its neighbours, for a process that serves."""

        def secret() -> bytes:
            # Derived, so that all processes of a house agree and the signing key itself goes nowhere.
            return hashlib.sha256(b"emeritus nodes\x00" + self.works.key.seed).digest()

        return make_neighbours(self.settings, self.works, self.clock, self.pool, secret)

    def close(self) -> None:
        """Stop the engines and let go of the database."""
        self.pool.close()
        self.database.dispose()

    @property
    def desk_tokens(self) -> DeskTokens:
        """The tokens with which people sign in at the desk."""
        return DeskTokens(self.database)


def found_house(settings: Settings, founded: Organisation, clock: Clock | None = None) -> None:
    """Make a new house: folders, key, tables, and the first entry. Doing it again changes nothing.

    Raises:
        Conflict: a house of another name or promise stands here.
    """
    # Tried on a record in memory first: what it refuses leaves no house behind.
    registry.found(MemoryLog(clock or SystemClock(), SigningKey.generate(settings.record)), founded, "")
    settings.home.mkdir(parents=True, exist_ok=True)
    key = KeyFile(settings.key_file).make(settings.record)
    model_key = _make_model_key(settings)
    _make_mail_keys(settings)
    database = open_database(settings.database)
    migrate(database)
    _prepare_engine(database)
    with (
        _house(settings, database, key, clock or SystemClock(), unwatched) as house,
        house.works.write() as work,
    ):
        registry.found(work.log, founded, str(key.verify_key))
        adopt_key(work.log, model_key.public)


def upgrade_house(settings: Settings) -> None:
    """Bring the tables and keys to this release. Raises NotFound where there is no house."""
    key = KeyFile(settings.key_file).in_force(None)
    model_key = _make_model_key(settings)
    _make_mail_keys(settings)
    database = open_database(settings.database)
    migrate(database)
    _prepare_engine(database)
    with _house(settings, database, key, SystemClock(), unwatched) as house:
        _check_key(house)
        with house.works.write() as work:
            if work.log.size():
                adopt_key(work.log, model_key.public)


def _prepare_engine(database: sa.Engine) -> None:
    from emeritus.engine.durable import prepare  # DBOS takes a second to import

    prepare(database)


@contextmanager
def open_house(
    settings: Settings, *, clock: Clock | None = None, watch: Watch = unwatched
) -> Iterator[House]:
    """Open the house that stands at ``settings.home``, and close it at the end.

    Raises:
        NotFound: there is none. Conflict: its tables are of another release.
        IntegrityError: its key or its database is damaged, or the key is another house's.
    """
    key = KeyFile(settings.key_file).in_force(None)
    database = open_database(settings.database)
    default = (
        SystemClock() if not settings.clock_offset else OffsetClock(timedelta(seconds=settings.clock_offset))
    )
    try:
        check(database)
    except BaseException:
        database.dispose()
        raise
    with _house(settings, database, key, clock or default, watch) as house:
        _check_key(house)
        yield house


def _check_key(house: House) -> None:
    """Another key would sign checkpoints that nobody who knows the record believes."""
    file = KeyFile(house.settings.key_file)
    with house.works.read() as work:
        house.works.key = file.in_force(key_in_force(work.log))


def rotate_key(house: House, *, by: Actor, reason: str) -> Entry:
    """Make a new signing key, hand over to it on the record, and put it in the old one's place.

    Raises:
        NotPermitted: *by* is no steward. InvalidInput: no reason.
    """
    file = KeyFile(house.settings.key_file)
    with house.works.write() as work:
        acting(work.log, by, "steward", "rotate the record's key")
        new = file.make_next(house.key.name)
        entry = work.log.rotate(new, by=by, reason=reason)
    house.works.key = file.in_force(new.verify_key)
    return entry


def replace_lost_key(settings: Settings, *, by: Actor, reason: str) -> Entry:
    """Go on with a new key where the old one is gone: verifiers have to be told the new one by other means.

    Raises:
        Conflict: there is a key. NotFound: there is no record. Others: as `rotate_key`.
    """
    file = KeyFile(settings.key_file)
    if file.path.exists():
        raise Conflict(
            f"{file.path} is there.",
            next_step="Hand over with it: `emeritus record rotate-key` without --lost. Or move it away first.",
        )
    database = open_database(settings.database)
    try:
        check(database)
        with transaction(database, reading=True) as connection:
            old = key_in_force(SqlLog(connection, SystemClock(), SigningKey.generate("nobody")))
        if old is None:
            raise NotFound("There is no record here yet.", next_step="Run `emeritus init`.")
        if file.next.exists() and file.make_next(old.name).verify_key == old:
            raise Conflict(
                "The key is there: a rotation was cut short.", next_step="Run any command to finish it."
            )
        key = file.make_next(old.name)
        with _house(settings, database, key, SystemClock(), unwatched) as house, house.works.write() as work:
            acting(work.log, by, "steward", "replace the record's key")
            entry = work.log.replace_lost_key(old=old, by=by, reason=reason)
        file.in_force(key.verify_key)
    finally:
        database.dispose()
    return entry


def _verifier(works: SqlWorks) -> Verifier:
    """Return what tells whether this house signed something, with any of the keys that it ever had."""
    known: list[VerifyKey] = [works.key.verify_key]

    def verify(message: bytes, signature: bytes) -> bool:
        if any(key.verifies(signature, message) for key in known):
            return True
        with works.read() as work:
            known[:] = keys_of(work.log, works.key.verify_key)
        return any(key.verifies(signature, message) for key in known)

    return verify


@contextmanager
def _house(
    settings: Settings, database: sa.Engine, key: SigningKey, clock: Clock, watch: Watch
) -> Iterator[House]:
    client = StretchClient(database)
    counting = open_database(settings.database, through_power_cuts=False)
    works = SqlWorks(
        database,
        clock,
        key,
        functools.partial(DurableStretches, client),
        renew=KeyFile(settings.key_file).in_force,
        sealer=Sealer.at(settings.mail_key_file),
        counting=counting,
    )
    pool = make_pool(settings, works, clock, lambda: parts)
    parts = Parts(
        work=works.write,
        blobs=open_blobs(settings.archive),
        cache=settings.cache_folder,
        voices=pool,
        clock=clock,
        sign=lambda message: works.key.sign(message),  # noqa: PLW0108  (the key may be rotated)
        verify=_verifier(works),
        watch=watch,
        protocol=settings.protocol,
        check_in=settings.check_in,
        column_check_in=settings.column_check_in,
        model_key=_read_model_key(settings),
        keeping=_keeping(settings),
        fetch=SafeFetch(
            inside=[ip_network(name) for name in settings.fetch_networks],
            agent=f"Emeritus/{__version__} (+{settings.site_url})",
        ),
        postman=_postman(settings, works),
        unsynced=works.unsynced,
        site_url=settings.site_url.rstrip("/"),
        grant_after=timedelta(hours=settings.grant_after_hours),
        login_lasts=timedelta(days=settings.oidc_days) if settings.oidc_issuer else None,
    )
    house = House(settings, database, works, parts, pool, clock)
    try:
        yield house
    finally:
        house.close()
        counting.dispose()


def _keeping(settings: Settings) -> Keeping:
    return Keeping(
        every=timedelta(days=settings.scrub_days) if settings.scrub_days else None,
        rate=settings.scrub_rate or None,
        replicas={url: functools.partial(open_blobs, url) for url in settings.replicas},
        open=open_blobs,
        code=Code(parity=settings.parity),
    )


def sender(settings: Settings, works: SqlWorks) -> Sender:
    """Return who this house's letters are from."""
    with works.read() as work:
        try:
            name = organisation(work.log).name
        except EmeritusError:
            name = ""
    return Sender(settings.mail_from, name, settings.mail_bounces)


def dkim_key(settings: Settings) -> DkimKey:
    """Return the key that mail is signed with. Raises InvalidInput, Unavailable."""
    domain = settings.mail_from.rpartition("@")[2]
    try:
        pem = settings.dkim_key_file.read_bytes()
    except OSError as why:
        raise unreadable(settings.dkim_key_file, why) from None
    return DkimKey.from_pem(pem, settings.dkim_selector, domain)


def _make_mail_keys(settings: Settings) -> None:
    if not settings.dkim_key_file.exists():
        keep_secret(settings.dkim_key_file, generate_pem())
    Sealer.at(settings.mail_key_file)


def _postman(settings: Settings, works: SqlWorks) -> SmtpPostman | None:
    """Return who carries letters; None while no server and no sender is named."""
    if not (settings.smtp_host and settings.mail_from):
        return None
    password = ""
    if settings.smtp_password_file is not None:
        file = settings.home / settings.smtp_password_file
        try:
            password = file.read_text().strip()
        except OSError as why:
            raise unreadable(file, why) from None
    server = Server(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_user,
        password,
        settings.smtp_connections,
    )
    return SmtpPostman(server, sender(settings, works), dkim_key(settings), settings.mail_rate)


def _make_model_key(settings: Settings) -> ModelKey:
    made = ModelKey.generate()
    if keep_secret(settings.model_key_file, made.pem.decode()):
        return made
    held = _read_model_key(settings)
    assert held is not None
    return held


def _read_model_key(settings: Settings) -> ModelKey | None:
    """Return the key that models are signed with; None in a house of a release that had none."""
    try:
        return ModelKey.from_pem(settings.model_key_file.read_bytes())
    except FileNotFoundError:
        return None
    except InvalidInput:
        raise IntegrityError(
            f"{settings.model_key_file} does not hold a key for model signatures any more.",
            next_step="Restore it from a backup; or move it away, and `emeritus upgrade` makes another.",
        ) from None
    except OSError as why:
        raise unreadable(settings.model_key_file, why) from None
