"""The composition root: builds the rooms with their real parts. Nothing else knows which they are."""

import functools
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from attrs import field, frozen

from emeritus import registry
from emeritus.archive.signing import ModelKey
from emeritus.core.clock import Clock, OffsetClock, SystemClock
from emeritus.core.digests import sha256
from emeritus.core.errors import IntegrityError, InvalidInput, NotFound, Unavailable
from emeritus.core.people import Actor
from emeritus.engine.stretches import DurableStretches, StretchClient
from emeritus.process.ports import Parts, Watch, unwatched
from emeritus.process.preserve import weights_path
from emeritus.process.signing import adopt_key
from emeritus.record import MemoryLog, SigningKey
from emeritus.registry import Organisation, get_model
from emeritus.settings import Settings
from emeritus.store import tables
from emeritus.store.blobs import open_blobs
from emeritus.store.database import open_database, transaction
from emeritus.store.schema import check, migrate
from emeritus.store.work import SqlWorkers, SqlWorks
from emeritus.voices import Pool, Voice, VoiceSpec, adapter

if TYPE_CHECKING:
    from emeritus.engine.durable import Engine

TOKEN_DAYS = 90


@frozen
class House:
    """An open house: everything that commands and pages need, built and joined."""

    settings: Settings
    database: sa.Engine
    works: SqlWorks
    parts: Parts
    pool: Pool
    clock: Clock
    key: SigningKey = field(repr=False)

    def engine(self, **more: Any) -> "Engine":
        """Return a worker for this house, not yet started."""
        from emeritus.engine.durable import Engine

        def failures(stage: str, subject: str) -> int:
            with self.works.read() as work:
                return len(work.failures.of(stage, subject))

        return Engine(
            self.parts, self.database, workers=SqlWorkers(self.database), failure_count=failures, **more
        )

    def close(self) -> None:
        """Stop the engines and let go of the database."""
        self.pool.close()
        self.database.dispose()

    # -- people at the desk ---------------------------------------------------

    def sign_in(self, person: Actor) -> str:
        """Return a new token with which *person* signs in at the desk; it is shown once, kept as a hash."""
        token = "desk_" + secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        with transaction(self.database) as connection:
            connection.execute(
                tables.desk_token.insert(),
                {
                    "hash": sha256(token.encode()),
                    "person": str(person),
                    "made_at": now,
                    "expires_at": now + timedelta(days=TOKEN_DAYS),
                },
            )
        return token

    def person_for(self, token: str) -> Actor | None:
        """Return whose desk token this is, while it is good."""
        table = tables.desk_token
        query = sa.select(table.c.person).where(
            table.c.hash == sha256(token.encode()), table.c.expires_at > datetime.now(UTC)
        )
        with transaction(self.database, reading=True) as connection:
            found = connection.execute(query).scalar()
        return None if found is None else Actor.parse(found)


def found_house(settings: Settings, organisation: Organisation, clock: Clock | None = None) -> None:
    """Make a new house: folders, key, tables, and the first entry. Doing it again changes nothing.

    Raises:
        Conflict: a house of another name or promise stands here.
    """
    # Tried on a record in memory first: what it refuses leaves no house behind.
    registry.found(
        MemoryLog(clock or SystemClock(), SigningKey.generate(settings.record_name)), organisation, ""
    )
    settings.home.mkdir(parents=True, exist_ok=True)
    key = _make_key(settings)
    model_key = _make_model_key(settings)
    database = open_database(settings.database)
    migrate(database)
    _prepare_engine(database)
    with (
        _house(settings, database, key, clock or SystemClock(), unwatched) as house,
        house.works.write() as work,
    ):
        registry.found(work.log, organisation, str(key.verify_key))
        adopt_key(work.log, model_key.public)


def upgrade_house(settings: Settings) -> None:
    """Bring the tables and keys to this release. Raises NotFound where there is no house."""
    key = _read_key(settings)
    model_key = _make_model_key(settings)
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
    key = _read_key(settings)
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
    with house.works.read() as work:
        founded = work.log.find("organisation.founded")
    if founded is not None and founded.body["verify_key"] != str(house.key.verify_key):
        raise IntegrityError(
            f"{house.settings.key_file} is not the key with which this record was founded.",
            next_step="Restore the house's own key from a backup, or point --home at the house of this key.",
        )


@contextmanager
def _house(
    settings: Settings, database: sa.Engine, key: SigningKey, clock: Clock, watch: Watch
) -> Iterator[House]:
    client = StretchClient(database)
    works = SqlWorks(database, clock, key, functools.partial(DurableStretches, client))
    pool = Pool(
        lambda model: _voice(house, model),
        memory_budget=settings.engine_memory,
        idle_seconds=settings.idle_seconds,
        clock=clock,
    )
    parts = Parts(
        work=works.write,
        blobs=open_blobs(settings.archive),
        cache=settings.cache_folder,
        voices=pool,
        clock=clock,
        sign=key.sign,
        verify=lambda message, signature: key.verify_key.verifies(signature, message),
        watch=watch,
        protocol=settings.protocol,
        model_key=_read_model_key(settings),
    )
    house = House(settings, database, works, parts, pool, clock, key)
    try:
        yield house
    finally:
        house.close()


def _voice(house: House, model_id: str) -> Voice:
    with house.works.read() as work:
        model = get_model(work.log, model_id)
        remote = None if model.remote is None else dict(work.private.get(f"remote:{model_id}"))
    if model.remote is not None:
        away: dict[str, Any] = {**(remote or {}), "model": model.remote.name}
        return adapter(model.remote.api)(VoiceSpec(model_id, options=away, clock=house.clock))
    path, weights = weights_path(house.parts, model_id)
    options: dict[str, Any] = {
        "context": house.settings.engine_context,
        "threads": house.settings.engine_threads,
    }
    return adapter(house.settings.engine)(VoiceSpec(model_id, path, weights, options, house.clock))


def _make_key(settings: Settings) -> SigningKey:
    if settings.key_file.exists():
        return _read_key(settings)
    key = SigningKey.generate(settings.record_name)
    return key if _keep_secret(settings.key_file, f"{key.name}\n{key.seed.hex()}\n") else _read_key(settings)


def _make_model_key(settings: Settings) -> ModelKey:
    made = ModelKey.generate()
    if _keep_secret(settings.model_key_file, made.pem.decode()):
        return made
    held = _read_model_key(settings)
    assert held is not None
    return held


def _keep_secret(path: Path, text: str) -> bool:
    """Write *text* for its owner's eyes only; False when something is there already, which stays."""
    if path.exists():
        return False
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # without it, a power cut could leave a record that nobody can go on with
    try:
        os.link(draft, path)  # unlike a rename, this never replaces a key that is there
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


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
        raise _unreadable(settings.model_key_file, why) from None


def _read_key(settings: Settings) -> SigningKey:
    try:
        name, seed = settings.key_file.read_text().split()
        return SigningKey.from_seed(name, bytes.fromhex(seed))
    except FileNotFoundError:
        raise NotFound(
            f"There is no house at {settings.home}.",
            next_step="Run `emeritus init --name 'YOUR ORGANISATION'`, or point --home at one.",
        ) from None
    except ValueError:
        raise IntegrityError(
            f"{settings.key_file} does not hold a signing key any more.",
            next_step="Restore it from a backup; without it nothing can be added to the record.",
        ) from None
    except OSError as why:
        raise _unreadable(settings.key_file, why) from None


def _unreadable(path: Path, why: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: {why.strerror}.",
        next_step="Run this as the user who owns the house, or give that user the file: chown, chmod 600.",
    )
