"""A program that behaves as `vllm serve` does, as far as our adapter touches it: its doors, its key, its sleep.

Read off vLLM's documentation: without ``--enable-sleep-mode`` and VLLM_SERVER_DEV_MODE=1 the doors of sleep are
not there; ``/v1`` asks for the key, the others do not; asleep it answers 503; after level 2 its weights are gone
until they are read again, and what it says until then is noise. Like vLLM it has a child process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from aiohttp import web

from emeritus.voices.fakes import drawn, shapes


class Engine:
    """The server: what it is asked is kept in `log`."""

    def __init__(self, model: str, key: str) -> None:
        self.model = model
        self.key = key
        self.asleep = False
        self.has_weights = True
        self.log: list[str] = []

    @web.middleware
    async def doors(self, request: web.Request, handler) -> web.StreamResponse:
        if request.path != "/health":
            self.log.append(f"{request.method} {request.path_qs}")
        if request.path.startswith("/v1") and request.headers.get("authorization") != f"Bearer {self.key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        return await handler(request)

    def say(self, prompt, sampling, schema) -> str:
        return drawn(prompt, sampling, schema) if self.has_weights else "!!!!"

    async def speak(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        wrong = None
        if self.asleep:
            wrong = {"message": "The model is sleeping", "type": "ServiceUnavailable", "code": 503}
        elif json.loads(body)["model"] != self.model:
            wrong = {"message": "The model does not exist.", "type": "NotFoundError", "code": 404}
        if wrong is not None:
            return web.json_response({"error": wrong}, status=wrong["code"])
        shaped = shapes.answer(request.path, body, self.say)
        response = web.StreamResponse(status=shaped.status, headers={"content-type": shaped.content_type})
        await response.prepare(request)
        for chunk in shaped.chunks:
            await response.write(chunk)
        return response

    async def tokenize(self, request: web.Request) -> web.Response:
        words = (await request.json())["prompt"].split()
        return web.json_response({"count": len(words), "tokens": list(range(len(words)))})

    async def sleep(self, request: web.Request) -> web.Response:
        self.asleep, self.has_weights = True, request.query.get("level", "1") == "1"
        return web.Response()

    async def wake_up(self, _request: web.Request) -> web.Response:
        self.asleep = False
        return web.Response()

    async def rpc(self, request: web.Request) -> web.Response:
        self.has_weights |= (await request.json())["method"] == "reload_weights"
        return web.json_response({"results": [None]})

    async def plain(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def tell(self, request: web.Request) -> web.Response:
        told = {
            "/version": {"version": "0.99.0"},
            "/is_sleeping": {"is_sleeping": self.asleep},
            "/log": self.log,
        }
        return web.json_response(told[request.path])

    def app(self, *, sleeps: bool) -> web.Application:
        app = web.Application(middlewares=[self.doors])
        app.router.add_get("/health", self.plain)
        app.router.add_get("/version", self.tell)
        app.router.add_get("/log", self.tell)
        app.router.add_post("/tokenize", self.tokenize)
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/responses"):
            app.router.add_post(path, self.speak)
        if sleeps:
            app.router.add_post("/sleep", self.sleep)
            app.router.add_post("/wake_up", self.wake_up)
            app.router.add_get("/is_sleeping", self.tell)
            app.router.add_post("/collective_rpc", self.rpc)
            app.router.add_post("/reset_prefix_cache", self.plain)
        return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("serve", choices=["serve"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--enable-sleep-mode", action="store_true")
    parser.add_argument("--max-model-len", type=int)
    asked = parser.parse_args()
    if not asked.path.exists():
        sys.exit(f"OSError: {asked.path} is not there")
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    engine = Engine(asked.served_model_name, os.environ["VLLM_API_KEY"])
    sleeps = asked.enable_sleep_mode and os.environ.get("VLLM_SERVER_DEV_MODE") == "1"
    web.run_app(engine.app(sleeps=sleeps), host=asked.host, port=asked.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
