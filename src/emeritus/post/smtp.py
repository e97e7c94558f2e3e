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
_GATHER, _SOON = 0.004, 0.05  # seconds


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

    def written(self, queued: Queued, at: datetime) -> bytes:
        """Return the mail that a letter becomes, signed *at* a moment."""
        message = compose(queued, self.sender)
        return message if self._dkim is None else self._dkim.sign(message, int(at.timestamp()))

    async def _deliver(
        self,
        letters: Sequence[Queued],
        mark: Callable[[Sequence[Mark]], set[str]],
        now: Callable[[], datetime],
    ) -> None:
        waiting, pace = deque(letters), _Pace(self.pace)
        count = min(self.server.connections, len(letters))
        marks = _Marks(mark, together=count)
        lines = [asyncio.create_task(self._line(waiting, marks, pace, now)) for _ in range(count)]
        done = await asyncio.gather(*lines, return_exceptions=True)
        marks.settle()
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
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
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
        message = self.written(queued, now())
        handed = False
        try:
            # The addresses were checked when they came in (`core.address`): they are taken as they are.
            await _told(client, f"MAIL FROM:<{self.sender.return_path(queued.id)}>", refuses_us=True)
            await _told(client, f"RCPT TO:<{queued.letter.to}>")
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
        refuses_us = isinstance(why, _SenderRefused) and why.code >= 500
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


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


class _SenderRefused(aiosmtplib.SMTPResponseException):
    """The server does not take mail that is from us."""


async def _told(client: aiosmtplib.SMTP, command: str, *, refuses_us: bool = False) -> None:
    """Give a command. Raises SMTPResponseException where the answer is no."""
    answer = await client.execute_command(command.encode())
    if answer.code not in (250, 251):
        kind = _SenderRefused if refuses_us else aiosmtplib.SMTPResponseException
        raise kind(answer.code, answer.message)


async def _hang_up(client: aiosmtplib.SMTP) -> None:
    try:
        await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _first_line(why: BaseException) -> str:
    return (str(why).splitlines() or [type(why).__name__])[0][:200].rstrip(".")


class _Marks:
    """Commits marks in groups: what the lines have to say within a few milliseconds is one commit.

    Once half of the *together* lines wait, nobody waits longer: the others keep the server busy meanwhile. It is
    done within the loop, which has nothing better to do: a thread for it would cost more than it takes.
    """

    def __init__(self, mark: Callable[[Sequence[Mark]], set[str]], together: int) -> None:
        self._mark = mark
        self._enough = max(1, together // 2)
        self._gathered: list[tuple[Mark, asyncio.Future[bool]]] = []
        self._called: asyncio.TimerHandle | None = None
        self._waited_for = 0

    def soon(self, mark: Mark) -> None:
        """Have *mark* committed with the next group, or in `_SOON` by itself."""
        self._gather(mark)
        if self._called is None:
            self._called = asyncio.get_running_loop().call_later(_SOON, self._write)

    async def of(self, mark: Mark) -> bool:
        """Commit *mark*; tell whether it took."""
        done = self._gather(mark)
        self._waited_for += 1
        if self._waited_for in (1, self._enough):
            if self._called is not None:
                self._called.cancel()
            wait = 0 if self._waited_for == self._enough else _GATHER
            self._called = asyncio.get_running_loop().call_later(wait, self._write)
        return await done

    def settle(self) -> None:
        """Commit what is left. Raises what went wrong with it."""
        if self._called is not None:
            self._called.cancel()
        group = self._gathered
        self._write()
        for _, done in group:
            done.result()

    def _gather(self, mark: Mark) -> "asyncio.Future[bool]":
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._gathered.append((mark, done))
        return done

    def _write(self) -> None:
        self._called, self._waited_for = None, 0
        group, self._gathered = self._gathered, []
        if not group:
            return
        try:
            took = self._mark([mark for mark, _ in group])
        except Exception as why:  # noqa: BLE001  (whoever waits for it raises it; else it is tried again)
            for mark, done in group:
                done.set_exception(why)
                done.exception()  # taken note of, also where nobody waits
                if mark.state != "handed":
                    log.warning("mail.mark_failed", letter=mark.id, error=str(why))
            return
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
