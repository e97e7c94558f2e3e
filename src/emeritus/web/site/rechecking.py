"""Asking the provider again about who logged in, so that a plan that lapsed there ends access here."""

import threading
from datetime import timedelta
from typing import Final

import structlog
from attrs import frozen

from emeritus.access import logins, rechecks
from emeritus.access.rechecks import Kept
from emeritus.core.errors import IntegrityError
from emeritus.process.joining import hear
from emeritus.store.sealing import Sealer
from emeritus.web.pages.login import LoginRefused, LoginUnavailable
from emeritus.web.pages.parts import MemberLogin, Parts

_ROUND: Final = timedelta(hours=1)
_LEAST: Final = timedelta(minutes=1)
log = structlog.get_logger("emeritus.logins")


@frozen
class Rechecking:
    """Asks about each member by login, *every* so long after the provider was last heard of them."""

    parts: Parts
    members: MemberLogin
    sealer: Sealer
    every: timedelta

    def run(self, over: threading.Event) -> None:
        """Look round until it is *over*. Runs in a thread."""
        while not over.wait(max(_LEAST, min(_ROUND, self.every / 4)).total_seconds()):
            try:
                self.look()
            except Exception as why:  # noqa: BLE001 - the database may be away; the next round asks again
                log.warning("logins could not be looked at", why=str(why))

    def look(self) -> None:
        """Ask about everybody of whom it is due."""
        with self.parts.read() as work:
            due = rechecks.due(work.log, work.private, self.parts.clock.now(), self.every)
        for member in due:
            self._ask(member)

    def _ask(self, member: str) -> None:
        parts = self.parts
        with parts.work() as work:  # nobody else asks meanwhile: a token may be good for one answer only
            kept = rechecks.take(work.private, member, parts.clock.now(), self.every)
        if kept is None:
            return
        try:
            token = opened(self.sealer, member, kept)
            heard = self.members.login.again(token, kept.who)
        except LoginUnavailable as why:
            log.warning("a login could not be asked about, and is soon", why=str(why))
            return
        except (LoginRefused, IntegrityError) as why:
            log.info("a login is asked about no more", member=member, why=str(why))
            with parts.work() as work:
                rechecks.forget(work.private, member)
            return
        plan = logins.plan_of(heard.claims, self.members.claim, self.members.plans)
        with parts.work() as work:
            settled = hear(work, parts.clock, parts.site_url, heard.claims, plan)
            if settled.member is None or not settled.member.active:
                rechecks.forget(work.private, member)
            else:
                again = sealed(self.sealer, member, heard.refresh or token, kept.who)
                rechecks.keep(work.private, member, again, parts.clock.now())


def sealed(sealer: Sealer, member: str, token: str, who: str) -> Kept:
    """Return what is kept of a login of *member*; *who* is the provider's name for them."""
    return Kept(sealer.seal(token.encode(), _place(member)).hex(), who)


def opened(sealer: Sealer, member: str, kept: Kept) -> str:
    """Return the token that was sealed. Raises IntegrityError: it was not, or by another key."""
    return sealer.open(bytes.fromhex(kept.sealed), _place(member)).decode()


def _place(member: str) -> str:
    return f"login of {member}"
