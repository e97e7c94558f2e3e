"""Applicants: who applies, where they are reached, and the receipt by which they are known. All of it is private."""

import unicodedata
from typing import Any

from emeritus.access import keys as secret
from emeritus.core.digests import sha256
from emeritus.core.errors import NotFound
from emeritus.record.private import Private

MOST_OF_CONTACT = 200
"""So many of the newest applications of one contact are remembered beside each other."""


def applicant(private: Private, application: str) -> dict[str, Any]:
    """Return who applies, their contact and purpose. Raises NotFound when that has been forgotten."""
    facts = private.get(fact(application))
    return {name: facts[name] for name in ("who", "contact", "purpose")}


def appeal_of(private: Private, application: str) -> str | None:
    """Return what an appeal says for another answer; None where there is none, or it was forgotten."""
    try:
        return str(private.get(appeal_fact(application))["why"])
    except NotFound:
        return None


def holds_receipt(private: Private, application: str, receipt: str) -> bool:
    """Tell whether *receipt* is the one that this applicant was given."""
    try:
        kept = str(private.get(fact(application))["receipt"])
    except (NotFound, KeyError):
        kept = secret.hashed("")
    return secret.same(receipt, kept) and secret.well_formed(receipt, secret.RECEIPT)


def of_contact(private: Private, contact: str) -> list[str]:
    """Return the ids of the applications that came from *contact*, in order."""
    try:
        return list(private.get(_contact(contact))["applications"])
    except NotFound:
        return []


def note_contact(private: Private, contact: str, application: str) -> None:
    """Remember that *application* came from *contact*."""
    private.lock(_contact(contact))
    found = [*of_contact(private, contact), application]
    private.put(_contact(contact), {"applications": found[-MOST_OF_CONTACT:]})


def _contact(contact: str) -> str:
    plain = " ".join(unicodedata.normalize("NFKC", contact).casefold().split())
    return f"contact:{sha256(plain.encode())[:40]}"


def fact(application: str) -> str:
    """Return the name of the private fact about who made an application."""
    return f"application:{application}"


def appeal_fact(application: str) -> str:
    """Return the name of the private fact about why an application was appealed."""
    return f"appeal:{application}"
