"""The stream of a chat as the stream of a response: each item opened, told in pieces, closed, in order."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from attrs import define, field

from emeritus.web.gateway.responses import whole as shapes
from emeritus.web.gateway.retelling import EventByEvent, thought

Kind = Literal["reasoning", "message", "refusal", "function_call"]
_PREFIX: Mapping[Kind, str] = {"reasoning": "rs", "message": "msg", "refusal": "msg", "function_call": "fc"}
_PIECES: Mapping[Kind, str] = {"reasoning": "reasoning_text", "message": "output_text", "refusal": "refusal"}
_PARTS: Mapping[Kind, Callable[[str], dict[str, Any]]] = {
    "message": shapes.output_text,
    "refusal": shapes.refusal,
}


@define
class _Item:
    """An item that is being told. *call* is the place of a tool's call among those of the answer."""

    kind: Kind
    id: str
    place: int
    call: int | None = None
    call_id: str = ""
    name: str = ""
    text: str = ""

    def told(self, status: str) -> dict[str, Any]:
        if self.kind in _PARTS:
            return shapes.message(self.id, _PARTS[self.kind](self.text), status)
        if self.kind == "reasoning":
            return shapes.reasoning(self.id, self.text, status)
        return shapes.function_call(self.id, self.call_id, self.name, self.text, status)


@define
class Telling(EventByEvent):
    """Tells one stream. *name* is the id of the response."""

    told_by = "chat"

    _model: str = field(default="", init=False)
    _created: int = field(default=0, init=False)
    _begun: bool = field(default=False, init=False)
    _finish: str | None = field(default=None, init=False)
    _usage: Mapping[str, Any] | None = field(default=None, init=False)
    _open: _Item | None = field(default=None, init=False)
    _done: list[dict[str, Any]] = field(factory=list, init=False)
    _number: int = field(default=0, init=False)

    def _last(self) -> list[bytes] | None:
        if self._finish is None:
            return None
        out = self._close(shapes.ended(self._finish))
        told = self._response()
        return [*out, self._event(f"response.{told['status']}", response=told)]

    def _tell(self, chunk: dict[str, Any]) -> list[bytes]:
        out: list[bytes] = []
        if not self._begun:
            self._begun = True
            self._model, self._created = chunk.get("model", ""), int(chunk.get("created") or 0)
            begun = self._response("in_progress")
            out += [
                self._event("response.created", response=begun),
                self._event("response.in_progress", response=begun),
            ]
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if thought(delta):
                out += self._say("reasoning", thought(delta))
            if delta.get("content"):
                out += self._say("message", delta["content"])
            if delta.get("refusal"):
                out += self._say("refusal", delta["refusal"])
            for call in delta.get("tool_calls") or ():
                out += self._call(call)
            self._finish = choice.get("finish_reason") or self._finish
        return out

    def _say(self, kind: Kind, piece: str) -> list[bytes]:
        out: list[bytes] = []
        item = self._open
        if item is None or item.kind != kind:
            out, item = self._begin(kind)
        item.text += piece
        more: dict[str, Any] = {"logprobs": []} if kind == "message" else {}
        return [*out, self._event(f"response.{_PIECES[kind]}.delta", **_at(item), delta=piece, **more)]

    def _call(self, call: dict[str, Any]) -> list[bytes]:
        out: list[bytes] = []
        item, about = self._open, call.get("function") or {}
        number = int(call.get("index") or 0)
        # Some services number every call 0: then only its id tells that another one begins.
        if item is None or item.call != number or (call.get("id") or item.call_id) != item.call_id:
            names = {"call": number, "call_id": call["id"], "name": about["name"]}
            out, item = self._begin("function_call", **names)
        piece = about.get("arguments") or ""
        if not piece:
            return out
        item.text += piece
        told = {"item_id": item.id, "output_index": item.place, "delta": piece}
        return [*out, self._event("response.function_call_arguments.delta", **told)]

    def _begin(self, kind: Kind, **more: Any) -> tuple[list[bytes], _Item]:
        out = self._close()
        place = len(self._done)
        number = self.name.removeprefix("resp_")
        self._open = item = _Item(kind, f"{_PREFIX[kind]}_{number}_{place}", place, **more)
        out.append(
            self._event("response.output_item.added", output_index=place, item=item.told("in_progress"))
        )
        if kind in _PARTS:
            out.append(self._event("response.content_part.added", **_at(item), part=_PARTS[kind]("")))
        return out, item

    def _close(self, status: str = "completed") -> list[bytes]:
        item, self._open = self._open, None
        if item is None:
            return []
        told = item.told(status)
        self._done.append(told)
        out: list[bytes] = []
        if item.kind == "function_call":
            done = {"item_id": item.id, "output_index": item.place, "name": item.name, "arguments": item.text}
            out.append(self._event("response.function_call_arguments.done", **done))
        else:
            words: dict[str, Any] = {"refusal" if item.kind == "refusal" else "text": item.text}
            words |= {"logprobs": []} if item.kind == "message" else {}
            out.append(self._event(f"response.{_PIECES[item.kind]}.done", **_at(item), **words))
        if item.kind in _PARTS:
            part = _PARTS[item.kind](item.text)
            out.append(self._event("response.content_part.done", **_at(item), part=part))
        return [*out, self._event("response.output_item.done", output_index=item.place, item=told)]

    def _response(self, status: str = "") -> dict[str, Any]:
        return shapes.response(
            self.fields,
            self.name,
            model=self._model,
            created=self._created,
            items=self._done,
            finish=self._finish,
            usage=self._usage,
            status=status,
        )

    def _event(self, kind: str, **told: Any) -> bytes:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._number, **told})
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def _at(item: _Item) -> dict[str, Any]:
    return {"item_id": item.id, "output_index": item.place, "content_index": 0}
