"""The routes of the Hub: reading only, at the paths that its clients ask."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import anyio.to_thread
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.core.clock import instant
from emeritus.core.errors import EmeritusError
from emeritus.core.ids import new_id
from emeritus.web.hub import answers, ranges, snapshot
from emeritus.web.hub.asked import Asked, Malformed, parse
from emeritus.web.hub.door import Door, Handed, Refused, Repository, no_entry
from emeritus.web.hub.download import Download
from emeritus.web.hub.lanes import Lanes
from emeritus.web.hub.parts import Parts

PAGE: Final = 1000
SHORT_PAGE: Final = 50
MAX_BODY: Final = 2 << 20
MAX_PATHS: Final = 10_000
_EVERY: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_TRUE: Final = frozenset({"true", "True", "1"})

Endpoint = Callable[[Request], Awaitable[Response | Download]]


def create_hub(parts: Parts) -> list[Route]:
    """Return the Hub's routes, to be put into a Starlette application before those of the site."""
    hub = _Hub(parts)
    return [
        Route("/api/models", _safe(hub.models), methods=["GET"]),
        Route("/api/models/{rest:path}", _safe(hub.about), methods=["GET", "POST"]),
        Route("/api/whoami-v2", _safe(hub.whoami), methods=["GET"]),
        Route("/api/{rest:path}", _safe(hub.nothing_here), methods=_EVERY),
        Route("/{repo}/resolve/{rest:path}", _safe(hub.resolve), methods=["GET"]),
        Route("/{namespace}/{repo}/resolve/{rest:path}", _safe(hub.resolve), methods=["GET"]),
    ]


def _safe(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response | Download:
        try:
            return await endpoint(request)
        except Refused as why:
            return answers.refused(why)
        except EmeritusError as error:
            return answers.failed(error)
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


class _Hub:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._door = Door(parts)
        self._lanes = Lanes(parts.streams, parts.patience)

    # ---- about models ----

    async def models(self, request: Request) -> Response:
        """List the models whose weights are here."""
        query = request.query_params
        found, author = await anyio.to_thread.run_sync(self._door.listed)
        wanted = query.get("search", "").lower().split()
        if query.get("author", author) != author:
            found = []
        after = query.get("cursor", "")
        chosen = sorted(
            (
                snapshot.facts(model, author=author, tier=policy.tier)
                for model, policy in found
                if model.id > after
                and all(word in f"{author}/{model.id} {model.display_name}".lower() for word in wanted)
            ),
            key=lambda told: str(told["id"]),
        )
        tags = set(query.getlist("filter"))
        chosen = [told for told in chosen if tags <= set(told["tags"])]
        size = min(_number(query.get("limit")) or PAGE, PAGE)
        headers = {}
        if len(chosen) > size:
            headers["link"] = self._next(request, str(chosen[size - 1]["id"]))
        return answers.json_answer(chosen[:size], headers=headers)

    async def about(self, request: Request) -> Response:
        """Answer what is asked about one model."""
        asked = parse(request)
        if asked is None or (request.method == "POST") != (asked.what == "paths-info"):
            return await self.nothing_here(request)
        return await self._about(request, asked)

    async def _about(self, request: Request, asked: Asked) -> Response:
        if asked.what == "auth-check":
            await anyio.to_thread.run_sync(self._door.may, asked.repo, key_of(request))
            return answers.json_answer({})
        found = await anyio.to_thread.run_sync(self._door.repository, asked.repo, asked.revision)
        if asked.what == "paths-info":
            return await self._paths(request, found)
        if asked.what == "info":
            return await self._info(request, found)
        match asked.what:
            case "tree":
                return self._tree(request, found, asked.path)
            case "refs":
                told: object = snapshot.refs(found.snapshot)
            case _:
                told = snapshot.commits(found.model, found.snapshot)
        return answers.json_answer(told, headers=_commit(found))

    async def _info(self, request: Request, found: Repository) -> Response:
        author = await anyio.to_thread.run_sync(self._door.namespace)
        told = snapshot.details(
            found.model,
            found.snapshot,
            author=author,
            tier=found.policy.tier,
            page=self._door.links.model(found.model.id),
            blobs=request.query_params.get("blobs") in _TRUE,
        )
        expand = {*request.query_params.getlist("expand"), *request.query_params.getlist("expand[]")}
        if expand:
            told = {name: value for name, value in told.items() if name in {"_id", "id", *expand}}
        return answers.json_answer(told, headers=_commit(found))

    def _tree(self, request: Request, found: Repository, path: str) -> Response:
        query = request.query_params
        if path and path not in found.snapshot.folders:
            raise no_entry(found, path)
        expand = query.get("expand") in _TRUE
        last = snapshot.last_commit(found.model, found.snapshot) if expand else None
        recursive, after = query.get("recursive") in _TRUE, query.get("cursor", "")
        entries = [
            each for each in found.snapshot.below(path, recursive=recursive) if snapshot.path_of(each) > after
        ]
        size = min(_number(query.get("limit")) or PAGE, SHORT_PAGE if expand else PAGE)
        headers = _commit(found)
        if len(entries) > size:
            headers["link"] = self._next(request, snapshot.path_of(entries[size - 1]))
        return answers.json_answer([snapshot.entry(each, last) for each in entries[:size]], headers=headers)

    async def _paths(self, request: Request, found: Repository) -> Response:
        paths, expand = _paths_asked(request.headers.get("content-type", ""), await _body(request))
        last = snapshot.last_commit(found.model, found.snapshot) if expand else None
        here = found.snapshot.everything
        names = dict.fromkeys(path.strip("/") for path in paths)
        told = [snapshot.entry(here[name], last) for name in names if name in here]
        return answers.json_answer(told, headers=_commit(found))

    # ---- keys ----

    async def whoami(self, request: Request) -> Response:
        """Say whose key this is: `hf auth login` asks."""
        key = await anyio.to_thread.run_sync(self._door.who, key_of(request))
        if key is None:
            told = f"This is no key of this house, or it has ended. Apply for one: {self._door.links.apply}."
            return answers.refusal(told, 401, "key_unknown")
        author = await anyio.to_thread.run_sync(self._door.namespace)
        token = {"displayName": key.id, "role": "read", "createdAt": instant(key.made_at)}
        about = {
            "type": "user",
            "id": key.holder,
            "name": key.holder,
            "fullname": key.holder,
            "isPro": False,
            "orgs": [
                {"type": "org", "id": author, "name": author, "fullname": author, "isEnterprise": False}
            ],
            "auth": {"type": "access_token", "accessToken": token},
        }
        return answers.json_answer(about)

    # ---- files ----

    async def resolve(self, request: Request) -> Response | Download:
        """Give a file, or a part of it."""
        asked = parse(request)
        if asked is None:
            return await self.nothing_here(request)
        key_text = key_of(request)
        handed: Handed = await anyio.to_thread.run_sync(
            self._door.file, asked.repo, asked.revision, asked.path, key_text
        )
        file, commit = handed.file, handed.repository.snapshot.commit
        etag = snapshot.etag_of(file)
        if ranges.is_another(request.headers, etag):
            return answers.refusal("The file is another than you expect.", 412, "precondition")
        if ranges.is_known(request.headers, etag):
            return Response(status_code=304, headers={**answers.commit_header(commit), "etag": etag})
        try:
            part = ranges.choose(request.headers, file.size, etag)
        except ranges.Unsatisfiable:
            told = f"{file.name} has {file.size} bytes; the range begins behind them."
            return answers.refusal(told, 416, "range", {"content-range": f"bytes */{file.size}"})
        if request.method == "HEAD":
            headers = answers.file_headers(file, commit, part)
            return Response(status_code=206 if part.partial else 200, headers=headers)
        caller = handed.admission.key_id
        if handed.admission.ground == "public" and request.client is not None:
            caller = f"{caller} {request.client.host}"
        request_id = new_id("get", self._parts.clock.now())
        return Download(self._parts, self._door, self._lanes, handed, part, request_id, key_text, caller)

    async def nothing_here(self, request: Request) -> Response:
        """Answer what this Hub does not have: data sets, spaces, uploads."""
        shown = "".join(char if char.isprintable() else "?" for char in request.url.path[:96])
        told = f"There is no {request.method} {shown} here. This is a read-only Hub of preserved models."
        code = (
            "RepoNotFound" if request.url.path.startswith(("/api/datasets/", "/api/spaces/")) else "not_found"
        )
        return answers.refusal(told, 404, code)

    def _next(self, request: Request, cursor: str) -> str:
        """Return a link to the next page, at the address that the caller used."""
        site = urlsplit(self._parts.site_url)
        host = request.headers.get("host", request.url.netloc)
        scheme = site.scheme if site.netloc == host else request.url.scheme
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        path = request.scope.get("raw_path", b"").decode("ascii", "replace") or request.url.path
        return f'<{scheme}://{host}{path}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'


def key_of(request: Request) -> str | None:
    """Return the key of a request, where the Hub's clients put it."""
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" and text.strip() else None


def _commit(found: Repository) -> dict[str, str]:
    return answers.commit_header(found.snapshot.commit)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else 0


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise Malformed("The list of paths is too long.", next_step="Ask for fewer at once.")
    return bytes(data)


class _Paths(msgspec.Struct):
    paths: list[str] | str = []
    expand: bool = False


def _paths_asked(kind: str, body: bytes) -> tuple[list[str], bool]:
    """Read a form (as the Python client sends it) or JSON (as others do)."""
    try:
        if kind.partition(";")[0].strip().lower() == "application/json":
            told = msgspec.json.decode(body, type=_Paths)
            return ([told.paths] if isinstance(told.paths, str) else told.paths)[:MAX_PATHS], told.expand
        fields = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_PATHS)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Malformed(
            "The list of paths cannot be read.", next_step="Send 'paths' as a form or as JSON."
        ) from None
    paths = [value for name, value in fields if name in ("paths", "paths[]")]
    return paths, any(name == "expand" and value in _TRUE for name, value in fields)
