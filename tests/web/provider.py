"""A small, real OpenID Connect provider on loopback: discovery, code flow with PKCE, signed ID tokens, and faults."""

import base64
import hashlib
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey


class Provider:
    """Logs in `user` without asking; what is in `change` is put into the ID token, None takes a claim out."""

    client, secret = "emeritus", "the-client-secret"

    def __init__(self, now) -> None:
        self.now = now
        self.user: dict[str, Any] = {"sub": "user-1", "name": "Mo Reader", "plan": "pro"}
        self.change: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.signs_with: Any = self.key
        self.alg = "RS256"
        self.down = False
        self.wrong_issuer = False
        self.codes: dict[str, dict[str, str]] = {}
        self.seen: list[dict[str, str]] = []
        self.lets_ask = False
        """Gives refresh tokens, each good for one answer."""
        self.tells_in_person = False
        """Leaves the ID token out of such an answer, and tells of people at its userinfo endpoint."""
        self.refreshes: set[str] = set()

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.post(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        if self.down:
            return self.answer(handler, 500, {})
        if url.path == "/.well-known/openid-configuration":
            told = {name: f"{self.issuer}/{name}" for name in ("authorize", "token", "keys", "userinfo")}
            return self.answer(
                handler,
                200,
                {
                    "issuer": self.issuer + ("/other" if self.wrong_issuer else ""),
                    "authorization_endpoint": told["authorize"],
                    "token_endpoint": told["token"],
                    "jwks_uri": told["keys"],
                    "userinfo_endpoint": told["userinfo"],
                },
            )
        if url.path == "/keys":
            return self.answer(handler, 200, {"keys": [self.key.as_dict(private=False)]})
        if url.path == "/userinfo":
            assert handler.headers["authorization"] == "Bearer x"
            told = {**self.user, **self.change}
            return self.answer(
                handler, 200, {name: value for name, value in told.items() if value is not None}
            )
        assert url.path == "/authorize"
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == self.client
        assert "openid" in asked["scope"].split()
        self.seen.append(asked)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        handler.send_response(302)
        handler.send_header("location", f"{asked['redirect_uri']}?{back}")
        handler.end_headers()
        return None

    def post(self, handler: BaseHTTPRequestHandler) -> None:
        assert handler.path == "/token"
        body = handler.rfile.read(int(handler.headers["content-length"])).decode()
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        basic = base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        asked = self.codes.pop(sent.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
        if handler.headers["authorization"] != f"Basic {basic}":
            return self.answer(handler, 401, {"error": "invalid_client"})
        if self.down:
            return self.answer(handler, 503, {"error": "temporarily_unavailable"})
        if sent["grant_type"] == "refresh_token":
            if sent["refresh_token"] not in self.refreshes:
                return self.answer(handler, 400, {"error": "invalid_grant"})
            self.refreshes.remove(sent["refresh_token"])
            return self.give(handler, None if self.tells_in_person else self.token({"nonce": None}))
        if (
            asked is None
            or asked["redirect_uri"] != sent.get("redirect_uri")
            or challenge.rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return self.answer(handler, 400, {"error": "invalid_grant"})
        return self.give(handler, self.token(asked))

    def give(self, handler: BaseHTTPRequestHandler, id_token: str | None) -> None:
        told = {"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": id_token}
        if self.lets_ask:
            told["refresh_token"] = secrets.token_urlsafe(16)
            self.refreshes.add(told["refresh_token"])
        return self.answer(handler, 200, {name: value for name, value in told.items() if value is not None})

    def token(self, asked: dict[str, str | None]) -> str | None:
        now = int(self.now().timestamp())
        claims = {
            "iss": self.issuer, "aud": self.client, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            **self.user, **self.change,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.alg == "none":
            parts = (json.dumps({"alg": "none"}), json.dumps(claims))
            return ".".join(base64.urlsafe_b64encode(p.encode()).rstrip(b"=").decode() for p in parts) + "."
        if self.signs_with is None:
            return None
        return jwt.encode({"alg": self.alg, "kid": "one"}, claims, self.signs_with, algorithms=[self.alg])

    @staticmethod
    def answer(handler: BaseHTTPRequestHandler, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


def other_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one"})


def shared_secret() -> OctKey:
    return OctKey.import_key(Provider.secret * 3)


def curve_key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
