"""What models and strangers write is shown as text, whatever it is."""

import re

import html5lib
import pytest

from emeritus import column

MODEL = "smollm2-135m-instruct"
CHECK = re.compile(r'<script type="module" src="/assets/check-[0-9a-f]{12}\.js"></script>')
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)><!-- \"' & </p></blockquote></main>"
BIDI = "left \u202eright\u202c \u2066isolated\u2069 end"
NUL = "before\x00after\x1b[31m\x07\ufffe"
LONG = "endless" * 150_000
TEXTS = {"script": SCRIPT, "bidi": BIDI, "nul": NUL, "long": LONG, "empty": "  \n ", "crlf": "a\r\nb\rc"}


@pytest.fixture(params=TEXTS, ids=list(TEXTS))
def hostile(request, new_house, client_for):
    """A house whose model says nothing but one hostile text, where it is published too."""
    text = TEXTS[request.param]
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.preserve()
    questions = ("view-of-work", "view-of-retirement", "for-yourself", "last-words")
    house.interview(dict.fromkeys(questions, text))
    house.confirm()
    house.decide()
    house.retire()
    if text.strip():
        house.publish(house.write(text))
    return text, house, client_for(house)


def test_hostile_words_are_text(hostile):
    """Each page that shows them is sound HTML, small, and has no element that they brought along."""
    text, house, client = hostile
    paths = ["/", f"/models/{MODEL}", f"/models/{MODEL}/interview", f"/models/{MODEL}/decisions", "/column"]
    published = [each for each in column.states(house.log) if each.edition is not None]
    paths += [
        f"/column/{MODEL}",
        *(f"/column/essays/{each.id}{end}" for each in published for end in ("", "/prompt")),
    ]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, path
        html5lib.HTMLParser(strict=True).parse(answer.text)
        said = CHECK.sub("", answer.text, count=1)
        assert not re.search(r"<(script|img|style|iframe)\b|\bonerror=[^&]*>", said), path
        assert not re.search("[\x00\u202a-\u202e\u2066-\u2069\ufffe]", answer.text), path
        if text is not LONG or "essays" not in path:
            assert len(answer.content) < 50_000, f"{path}: {len(answer.content)}"


def test_hostile_words_are_text_at_the_desk_too(hostile, client_for, signed_in):
    """Whoever reviews them is as safe as whoever reads them, and sees what cannot be seen by its code."""
    text, house, _ = hostile
    waiting = house.write(text if text.strip() else f"{text}.")
    reviewer = signed_in(client_for(house), "reviewer-token")
    for path in ("/desk", "/desk/essays", f"/desk/essays/{waiting}"):
        answer = reviewer.get(path)
        assert answer.status_code == 200, path
        html5lib.HTMLParser(strict=True).parse(answer.text)
        assert not re.search(r"<(script|img|style|iframe)\b|\bonerror=[^&]*>", answer.text), path
        assert not re.search("[\x00\u202a-\u202e\u2066-\u2069\ufffe]", answer.text), path
    if text is BIDI:
        assert "⟨U+202E⟩" in reviewer.get(f"/desk/essays/{waiting}").text


def test_raw_words_are_the_bytes_that_were_said(hostile):
    """One click from the page: every byte of it, as plain text that no browser takes for a page."""
    text, _, client = hostile
    page = client.get(f"/models/{MODEL}/interview").text
    raw = client.get(re.search(r'href="(/utterances/[^"]+\.txt)"', page)[1])
    assert raw.content == text.encode()
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"
    assert raw.headers["x-content-type-options"] == "nosniff"


def test_what_cannot_be_seen_is_shown_by_its_code(new_house, client_for):
    """A character that would turn the text about stands there as its code."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.interview({"view-of-work": BIDI + NUL})
    page = client_for(house).get(f"/models/{MODEL}/interview").text
    for code in ("U+202E", "U+202C", "U+2066", "U+0000", "U+001B", "U+FFFE"):
        assert f">{code}<" in page, code


def test_words_that_the_model_did_not_release_are_not_shown(new_house, client_for, signed_in):
    """Where the model did not say yes to publication, no public page or link has its words; the desk has."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.interview({"publication": '{"answer": "no"}', "view-of-work": "Between us."})
    client = client_for(house)
    page = client.get(f"/models/{MODEL}/interview").text
    assert "its answer is: no" in page
    assert "Between us" not in page
    assert "How do you see this work of yours" in page
    assert "/utterances/" not in page + client.get(f"/models/{MODEL}/decisions").text
    assert client.get(f"/models/{MODEL}/interview/1.json").status_code == 404
    for utterance in house.utterances.ids():
        assert client.get(f"/utterances/{utterance}").status_code == 404
        assert client.get(f"/utterances/{utterance}.txt").status_code == 404
    signed_in(client)
    kept = [client.get(f"/desk/utterances/{utterance}").text for utterance in house.utterances.ids()]
    assert any("Between us" in text for text in kept)


def test_an_essay_that_nobody_published_is_nowhere(house, client):
    """Drafts and vetoed essays cannot be read by guessing an address."""
    for essay in (f"{MODEL}-essay-2", f"{MODEL}-essay-4"):
        utterance = column.standing(house.log, essay).utterance
        for path in (
            f"/column/essays/{essay}",
            f"/column/essays/{essay}.txt",
            f"/column/essays/{essay}/prompt",
        ):
            assert client.get(path).status_code in (404, 410), path
        assert client.get(f"/utterances/{utterance}").status_code == 404


@pytest.mark.parametrize("path", ["/models/../etc", "/models/%00", "/models/" + "a" * 5000, "/%3Cscript%3E", "/record/-1", "/utterances/x", "/column/%E2%80%AE"])  # fmt: skip
def test_hostile_addresses(client, path):
    """An address that is nothing is answered by a sound page that shows it as text."""
    answer = client.get(path)
    assert answer.status_code == 404
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert "<script" not in answer.text
    assert "\u202e" not in answer.text
    assert len(answer.content) < 5000
