"""The record as a tiled log (C2SP tlog-tiles): checkpoint, tiles and bundles below ``/record/``."""

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from emeritus.core.errors import InvalidInput, NotFound
from emeritus.record import merkle
from emeritus.record.edge import WIDTH
from emeritus.record.tiles import Tile, bundle
from emeritus.web.pages.rendering import House

# Anybody's page may read the record, such as one that checks it.
OPEN = {"access-control-allow-origin": "*"}
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", **OPEN}


def as_json(body: Mapping[str, Any]) -> Response:
    """Return *body* for machines, and for whoever reads what machines read."""
    return Response(json.dumps(body, indent=1) + "\n", headers=OPEN, media_type="application/json")


def base64_of(data: bytes) -> str:
    """Write a hash."""
    return base64.b64encode(data).decode()


def number(request: Request, name: str, default: int) -> int:
    """Return a whole number from the query. Raises InvalidInput."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidInput(
            f"{text[:40]!r} is no place on the record.", next_step=f"Give {name} as a whole number, from 0."
        )
    return int(text)


@frozen
class TilePages:
    """The endpoints."""

    house: House

    def consistency(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            size = work.log.checkpoint().size
            old, new = number(request, "old", 1), number(request, "new", size)
            if not 0 < old <= new <= size:
                raise InvalidInput(
                    f"There is no proof that {new} entries extend {old} here.",
                    next_step=f"Ask for sizes with 0 < old <= new <= {size}.",
                )
            path = merkle.consistency(work.log, old, new)
            roots = merkle.root(work.log, old), merkle.root(work.log, new)
        body = {
            "old": old,
            "new": new,
            "path": [base64_of(part) for part in path],
            "old_root": base64_of(roots[0]),
            "new_root": base64_of(roots[1]),
        }
        return as_json(body)

    def checkpoint(self, _: Request) -> Response:
        with self.house.parts.read() as work:
            note = work.log.signed_checkpoint()
        return PlainTextResponse(note, headers=OPEN)

    def witnessed(self, _: Request) -> Response:
        with self.house.parts.read() as work:
            note = work.log.cosigned_checkpoint()
        if note is None:
            raise NotFound(
                "No witness has cosigned a checkpoint of this record yet.",
                next_step="Take the one that the house itself signs: /record/checkpoint.",
            )
        return PlainTextResponse(note, headers=OPEN)

    def tile(self, request: Request) -> Response:
        tile = Tile.parse(f"tile/{request.path_params['path']}")
        with self.house.parts.read() as work:
            size = work.log.checkpoint().size
            if not tile.fits(size):
                raise NotFound(
                    f"A tree of {size} entries has no {tile.path}.",
                    next_step="Fetch /record/checkpoint first: its size says which tiles there are.",
                )
            if tile.level is None:
                begin = tile.position * WIDTH
                found = work.log.entries(begin=begin, limit=tile.width)
                data = bundle([entry.data for entry in found])
            else:
                data = work.log.tile(tile.level, tile.position, tile.width)
        headers = {"cache-control": "public, max-age=31536000, immutable", **OPEN}
        if tile.level is None:
            headers["vary"] = "accept-encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                data = gzip.compress(data, mtime=0)
                headers["content-encoding"] = "gzip"
        return Response(data, headers=headers, media_type="application/octet-stream")


def routes(house: House) -> list[Route]:
    pages = TilePages(house)
    return [
        Route("/record/checkpoint", pages.checkpoint),
        Route("/record/checkpoint/witnessed", pages.witnessed),
        Route("/record/tile/{path:path}", pages.tile),
        Route("/record/consistency", pages.consistency),
    ]
