"""SMTP: letters carried to a mail server over a few connections, each marked before and after its words leave.

Between the last byte of a letter and the server's answer nobody knows whether the server has it: SMTP has no
question for that (RFC 5321, 4.5.3.2.6). A letter caught there is sent again later, under the same Message-ID.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import aiosmtplib
import structlog
from attrs import field, frozen

from emeritus.core.errors import Unavailable
from emeritus.post.dkim import DkimKey
from emeritus.post.message import Sender, compose
from emeritus.process.ports import Mark, Queued

log = structlog.get_logger(__name__)

Security = Literal["starttls", "tls", "none"]
_NOT_LET_IN = (530, 534, 535, 538)
_CLOSING = 421


class MailUnavailable(Unavailable):
    """The mail server cannot be reached, or does not take mail from this house; letters wait."""

    id = "mail.unavailable"


@frozen
class Server:
    """A mail server. *security*: ``starttls``, ``tls`` from the first byte, or ``none``."""

    host: str
    port: int = 587
    security: Security = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    connections: int = 4
    timeout: float = 60.0


class SmtpPostman:
    """`Postman` over SMTP.

    Args:
        server: who takes the mail.
        sender: who writes.
        dkim: signs each mail; None: nobody does.
        pace: letters a minute, at most; 0: as fast as it goes.
    """

    def __init__(self, server: Server, sender: Sender, dkim: DkimKey | None = None, pace: float = 0) -> None:
        self.server = server
        self.sender = sender
        self.pace = pace
        self._dkim = dkim

    def deliver(
        self,
        letters: Sequence[Queued],
        mark: Callable[[Sequence[Mark]], set[str]],
        now: Callable[[], datetime],
    ) -> None:
        asyncio.run(self._deliver(letters, mark, now))

    async def _deliver(
        self,
        letters: Sequence[Queued],
        mark: Callable[[Sequence[Mark]], set[str]],
        now: Callable[[], datetime],
    ) -> None:
        waiting, marks, pace = deque(letters), _Marks(mark), _Pace(self.pace)
        lines = [
            asyncio.create_task(self._line(waiting, marks, pace, now))
            for _ in range(min(self.server.connections, len(letters)))
        ]
        done = await asyncio.gather(*lines, return_exceptions=True)
        await marks.settle()
        for why in done:
            if isinstance(why, BaseException):
                raise why

    async def _line(
        self, waiting: deque[Queued], marks: "_Marks", pace: "_Pace", now: Callable[[], datetime]
    ) -> None:
        """Send what waits over one connection, which is made again when the server ends it."""
        while waiting:
            client = await self._connect()
            try:
                while waiting:
                    await pace.turn()
                    if not waiting or not await self._send(client, waiting.popleft(), marks, now):
                        break
            except BaseException:
                waiting.clear()  # the other lines need not find out by themselves
                raise
            finally:
                await _hang_up(client)

    async def _connect(self) -> aiosmtplib.SMTP:
        server = self.server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            local_hostname=self.sender.domain,
            timeout=server.timeout,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as why:
            raise MailUnavailable(
                f"The mail server {server.host}:{server.port} cannot be used: {_first_line(why)}.",
                next_step="Check the smtp_… settings, and that the server is up; letters wait meanwhile.",
            ) from None
        return client

    async def _send(
        self, client: aiosmtplib.SMTP, queued: Queued, marks: "_Marks", now: Callable[[], datetime]
    ) -> bool:
        """Send one letter; tell whether the connection can be used for another."""
        message = compose(queued, self.sender)
        if self._dkim is not None:
            message = self._dkim.sign(message, int(now().timestamp()))
        handed = False
        try:
            await client.mail(self.sender.return_path(queued.id))
            await client.rcpt(queued.letter.to)
            if not await marks.of(Mark(queued.id, "handed")):
                await client.rset()  # another worker has it
                return True
            handed = True
            await client.data(message)
        except aiosmtplib.SMTPResponseException as why:
            return await self._answered(client, queued, why, marks)
        except (aiosmtplib.SMTPException, OSError) as why:
            log.warning("mail.connection_lost", letter=queued.id, handed=handed, error=str(why))
            if not handed:
                marks.soon(Mark(queued.id, "waiting", f"connection lost: {_first_line(why)}"))
            return False  # what was handed over stays so: after a while it is sent again
        marks.soon(Mark(queued.id, "sent"))
        return True

    async def _answered(
        self,
        client: aiosmtplib.SMTP,
        queued: Queued,
        why: aiosmtplib.SMTPResponseException,
        marks: "_Marks",
    ) -> bool:
        said = f"{why.code} {' '.join(str(why.message).split())}"[:300]
        refuses_us = isinstance(why, aiosmtplib.SMTPSenderRefused) and why.code >= 500
        if why.code in _NOT_LET_IN or refuses_us:
            raise MailUnavailable(
                f"The mail server {self.server.host} does not take mail from {self.sender.address}: {said}.",
                next_step="Check smtp_user, the password file and mail_from; letters wait meanwhile.",
            ) from None
        marks.soon(Mark(queued.id, "failed" if why.code >= 500 else "waiting", said))
        if why.code == _CLOSING or not client.is_connected:
            return False
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True


async def _hang_up(client: aiosmtplib.SMTP) -> None:
    try:
        await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _first_line(why: BaseException) -> str:
    return (str(why).splitlines() or [type(why).__name__])[0][:200].rstrip(".")


class _Marks:
    """Commits marks in groups: while one group is written, the next gathers, so lines share a commit."""

    def __init__(self, mark: Callable[[Sequence[Mark]], set[str]]) -> None:
        self._mark = mark
        self._gathered: list[tuple[Mark, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    def soon(self, mark: Mark) -> asyncio.Future[bool]:
        """Have *mark* committed with the next group."""
        done = asyncio.get_running_loop().create_future()
        self._gathered.append((mark, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return done

    async def of(self, mark: Mark) -> bool:
        """Commit *mark*; tell whether it took."""
        return await self.soon(mark)

    async def settle(self) -> None:
        """Wait until all marks are committed. Raises what went wrong with it."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._gathered:
            group, self._gathered = self._gathered, []
            try:
                took = await asyncio.to_thread(self._mark, [mark for mark, _ in group])
            except BaseException as why:
                for _, done in group:
                    if not done.done():
                        done.set_exception(why)
                        done.exception()  # taken note of, also where nobody waits
                raise
            for mark, done in group:
                if not done.done():
                    done.set_result(mark.id in took)


class _Pace:
    """Gives out turns, evenly in time."""

    def __init__(self, a_minute: float) -> None:
        self._gap = 60 / a_minute if a_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        if not self._gap:
            return
        now = asyncio.get_running_loop().time()
        wait = max(0.0, self._next - now)
        self._next = max(now, self._next) + self._gap
        if wait:
            await asyncio.sleep(wait)
