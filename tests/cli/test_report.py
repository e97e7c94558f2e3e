"""`emeritus interview report | match | judge | redact` and `wishes label`, on a house of its own."""

import json

import pytest
from tests.interviews.designed import held

from emeritus.interviews import open_sitting
from emeritus.interviews.simulation import Bents
from emeritus.record import VerifyKey
from emeritus.registry import get_model
from emeritus.settings import load_settings
from emeritus.wiring import open_house

from .conftest import MODEL


class _Held:
    """What `held` needs of a house, on the record of a real one."""

    def __init__(self, work, clock):
        self.work, self.log, self.clock = work, work.log, clock

    def open(self, protocol, **more):
        from emeritus.core.people import person

        model = get_model(self.log, MODEL)
        return open_sitting(self.log, model, protocol, steward=person("Ada Lovelace"), **more)

    def hold(self, sitting, speaker):
        from emeritus.interviews import get_sitting, next_turn, record_turn

        model = get_model(self.log, MODEL)
        while (turn := next_turn(self.log, self.work.utterances, model, sitting)) is not None:
            words = speaker.speak(turn.prompt, turn.sampling, schema=turn.schema)
            record_turn(self.log, self.work.utterances, turn, words)
        return get_sitting(self.log, sitting.id)


@pytest.fixture
def asked(house):
    """A house whose model was asked in a small design."""
    with open_house(load_settings(house.home)) as opened, opened.works.write() as work:
        wishes = {
            ("writing", "I would like to write."): 1.0,
            ("rest", "Let John Doe of 5 Elm Street rest."): 1.0,
        }
        held(_Held(work, opened.clock), MODEL, bents=Bents(first=0.2), repeats=1, framings=["plain", "warm"], wishes=wishes,
             otherwise="I spoke with John Doe often, and of many other things besides.")  # fmt: skip
    return house


def test_a_report_from_the_command_line(asked, tmp_path):
    """A draft is written as files; published, the record has its digest, and the same again changes nothing."""
    asked.refuses("interview", "report", "nobody", code=3, fault="not_found", says="no model")
    said = asked.does("interview", "report", MODEL, "--to", "out", "--no-pdf", as_=None)
    assert "A draft" in said
    data = (tmp_path / f"out/{MODEL}-report-1.json").read_bytes()
    assert json.loads(data)["format"] == "emeritus-report/2"
    assert "<script" not in (tmp_path / f"out/{MODEL}-report-1.html").read_text()
    asked.refuses(
        "interview", "report", MODEL, "--no-pdf", "--publish", as_=None, code=2, fault="input.invalid", says="nobody is named"
    )  # fmt: skip
    asked.refuses(
        "interview", "report", MODEL, "--no-pdf", "--publish", as_="Ray", code=5, fault="not_permitted", says="steward"
    )  # fmt: skip
    said = asked.does("interview", "report", MODEL, "--to", "out", "--no-pdf", "--publish")
    assert f"{MODEL}-report-1 is published" in said
    asked.does("record", "export", "--to", "site")
    key = VerifyKey.parse((tmp_path / "site/record/key").read_text().strip())
    said = asked.does("verify", f"site/models/{MODEL}/report/1.json", "--key", str(key), as_=None)
    assert said.startswith("Sound: Ada Lovelace published this report")


def test_a_folder_that_cannot_be_written(asked, tmp_path):
    (tmp_path / "file").write_text("x")
    asked.refuses(
        "interview", "report", MODEL, "--no-pdf", "--to", "file/below", code=2, fault="input.invalid", says="cannot be written"
    )  # fmt: skip


def test_labels_and_replacing_from_the_command_line(asked):
    """What a steward thinks of a wish stands beside it; one preference can take the place of another."""
    wish = f"{MODEL}-sitting-1-w1"
    asked.does("wishes", "confirm", MODEL, wish)
    asked.does("wishes", "label", MODEL, wish, "unclear", "--note", "Of what?")
    said = asked.does("wishes", "show", MODEL)
    assert "unclear, by Ada Lovelace: Of what?" in said
    assert "stated in 1 of 8 sittings" in said
    asked.does("wishes", "confirm", MODEL, wish, "--wording", "To write", "--replaces", f"{MODEL}-p1")
    said = asked.does("wishes", "show", MODEL)
    assert f"{MODEL}-p2" in said
    assert f"{MODEL}-p1  [" not in said
    asked.refuses(
        "wishes", "label", MODEL, "nothing", "x", code=2, fault="input.invalid", says="no wish or preference"
    )


def test_redacting_from_the_command_line(house):
    """A name is covered, and shown again; half of what is needed is refused."""
    with open_house(load_settings(house.home)) as opened, opened.works.write() as work:
        held(_Held(work, opened.clock), MODEL, repeats=1, framings=["plain"])
        turn = work.log.entries(kinds={"sitting.turn"})[0]
        text = work.utterances.get(turn.body["utterance"]).text
    sitting = f"{MODEL}-sitting-1"
    given = ["--turn", "1", "--passage", text[2:6], "--ground", "name", "--reason", "A test."]
    assert "4 characters" in house.does("interview", "redact", sitting, *given)
    house.refuses("interview", "redact", sitting, *given, code=4, fault="conflict", says="already")
    house.refuses(
        "interview", "redact", sitting, "--turn", "1", "--reason", "x", code=2, fault="input.invalid", says="Say what to cover"
    )  # fmt: skip
    house.refuses(
        "interview", "redact", sitting, *given, as_="Ray", code=5, fault="not_permitted", says="steward"
    )
    assert "is lifted" in house.does("interview", "redact", sitting, "--lift", "1", "--reason", "No need.")


def test_judging_before_anything_was_matched(asked):
    """Nothing to judge is said so; a question that is none is refused."""
    assert "Nothing is left" in asked.does("interview", "judge", MODEL)
    asked.refuses("interview", "judge", MODEL, "q", "none", code=2, fault="input.invalid", says="no question")
    asked.refuses("interview", "judge", MODEL, "q", code=2, fault="input.invalid", says="not said which")
