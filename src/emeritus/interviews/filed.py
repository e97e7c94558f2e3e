"""Reading a filed sitting back: is it canonical, are its words those that were said, is it what the record tells?"""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from emeritus.core.digests import canonical, from_canonical, sha256
from emeritus.core.errors import EmeritusError, IntegrityError
from emeritus.core.speech import Utterance
from emeritus.interviews.export import FORMAT
from emeritus.interviews.sitting import get_sitting
from emeritus.record import Log

_NEXT = "Take the file from the organisation's site, or export the sitting again."


@frozen
class Filed:
    """A filed sitting that holds together in itself. *raw* is all of it."""

    sitting: str
    raw: Mapping[str, Any]
    utterances: tuple[Utterance, ...]
    digest: str

    def check(self, log: Log) -> None:
        """Hold it against a record: each entry it names, and each word that they name.

        Raises:
            IntegrityError: it tells something else than the record. NotFound: the record has no such sitting.
        """
        sitting = get_sitting(log, self.sitting)
        told = [turn.utterance for turn in sitting.turns]
        if told != [words.id for words in self.utterances]:
            raise _broken("its words are not those that the record names")
        for each in self.raw["record"]:
            if not 0 <= each["seq"] < log.size() or log.get(each["seq"]).leaf.hex() != each["leaf"]:
                raise _broken(f"entry {each['seq']} of the record is another one")


def read_filed(data: bytes) -> Filed:
    """Read a file that `export_sitting` wrote. Raises IntegrityError when it does not hold together."""
    try:
        raw = from_canonical(data)
        if raw["format"] != FORMAT:
            raise _broken(f"its format is {str(raw['format'])[:40]!r}, and this release reads {FORMAT}")
        if sha256(raw["protocol"]["text"].encode()) != raw["protocol"]["digest"]:
            raise _broken("the protocol in it is not the one that it names")
        words = tuple(_utterance(each) for each in raw["exchanges"])
        named = [(int(each["seq"]), str(each["leaf"])) for each in raw["record"]]
        return Filed(
            str(raw["sitting"]),
            {**raw, "record": [{"seq": seq, "leaf": leaf} for seq, leaf in named]},
            words,
            sha256(data),
        )
    except IntegrityError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, EmeritusError):
        raise _broken("it is no sitting") from None


def _utterance(exchange: Mapping[str, Any]) -> Utterance:
    told = dict(exchange["utterance"])
    name = str(told.pop("id"))
    words = Utterance.from_canonical(canonical(told), name)
    last = "\n\n".join(filter(None, (exchange["shared"], exchange["asked"])))
    if words.prompt[-1].content != last:
        raise _broken(f"what was asked in turn {exchange['number']} is not what the model was asked")
    return words


def _broken(why: str) -> IntegrityError:
    return IntegrityError(f"This file is not a sitting as it was filed: {why}.", next_step=_NEXT)
