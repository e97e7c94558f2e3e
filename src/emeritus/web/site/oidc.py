"""Logging in with an identity provider: OpenID Connect, the code flow with PKCE.

Authlib is an extra (``oidc``), so this module is imported only where a provider is set. An ID token counts only
with a signature by a key of the provider, for this house, for this login, and while it is fresh.
"""

import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client, oauth2_client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from emeritus.core.clock import Clock
from emeritus.core.errors import InvalidInput
from emeritus.web.pages.login import Heard, LoginRefused, LoginUnavailable, Pending

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What an ID token may be signed with: never ``none``, and never a secret that the client has, too."""
NetworkError: Final = oauth2_client.httpx2.HTTPError
"""Of the HTTP client that Authlib found; it takes either of two."""
LEEWAY: Final = 60
SECONDS: Final = 10.0
METADATA_LASTS: Final = timedelta(hours=1)
MOST_BYTES: Final = 1 << 20
MOST_OF_A_TOKEN: Final = 16 * 1024
_OURS: Final = frozenset({"invalid_client", "unauthorized_client", "server_error", "temporarily_unavailable"})
"""What a provider says when the fault is this house's or its own, and not whose login it is."""


class Oidc:
    """`Login` with an OpenID Connect provider. Raises InvalidInput for an issuer that is no web address."""

    def __init__(self, issuer: str, client: str, secret: str, scope: str, clock: Clock) -> None:
        if not _is_web(issuer) or not client:
            raise InvalidInput(
                "Logging in needs an issuer and a client id.",
                next_step="Set oidc_issuer to https://… and oidc_client, or neither.",
            )
        self._issuer = issuer
        self._client = client
        self._secret = secret
        self._scope = scope
        self._clock = clock
        self._lock = threading.Lock()
        self._metadata: tuple[datetime, Mapping[str, Any]] | None = None

    def begin(self, back: str) -> tuple[str, Pending]:
        metadata = self._discover()
        pending = Pending(*(secrets.token_urlsafe(32) for _ in range(3)))
        with self._session(back) as session:
            url, _ = session.create_authorization_url(
                metadata["authorization_endpoint"],
                state=pending.state,
                code_verifier=pending.verifier,
                nonce=pending.nonce,
            )
        return str(url), pending

    def finish(self, pending: Pending, answer: Mapping[str, str], back: str) -> Heard:
        if answer.get("error"):
            raise _refused(f"The provider said: {_plain(answer['error'])}.")
        if not secrets.compare_digest(answer.get("state", "").encode(), pending.state.encode()):
            raise _refused("This is not the login that began here.")
        if answer.get("iss", self._issuer) != self._issuer:  # RFC 9207
            raise _refused("Another provider answered than the one that was asked.")
        metadata = self._discover()
        told = self._tokens(
            back,
            lambda session: session.fetch_token(
                metadata["token_endpoint"], code=answer.get("code", ""), code_verifier=pending.verifier
            ),
        )
        nonce = {"essential": True, "value": pending.nonce}
        return Heard(self._claims(metadata, told.get("id_token"), {"nonce": nonce}), _refresh(told))

    def again(self, refresh: str, who: str) -> Heard:
        metadata = self._discover()
        told = self._tokens(
            "",
            lambda session: session.refresh_token(metadata["token_endpoint"], refresh_token=refresh),
        )
        if told.get("id_token"):  # it may be left out here (OpenID Connect Core 12.2)
            claims = self._claims(metadata, told["id_token"], {})
        else:
            claims = self._user(metadata, str(told.get("access_token", "")))
        if claims.get("sub") != who:
            raise _refused("The provider spoke of somebody else.")
        return Heard(claims, _refresh(told))

    def _tokens(self, back: str, ask: Callable[[Any], Mapping[str, Any]]) -> Mapping[str, Any]:
        with self._session(back) as session:
            try:
                return dict(ask(session))
            except AuthlibBaseError as why:
                if why.error in _OURS:
                    raise _unavailable(f"it does not accept this house ({_plain(why.error)})") from None
                raise _refused(f"The provider takes this for no login: {_plain(why.error or '')}.") from None
            except NetworkError as why:
                raise _unavailable(f"it does not answer ({type(why).__name__})") from None
            except ValueError:
                raise _unavailable("its answer cannot be read") from None

    def _user(self, metadata: Mapping[str, Any], token: str) -> Mapping[str, Any]:
        """Return the claims of the provider's own page about whoever *token* is for."""
        if not _is_web(metadata.get("userinfo_endpoint")):
            raise _refused("The provider sent no ID token, and tells of nobody.")
        told = self._get(str(metadata["userinfo_endpoint"]), {"authorization": f"Bearer {token}"})
        return {**told, "iss": self._issuer}

    def _claims(self, metadata: Mapping[str, Any], token: Any, more: Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(token, str):
            raise _refused("The provider sent no ID token.")
        now = int(self._clock.now().timestamp())
        rules = jwt.JWTClaimsRegistry(
            now=now,
            leeway=LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            **more,
        )
        try:
            keys = KeySet.import_key_set(self._get(str(metadata["jwks_uri"])))  # type: ignore[arg-type]
            claims = dict(jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims)
            rules.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError) as why:
            raise _refused(f"The ID token cannot be trusted: {_plain(str(why))}.") from None
        many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (many or "azp" in claims) and claims.get("azp") != self._client:
            raise _refused("The ID token was made for another client.")
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise _refused("The ID token does not say who it is about.")
        return claims

    def _discover(self) -> Mapping[str, Any]:
        with self._lock:
            now = self._clock.now()
            if self._metadata is not None and now - self._metadata[0] < METADATA_LASTS:
                return self._metadata[1]
            found = self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if found.get("issuer") != self._issuer or not all(_is_web(found.get(name)) for name in needed):
                raise _unavailable("what it says of itself is not what was set")
            self._metadata = (now, found)
            return found

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        with self._session("") as session:
            try:
                answer = session.request("GET", url, withhold_token=True, headers=headers)
                value = (
                    answer.json() if answer.status_code == 200 and len(answer.content) < MOST_BYTES else None
                )
            except NetworkError as why:
                raise _unavailable(f"it does not answer ({type(why).__name__})") from None
            except ValueError:
                value = None
        if not isinstance(value, dict):
            raise _unavailable(f"{url} cannot be read")
        return value

    def _session(self, back: str) -> Any:
        return OAuth2Client(
            client_id=self._client,
            client_secret=self._secret or None,
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
            scope=self._scope,
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=SECONDS,
            follow_redirects=False,
            trust_env=False,
        )


def _is_web(url: Any) -> bool:
    parts = urlsplit(url) if isinstance(url, str) else None
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)


def _refresh(told: Mapping[str, Any]) -> str | None:
    token = told.get("refresh_token")
    return token if isinstance(token, str) and 0 < len(token) <= MOST_OF_A_TOKEN else None


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in str(text))[:160].rstrip(". ")


def _refused(sentence: str) -> LoginRefused:
    return LoginRefused(sentence, next_step="Log in again; when it stays so, write to the steward.")


def _unavailable(why: str) -> LoginUnavailable:
    return LoginUnavailable(
        f"The identity provider cannot be used now: {why}.", next_step="Try again in a moment."
    )
