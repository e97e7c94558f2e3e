"""A mail server on loopback that keeps what it gets, and misbehaves when it is told to."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP
from attrs import define, field

from emeritus.archive.fakes import MemoryBlobs
from emeritus.core.clock import SettableClock
from emeritus.post import DkimKey, Sender, Server, SmtpPostman
from emeritus.post.dkim import generate_pem
from emeritus.process.fakes import MemoryWorks
from emeritus.process.ports import Parts
from emeritus.record import SigningKey
from emeritus.store.database import open_database
from emeritus.store.schema import migrate
from emeritus.voices import Pool

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@define
class Mailbox:
    """What arrived: *raw* bytes, with envelope sender and recipient. *answers* maps a recipient to an answer."""

    port: int = 0
    raw: list[tuple[str, str, bytes]] = field(factory=list)
    answers: dict[str, str] = field(factory=dict)
    refuses_sender: str = ""
    pause: float = 0.0

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.refuses_sender:
            return self.refuses_sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.pause:
            await asyncio.sleep(self.pause)
        self.raw.append((envelope.mail_from, envelope.rcpt_tos[0], envelope.original_content))
        return "250 taken"

    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=policy.default) for _, _, raw in self.raw]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box, loop = Mailbox(), asyncio.new_event_loop()
    made = loop.create_server(lambda: SMTP(box, hostname="mx.example", loop=loop), "127.0.0.1", 0)
    server = loop.run_until_complete(made)
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield box
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    server.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOON)


@pytest.fixture
def works(clock) -> MemoryWorks:
    return MemoryWorks(clock, SigningKey.from_seed("record.example.org", bytes(32)))


@pytest.fixture(scope="session")
def dkim_key() -> DkimKey:
    return DkimKey.from_pem(generate_pem().encode(), "emeritus", "lab.example")


@pytest.fixture
def parts_with(works, clock, tmp_path):
    """Parts of the process whose postman is the one that is given."""

    def make(postman) -> Parts:
        return Parts(
            work=works.write,
            blobs=MemoryBlobs(),
            cache=tmp_path,
            voices=Pool(lambda _: None),
            clock=clock,
            sign=lambda message: message,
            verify=lambda *_: True,
            postman=postman,
        )

    return make


@pytest.fixture
def postman(mailbox, dkim_key) -> SmtpPostman:
    """Carries letters to `mailbox`, over two connections."""
    server = Server("127.0.0.1", mailbox.port, "none", connections=2)
    return SmtpPostman(server, Sender("column@lab.example", "The Lab", "bounces@lab.example"), dkim_key)


@pytest.fixture
def connection(either_database):
    """A connection to a database with its tables, in one transaction."""
    database = open_database(either_database)
    migrate(database)
    with database.connect() as connection, connection.begin():
        yield connection
    database.dispose()
