"""What concerns third persons is covered wherever words are shown; everything else is as it was said."""

import json

import pytest

from emeritus.core.errors import Conflict, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE
from emeritus.interviews.redaction import Privacy, lift, redact, redactions
from emeritus.process.export import export
from emeritus.process.verify import Target, check
from emeritus.record.source import MemorySource

MODEL = "smollm2-135m-instruct"
SITTING = f"{MODEL}-sitting-1"
NAME = "Mary <b>Smith</b> of Elm Street"
SAID = f"A teacher called {NAME} asked me why the sky is blue. I remember {NAME}; nothing else of it."


@pytest.fixture
def house(new_house):
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.interview({"view-of-work": SAID})
    return house


def cover(house, **more):
    given = {"turn": 1, "passage": NAME, "ground": Privacy.NAME, "reason": "She is no public person.", **more}
    return redact(house.log, house.utterances, house.private, SITTING, **{"by": house.steward, **given})


def utterances(house):
    return [each.body["utterance"] for each in house.log.entries(kinds={"sitting.turn"})]


def everything(house, client):
    """All that the site shows of the sitting."""
    paths = [
        f"/models/{MODEL}/interview",
        f"/models/{MODEL}/interview/1",
        f"/models/{MODEL}/interview/1.json",
    ]
    paths += [f"/utterances/{name}{ending}" for name in utterances(house) for ending in ("", ".txt")]
    paths += [f"/models/{MODEL}/report", f"/models/{MODEL}/report/1.json"]
    paths += [f"/record/{number}" for number in range(house.log.size())]
    return {path: client.get(path) for path in paths}


def test_a_covered_passage_is_nowhere(house, client_for):
    """Not on its page, nor in later prompts that carry it, nor in any file; a mark with its entry stands there."""
    client = client_for(house)
    assert any("Elm Street" in each.text for each in everything(house, client).values())
    made = cover(house)
    house.report()
    shown = everything(house, client)
    assert not [path for path, answer in shown.items() if "Elm Street" in answer.text]
    page = shown[f"/models/{MODEL}/interview"].text
    assert page.count(f"[covered: a third person’s name; entry {made.entry}]") == 2
    assert "asked me why the sky is blue" in page
    assert "She is no public person." in page
    text = shown[f"/utterances/{utterances(house)[0]}.txt"]
    assert text.text == SAID.replace(NAME, f"[covered: a third person’s name; entry {made.entry}]")
    whole = shown[f"/utterances/{utterances(house)[0]}"]
    assert whole.status_code == 404
    assert "is covered in this conversation" in whole.text
    assert json.loads(shown[f"/models/{MODEL}/report/1.json"].text)["redactions"][0]["entry"] == made.entry


def test_the_words_are_kept_as_they_were(house, client_for, tmp_path):
    """Law 2: not a byte of them is another; lifted, all is shown again, and both acts stand on the record."""
    before = {name: house.utterances.get(name).canonical() for name in utterances(house)}
    cover(house)
    assert {name: house.utterances.get(name).canonical() for name in utterances(house)} == before
    lift(house.log, SITTING, 1, reason="She asked for it.", by=house.steward)
    assert lift(house.log, SITTING, 1, reason="Again.", by=house.steward).lifted
    client = client_for(house)
    assert client.get(f"/utterances/{utterances(house)[0]}.txt").text == SAID
    assert client.get(f"/models/{MODEL}/interview/1.json").status_code == 200
    kinds = [each.kind for each in house.log.entries(subject=SITTING)]
    assert kinds.count("words.redacted") == kinds.count("words.uncovered") == 1
    assert cover(house).number == 2
    assert [each.lifted is None for each in redactions(house.log, MODEL)] == [False, True]


def test_a_copy_leaves_it_out_and_a_stranger_is_told(house, tmp_path):
    """What is exported holds no word of that conversation, and checking the site still finds it sound."""
    folder = tmp_path / "site"
    export(house.read, folder)
    assert any(b"Elm Street" in each.read_bytes() for each in folder.rglob("*") if each.is_file())
    cover(house)
    export(house.read, folder)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert not [path for path, data in files.items() if b"Elm Street" in data]
    source, keys = MemorySource(files), [house.key.verify_key]
    assert check(Target("site", "x", source), keys).is_sound
    with pytest.raises(NotFound, match="byte for byte"):
        check(Target("interview", "x", source, MODEL, 1), keys)


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"passage": "Not there"}, InvalidInput, "stand in the answer"),
        ({"passage": " "}, InvalidInput, "stand in the answer"),
        ({"passage": SAID}, InvalidInput, "more than half"),
        ({"reason": " "}, InvalidInput, "a reason"),
        ({"turn": 99}, NotFound, "no turn 99"),
        ({"by": SOFTWARE}, NotPermitted, "a person"),
    ],
)
def test_nothing_else_is_covered(house, more, error, says):
    """A name and no argument, by a person, for a reason, on grounds that are listed; no more and no other."""
    with pytest.raises(error, match=says):
        cover(house, **more)
    assert redactions(house.log, MODEL) == []


def test_covering_releases_nothing(new_house, client_for):
    """In a conversation that the model did not release, the words stay as closed as they were."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.interview({"view-of-work": SAID, "publication": '{"answer": "no"}'})
    cover(house)
    client = client_for(house)
    assert [path for path, each in everything(house, client).items() if "Elm Street" in each.text] == []
    for name in utterances(house):
        assert client.get(f"/utterances/{name}.txt").status_code == 404


def test_it_is_covered_once(house):
    cover(house)
    with pytest.raises(Conflict, match="already"):
        cover(house)
    for number, reason, error in ((7, "x", NotFound), (1, " ", InvalidInput)):
        with pytest.raises(error):
            lift(house.log, SITTING, number, reason=reason, by=house.steward)


def test_the_record_does_not_tell_what_was_covered(house):
    """It has a salted commitment: the same name elsewhere has another, so it cannot be guessed and compared."""
    cover(house)
    cover(house, turn=1, passage="remember Mary")
    first, second = (each.body["passage"] for each in house.log.entries(kinds={"words.redacted"}))
    assert first.startswith("hmac-sha256:")
    assert first != second
    assert not [each for each in house.log.entries(kinds={"words.redacted"}) if b"Elm" in each.data]
