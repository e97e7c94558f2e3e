"""A fast fake engine, in a process of its own: answers as an OpenAI-compatible server does, from bytes made before.

Run as ``python engine.py PORT``. What a call gets is in the call: ``max_tokens`` pieces, and a stream sends
one each ``pause`` seconds (``seed`` milliseconds, a field that every proxy passes on). Usage is told at the end.
"""

import asyncio
import json
import sys

from aiohttp import web

PROMPT_TOKENS = 11


def usage(tokens: int) -> dict:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
    }


def whole(model: str, tokens: int) -> bytes:
    message = {"role": "assistant", "content": " ".join(["word"] * tokens)}
    return json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1767225600,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": usage(tokens),
        }
    ).encode()


def events(model: str, tokens: int) -> list[bytes]:
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1767225600, "model": model}
    deltas: list[dict] = [{"role": "assistant", "content": "word"}]
    deltas += [{"content": " word"}] * (tokens - 1)
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ] + [
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": usage(tokens)},
    ]
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]


class Engine:
    def __init__(self) -> None:
        self._whole: dict[tuple, bytes] = {}
        self._events: dict[tuple, list[bytes]] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/v1/chat/completions":
            return web.json_response({"status": "ok"})
        asked = json.loads(await request.read())
        about = asked["model"], int(asked.get("max_tokens") or 16)
        if not asked.get("stream"):
            if about not in self._whole:
                self._whole[about] = whole(*about)
            return web.Response(body=self._whole[about], content_type="application/json")
        if about not in self._events:
            self._events[about] = events(*about)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        pause = int(asked.get("seed") or 0) / 1000
        for event in self._events[about]:
            await response.write(event)
            if pause:
                await asyncio.sleep(pause)
        await response.write_eof()
        return response


async def main(port: int) -> None:
    runner = web.ServerRunner(web.Server(Engine()), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
