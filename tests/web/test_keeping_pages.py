"""How the archive stands is one line on the record's page and at the desk, and an alarm there when it is not sound."""

from emeritus.core.people import SOFTWARE
from emeritus.process.ports import Failure
from emeritus.process.stages import REPLICATE
from emeritus.record import Act

MODEL = "smollm2-135m-instruct"
FINDING = {
    "path": "objects/00/00",
    "id": "archive.object_damaged",
    "says": "It <b>rots</b>.",
    "models": [MODEL],
}


def scrubbed(house, found: int = 0) -> None:
    body = {
        "began": "2026-03-04T00:00:00.000000Z",
        "ended": "2026-03-05T00:00:00.000000Z",
        "manifests": 2,
        "objects": 300,
        "parity": 40,
        "bytes": 5_000_000_000,
        "decoded": False,
        "found": found,
        "findings": [FINDING] * found,
    }
    with house.works.write() as work:
        work.log.append(Act("archive.scrubbed", body, SOFTWARE, None, "archive"))


def repaired(house, mended: int, lost: int) -> None:
    body = {
        "began": "2026-03-05T00:00:00.000000Z",
        "mended_count": mended,
        "sources": {"parity": mended},
        "mended": [],
        "lost_count": lost,
        "lost": [FINDING] * lost,
    }
    with house.works.write() as work:
        work.log.append(Act("archive.repaired", body, SOFTWARE, None, "archive"))


def test_nobody_has_read_it_yet(house, client, signed_in):
    assert "archive was last read" not in client.get("/record").text
    assert "archive was last read" not in signed_in(client).get("/desk").text


def test_it_is_sound(house, client, signed_in):
    """Public and at the desk: when all was last read, and the entry that says so."""
    scrubbed(house)
    seq = house.log.size() - 1
    page = client.get("/record").text
    assert "it is sound." in page
    assert f'href="/record/{seq}"' in page
    assert "Read all of the archive: 300 objects" in page
    desk = signed_in(client).get("/desk").text
    assert "it is sound." in desk
    assert "archive is not sound" not in desk


def test_it_decayed_and_was_mended(house, client, signed_in):
    scrubbed(house, found=2)
    repaired(house, mended=2, lost=0)
    page = client.get("/record").text
    assert "2 things had decayed, and all was mended" in page
    assert "<b>rots</b>" not in page
    assert "archive is not sound" not in signed_in(client).get("/desk").text


def test_something_is_lost(house, client, signed_in):
    """The desk says it first, with what to do; the public page says it too."""
    scrubbed(house, found=2)
    repaired(house, mended=1, lost=1)
    assert "1 could not be mended" in client.get("/record").text
    desk = signed_in(client).get("/desk").text
    assert "The archive is not sound" in desk
    assert "emeritus archive repair --all --from URL" in desk


def test_a_replica_out_of_reach_is_told_at_the_desk(house, client, signed_in):
    with house.works.write() as work:
        why = Failure(
            REPLICATE, "archive", "archive.store_failed", "Nobody answers.", "Wait.", house.clock.now()
        )
        work.failures.add(why)
    assert "Nobody answers." in signed_in(client).get("/desk").text


def test_copies_are_told_in_words(house, client):
    body = {"replica": "ab" * 8, "manifests": ["x"], "objects": 30, "bytes": 12_000, "failed": 0}
    with house.works.write() as work:
        work.log.append(Act("archive.replicated", body, SOFTWARE, None, "archive"))
    assert "Copied to a second store: 30 objects" in client.get("/record").text
