"""A model's answer on its way through: raw bytes, counted; whoever hangs up frees the engine's slot."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import anyio
import msgspec
import structlog
from attrs import asdict, define, field
from starlette.types import Receive, Scope, Send

from emeritus.access import shapes
from emeritus.access.gate import Links
from emeritus.access.ports import Ended
from emeritus.core.errors import EmeritusError
from emeritus.registry.model import Remote
from emeritus.voices.errors import BadReply, Busy, EngineDied, KeyRefused, NotUnderstood, VoiceError
from emeritus.voices.voice import ANTHROPIC_PATHS, OPENAI_PATHS, RawAnswer, Relaying
from emeritus.web.gateway import answers
from emeritus.web.gateway.asked import Asked
from emeritus.web.gateway.counting import COUNT, uncounted
from emeritus.web.gateway.door import Entered
from emeritus.web.gateway.meter import Events, Meter
from emeritus.web.gateway.parts import VoicePool
from emeritus.web.gateway.retelling import Retelling
from emeritus.web.gateway.turnstile import Turnstile
from emeritus.web.gateway.ways import ways

MAX_WHOLE: Final = 32 * 2**20
HUNG_UP: Final = 499
_LONGEST_WAIT: Final = 3600
_NO_SUCH_PATH: Final = frozenset({404, 405, 501})
Lacking: TypeAlias = tuple[str, Remote | None, str]
log = structlog.get_logger("emeritus.gateway")


class _Error(msgspec.Struct):
    message: str = ""


class _Failure(msgspec.Struct):
    error: _Error


@define(eq=False)
class Relay:
    """Asks the model and answers with what it says. Every call that was let in is written down at its end.

    *lacking* is shared by all calls: the models, from where they spoke, and the paths that were seen not to be there.
    """

    turnstile: Turnstile
    links: Links
    pool: VoicePool
    entered: Entered
    asked: Asked
    request_id: str
    headers_in: Mapping[str, str]
    meter: Meter
    lacking: set[Lacking]
    retelling: Retelling | None = None
    status: int = 0
    left: bool = False
    over: bool = False
    written: bool = False
    began: float = field(factory=time.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        answering = asyncio.current_task()
        assert answering is not None
        leaving = asyncio.create_task(self._hang_up(receive, answering))
        try:
            await self._answer(send)
        except asyncio.CancelledError:
            if not self.left:
                raise  # the server ends
            answering.uncancel()
        finally:
            self.over = True
            leaving.cancel()
            if not self.written:
                with anyio.CancelScope(shield=True):
                    await self._write_down(HUNG_UP if self.left else self.status)

    async def _hang_up(self, receive: Receive, answering: "asyncio.Task[object]") -> None:
        """Stop the answer when the caller leaves; at its end every caller does."""
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self.over:
            self.left = True
            answering.cancel()

    async def _write_down(self, status: int) -> None:
        """Keep what the call took, once: before its last bytes are sent, so that a budget is exact."""
        if self.written:
            return
        self.written = True
        seconds = round(time.monotonic() - self.began, 6)
        took = Ended(self.request_id, self.meter.tokens_in, self.meter.tokens_out, seconds, status)
        told = log.bind(
            key=self.entered.admission.key_id,
            model=self.entered.admission.model.id,
            path=self.asked.path,
            **asdict(took),
        )
        try:
            await self.turnstile.leave(took)
        except Exception:  # noqa: BLE001 - an answer is not withheld because it could not be counted
            told.exception("a call could not be counted")
        else:
            told.info("call")

    async def _answer(self, send: Send) -> None:
        try:
            try:
                await self._ask(send)
            except EngineDied:
                if self.status:
                    raise
                await self._ask(send)  # nothing was sent yet, and the engine is started anew
        except EmeritusError as error:
            await self._fail(send, error)
        except Exception:
            log.exception("a call failed", request=self.request_id)
            await self._fail(
                send,
                answers.Defect(
                    "Something is wrong here, not with the call.",
                    next_step=f"Tell the steward the id of this call: {self.request_id}.",
                ),
            )

    async def _ask(self, send: Send) -> None:
        model, away = self.entered.admission.model.id, self.entered.admission.model.away
        if away is None:
            self.asked.require_nothing_to_fetch()
        path = self.asked.path
        async with self.pool.alease(model, self.entered.admission.key_id) as voice:
            found = ways(path, voice.paths)
            found = [each for each in found if (model, away, _to(path, each)) not in self.lacking]
            if not found:
                raise _not_spoken(model, path, voice)
            # An engine may say that it has a path, and not have it: then it is told in the next way.
            for number, way in enumerate(found):
                body = self.asked.body_for(model) if way is None else way.ask(self.asked.fields, model)
                async with voice.request(_to(path, way), body, self.headers_in) as answer:
                    if answer.status in _NO_SUCH_PATH and number + 1 < len(found):
                        continue
                    if answer.status in _NO_SUCH_PATH and path == COUNT:
                        raise uncounted()
                    self.retelling = way
                    await self._pass_on(send, answer, model)
                self.lacking |= {(model, away, _to(path, each)) for each in found[:number]}
                return

    async def _pass_on(self, send: Send, answer: RawAnswer, model: str) -> None:
        if answer.status >= 400:
            raise await _failure(answer, model)
        kind = answer.headers.get("content-type", "application/json")
        if kind.startswith("text/event-stream"):
            await self._stream(send, answer)
        else:
            await self._whole(send, answer, kind)

    async def _whole(self, send: Send, answer: RawAnswer, kind: str) -> None:
        body = await _read(answer, MAX_WHOLE)
        if self.retelling is not None:
            body = self.retelling.whole(body, self.asked.fields, self._retold_as(self.retelling))
        if self.asked.path != COUNT:
            self.meter.whole(body)
        await self._write_down(200)
        await self._start(send, 200, {"content-type": kind, "content-length": str(len(body))})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, send: Send, answer: RawAnswer) -> None:
        events = Events()
        telling = None
        if self.retelling is not None:
            telling = self.retelling.stream(self.asked.fields, self._retold_as(self.retelling))
        async for chunk in answer.chunks():
            whole = events.feed(chunk)
            if telling is not None:
                whole = [told for event in whole for told in telling.feed(event)]
            await self._show(send, whole)
        if telling is not None:
            await self._show(send, telling.end())
        await self._begin_stream(send)
        await send({"type": "http.response.body", "body": b"" if telling else events.rest()})

    def _retold_as(self, retelling: Retelling) -> str:
        return retelling.prefix + self.request_id.removeprefix("req-")

    async def _show(self, send: Send, events: Sequence[bytes]) -> None:
        seen = [event for event in events if self.meter.event(event)]
        if not seen:
            return
        if not self.status and _headless(self.asked.path, seen[0]):
            seen.insert(0, answers.message_start(self.entered.admission.model.id, self.request_id))
        await self._begin_stream(send)
        if self.meter.ended:
            await self._write_down(200)
        await send({"type": "http.response.body", "body": b"".join(seen), "more_body": True})

    async def _begin_stream(self, send: Send) -> None:
        if not self.status:
            await self._start(send, 200, {"content-type": "text/event-stream", "x-accel-buffering": "no"})

    async def _fail(self, send: Send, error: EmeritusError) -> None:
        if self.status:  # a stream that has begun: one clear event, and the end
            self.status = answers.error_status(error)
            await self._write_down(self.status)
            event = answers.error_event(error, self.asked.path, self.request_id)
            await send({"type": "http.response.body", "body": event})
            return
        body = msgspec.json.encode(answers.error_value(error, self.request_id))
        await self._write_down(answers.error_status(error))
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **answers.error_headers(error),
        }
        await self._start(send, answers.error_status(error), headers)
        await send({"type": "http.response.body", "body": body})

    async def _start(self, send: Send, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        entered = self.entered
        every = {
            "cache-control": "no-store",
            **headers,
            **answers.request_headers(self.request_id),
            **({"emeritus-told-as": self.retelling.to} if self.retelling is not None else {}),
            **shapes.model_headers(
                entered.standing, entered.admission.model, self.links, entered.admission.called
            ),
        }
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in every.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})


def _headless(path: str, first: bytes) -> bool:
    """Tell whether an Anthropic stream lacks the event that has to begin it.

    llama.cpp leaves it out when the first token is only a part of a character; no SDK reads the rest then.
    """
    known = (b"event: message_start", b"event: error", b"event: ping")
    return path == "/v1/messages" and not first.startswith(known)


async def _read(answer: RawAnswer, limit: int) -> bytes:
    body = bytearray()
    async for chunk in answer.chunks():
        body += chunk
        if len(body) > limit:
            raise BadReply("The answer is longer than the gateway passes on.", next_step="Ask for less.")
    return bytes(body)


async def _failure(answer: RawAnswer, model: str) -> VoiceError | NotUnderstood:
    """Read an engine's error. A remote that refuses *our* key is no fault of the caller's."""
    try:
        said = msgspec.json.decode(await _read(answer, 2**20), type=_Failure).error.message
    except (msgspec.MsgspecError, ValueError, RecursionError):
        said = ""
    said = "".join(char if char.isprintable() else " " for char in said[:500]).strip().rstrip(".")
    told = f"The engine of {model} answered: {said or f'HTTP {answer.status}'}."
    if answer.status in (401, 403):
        return KeyRefused(
            f"The service behind {model} does not accept our key.",
            next_step="Tell the steward; call again later.",
        )
    if answer.status in (429, 503, 529):
        after = answer.headers.get("retry-after", "")
        wait = min(int(after), _LONGEST_WAIT) if after.isdecimal() and len(after) < 9 else None
        return Busy(told, next_step="Call again in a moment.", retry_after=wait)
    if answer.status < 500:
        return NotUnderstood(told, next_step="Change the call; the same one would be answered the same way.")
    return BadReply(told, next_step="Call again.")


def _to(path: str, way: Retelling | None) -> str:
    return path if way is None else way.to


def _not_spoken(model: str, path: str, voice: Relaying) -> NotUnderstood:
    here = [each for each in sorted(OPENAI_PATHS | ANTHROPIC_PATHS) if ways(each, voice.paths)]
    return NotUnderstood(f"{model} does not answer at {path}.", next_step=f"It answers at {', '.join(here)}.")
