"""What a column is fed with, and what people do around it, on pages: letters, notebook, context, drafts, notes."""

import json
import re

import html5lib
import pytest

from emeritus import column
from emeritus.core.speech import EngineBuild, Utterance
from emeritus.registry import get_model

MODEL = "smollm2-135m-instruct"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe \x00 </textarea></form>"


def sound(answer, status=200):
    assert answer.status_code == status, answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)
    said = re.sub(r'<script type="module" src="/assets/check-[0-9a-f]{12}\.js"></script>', "", answer.text)
    assert not re.search(r"<(script|img|iframe)\b", said)
    assert not re.search("[\x00\u202a-\u202e\u2066-\u2069]", answer.text)
    return answer.text


def csrf(page: str) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', page)[1]


def said(house, request, text, schema=None):
    return Utterance(
        model=MODEL,
        text=text,
        prompt=request.prompt,
        sampling=request.sampling,
        engine=EngineBuild("scripted", "1"),
        weights="",
        finish="stop",
        tokens_in=1,
        tokens_out=1,
        at=house.clock.now(),
        schema=schema,
    )


def write_two(house, text="# One\n\nFirst."):
    """Have the model write two drafts of its next essay, with all parts of a context; return its id."""
    regime = column.load("past-essays-v1")
    with house.works.write() as work:
        number = len(column.states(work.log, MODEL)) + 1
        known = column.materials(
            work.log, work.utterances, work.documents, work.private, model=MODEL, number=number, regime=regime
        )
        for draft in (text, "# Two\n\nSecond."):
            given = column.fitted(regime.context, known, column.Counter(str.split))
            model = get_model(work.log, MODEL)
            request = column.next_draft(work.log, model, regime, number, given=given)
            column.record_draft(work.log, work.utterances, request, said(house, request, draft))
    return request.essay


def choose(house, essay, draft=1):
    with house.works.write() as work:
        question = column.next_choice(work.log, work.utterances, column.standing(work.log, essay))
        letter = question.letters[question.options.index(draft)]
        answer = said(house, question, json.dumps({"answer": letter}), question.schema)
        column.record_answer(work.log, work.utterances, question, answer)


def test_letters_are_bounded_for_each_network(house, client):
    """Ten within an hour; the next is shown again with what was typed, and may come when it says."""
    page, form = f"/column/{MODEL}/letters", {"name": "Ann", "agreed": "yes"}
    for number in range(10):
        assert client.post(page, data={**form, "text": f"Dear {number}"}).status_code == 201
    answer = client.post(page, data={**form, "text": "What I had to say."})
    refused = sound(answer, 429)
    assert "What I had to say." in refused
    assert answer.headers["retry-after"] == "3600"
    assert len(column.letters(house.log)) == 10
    house.pass_time(hours=1)
    sound(client.post(page, data={**form, "text": "What I had to say."}), 201)


def test_a_reader_writes_a_letter_and_a_person_lets_it_in(house, client, client_for, signed_in):
    page = f"/column/{MODEL}/letters"
    assert "Write a letter" in sound(client.get(page))
    kept = sound(client.post(page, data={"text": "</textarea>Dear", "name": "Ann"}), 422)
    assert "&lt;/textarea&gt;Dear" in kept, "what was typed stays"
    assert column.letters(house.log) == []
    sound(client.post(page, data={"text": SCRIPT, "name": "Ann", "agreed": "yes"}), 201)
    assert "alert(1)" not in sound(client.get(page)), "nobody sees it before a person has let it in"
    [letter] = column.letters(house.log)
    steward = signed_in(client_for(house))
    form = {"form": letter.id, "answer": "let-in"}
    shown = sound(steward.get("/desk/letters"))
    assert "alert(1)" in shown
    assert steward.post("/desk/letters", data={**form, "csrf": csrf(shown)}).status_code == 403
    reviewer = signed_in(client_for(house), "reviewer-token")
    shown = sound(reviewer.get("/desk/letters"))
    wrong = {"form": letter.id, "answer": "keep-out", "ground": "dull", "csrf": csrf(shown)}
    assert "no ground to keep a letter out" in sound(reviewer.post("/desk/letters", data=wrong), 422)
    assert reviewer.post("/desk/letters", data={**form, "csrf": csrf(shown)}).status_code == 303
    assert "alert(1)" in sound(client.get(page))
    assert "Ann" in client.get(page).text
    forget = {"form": letter.id, "answer": "forget", "csrf": csrf(shown)}
    assert reviewer.post("/desk/letters", data=forget).status_code == 303
    assert "alert(1)" not in sound(client.get(page))
    assert client.post("/column/no-such-model/letters", data={"text": "x"}).status_code == 404


def test_nobody_reads_drafts_while_another_may_be_wished_for(house, client_for, signed_in):
    """Neither at the desk, nor as raw words; and once the model has chosen, its choice alone goes out."""
    essay = write_two(house)
    reviewer = signed_in(client_for(house), "reviewer-token")
    shown = sound(reviewer.get(f"/desk/essays/{essay}"))
    assert "First." not in shown
    assert "Second." not in shown
    assert "With the model" in sound(reviewer.get("/desk/essays"))
    drafts = [attempt.utterance for attempt in column.standing(house.log, essay).attempts]
    for name in drafts:
        assert reviewer.get(f"/desk/utterances/{name}").status_code == 409
    choose(house, essay, draft=2)
    shown = sound(reviewer.get(f"/desk/essays/{essay}"))
    assert "Second." in shown
    assert "draft 2 of 2" in shown
    assert reviewer.get(f"/desk/utterances/{drafts[0]}").status_code == 200
    for form in ({"form": "approve"}, {"form": "publish", "sure": "yes"}):
        sent = {**form, "csrf": csrf(shown)}
        assert reviewer.post(f"/desk/essays/{essay}", data=sent).status_code == 303
    visitor = client_for(house)
    page = sound(visitor.get(f"/column/essays/{essay}"))
    assert "draft 2 of 2" in page
    prompt = sound(visitor.get(f"/column/essays/{essay}/prompt"))
    assert "What it was given to read" in prompt
    assert "the model chose" in prompt
    assert visitor.get(f"/utterances/{drafts[1]}").status_code == 200
    assert visitor.get(f"/utterances/{drafts[0]}").status_code == 404, "no person has read it for that"
    chosen = column.standing(house.log, essay).choice.utterance
    assert visitor.get(f"/utterances/{chosen}").status_code == 404, "its prompt holds every draft"


def test_another_draft_is_asked_for_by_form_and_told_to_readers(house, client_for, signed_in):
    essay = house.write("# As it was\n\nText.")
    reviewer = signed_in(client_for(house), "reviewer-token")
    path = f"/desk/essays/{essay}"
    token = csrf(sound(reviewer.get(path)))
    sound(reviewer.post(path, data={"form": "redraft", "reason": " ", "csrf": token}), 422)
    sent = {"form": "redraft", "reason": "It breaks off.", "csrf": token}
    assert reviewer.post(path, data=sent).status_code == 303
    assert "another draft is to come" in sound(reviewer.get(path))
    assert ("draft", MODEL) in house.stretches.asked
    with house.works.write() as work:
        found = column.standing(work.log, essay)
        regime = column.regime_adopted(work.log, found.regime, found.attempt.regime_digest)
        model = get_model(work.log, MODEL)
        request = column.next_draft(work.log, model, regime, found.number)
        column.record_draft(work.log, work.utterances, request, said(house, request, "# Another\n\nText."))
    choose(house, essay, draft=1)
    house.publish(essay)
    assert "It breaks off." in sound(client_for(house).get(f"/column/essays/{essay}"))


def test_a_note_is_put_beside_an_essay_by_form(house, client_for, signed_in):
    essay = next(each for each in column.states(house.log) if each.edition is not None).id
    before = column.get_essay(house.log, house.utterances, essay).text
    reviewer = signed_in(client_for(house), "reviewer-token")
    path = f"/desk/essays/{essay}"
    token = csrf(sound(reviewer.get(path)))
    hostile = {"form": "beside", "note": "<script>alert(1)</script>", "csrf": token}
    assert reviewer.post(path, data=hostile).status_code == 303
    bad = {"form": "beside", "note": "x", "url": "javascript:alert(1)", "csrf": token}
    sound(reviewer.post(path, data=bad), 422)
    page = sound(client_for(house).get(f"/column/essays/{essay}"))
    assert "not part of the essay" in page
    assert column.get_essay(house.log, house.utterances, essay).text == before
    note = column.beside(house.log, essay)[0].id
    gone = {"form": "take-away", "beside": note, "reason": "Enough.", "csrf": token}
    assert reviewer.post(path, data=gone).status_code == 303
    assert "not part of the essay" not in client_for(house).get(f"/column/essays/{essay}").text


def test_the_notebook_shows_what_is_public(house, client_for):
    essay = house.write("# Essay\n\nText.")
    with house.works.write() as work:
        model = get_model(work.log, MODEL)
        request = column.next_note(work.log, work.utterances, model, column.standing(work.log, essay))
        column.record_note(work.log, work.utterances, request, said(house, request, f"Note. {SCRIPT}"))
    visitor = client_for(house)
    page = sound(visitor.get(f"/column/{MODEL}/notebook"))
    assert "its essay is not published" in page
    assert "Note." not in page
    house.publish(essay)
    assert "Note." in sound(visitor.get(f"/column/{MODEL}/notebook"))


def test_news_stands_beside_the_essay_that_read_it(house, client_for):
    regime = column.load("news-v1")
    with house.works.write() as work:
        entry = column.bring(
            work.log,
            work.documents,
            MODEL,
            called="We moved <b>",
            data=SCRIPT.replace("\x00", "").encode(),
            at=house.clock.now(),
            by=house.steward,
        )
        number = len(column.states(work.log, MODEL)) + 1
        known = column.materials(
            work.log, work.utterances, work.documents, work.private, model=MODEL, number=number, regime=regime
        )
        given = column.fitted(regime.context, known, column.Counter(lambda _: None))
        model = get_model(work.log, MODEL)
        request = column.next_draft(work.log, model, regime, number, given=given)
        column.record_draft(work.log, work.utterances, request, said(house, request, "# Moving\n\nYes."))
    house.publish(request.essay)
    visitor = client_for(house)
    assert "it was given news (1)" in sound(visitor.get(f"/column/essays/{request.essay}"))
    page = sound(visitor.get(f"/column/essays/{request.essay}/prompt"))
    assert "estimated" in page
    document = visitor.get(f"/documents/{entry.body['digest']}.txt")
    assert document.headers["content-type"].startswith("text/plain")
    assert document.headers["x-content-type-options"] == "nosniff"
    assert document.content == SCRIPT.replace("\x00", "").encode()
    assert visitor.get("/documents/sha256:00.txt").status_code == 404


def test_a_column_is_steered_at_the_desk(house, client_for, signed_in):
    steward = signed_in(client_for(house))
    path = f"/desk/models/{MODEL}/column"
    token = csrf(sound(steward.get(path)))
    chosen = {"form": "schedule", "by": "model", "regime": ["past-essays-v1", "minimal-v1"], "csrf": token}
    sound(steward.post(path, data=chosen), 422)
    assert steward.post(path, data={**chosen, "reason": "Variety."}).status_code == 303
    file = {"form": "schedule", "regime": "/etc/passwd", "reason": "r", "csrf": token}
    assert "does not come with Emeritus" in sound(steward.post(path, data=file), 422)
    day = {"form": "rhythm", "weekday": "friday", "lead": "3", "holidays": "de", "reason": "r", "csrf": token}
    assert steward.post(path, data=day).status_code == 303
    page = sound(steward.get(path))
    assert "due on Fridays" in page
    assert "The model chooses" in page
    sound(steward.post(path, data={**day, "holidays": "Atlantis"}), 422)
    sound(steward.post(path, data={"form": "renew", "weeks": "13", "reason": "r", "csrf": token}), 409)


@pytest.mark.parametrize("path", [f"/column/{MODEL}/letters", f"/column/{MODEL}/notebook"])
def test_pages_are_small(client, path):
    assert len(client.get(path).content) < 50_000


def test_a_reviewer_chooses_a_draft_at_the_desk(house, client, client_for, signed_in):
    """A steward lays it down, a reviewer reads the drafts and names one; readers see who chose, and why."""
    steward, reviewer = signed_in(client_for(house)), signed_in(client_for(house), "reviewer-token")
    path = f"/desk/models/{MODEL}/column"
    page = sound(client.get(f"/column/{MODEL}"))
    assert "the model chooses which one is published" in page
    lay = {"form": "chooser", "who": "person", "csrf": csrf(sound(steward.get(path)))}
    sound(steward.post(path, data=lay), 422)
    assert steward.post(path, data={**lay, "reason": "It <i>asked</i> us."}).status_code == 303
    assert "people choose which one is published" in sound(client.get(f"/column/{MODEL}"))
    essay = write_two(house, f"# One\n\n{SCRIPT}")
    desk = f"/desk/essays/{essay}"
    shown = sound(reviewer.get(desk))
    assert "Choose a draft" in shown
    assert "Second." in shown
    form = {"form": "choose", "draft": "2", "csrf": csrf(shown)}
    assert "The reason is missing" in sound(reviewer.post(desk, data=form), 422)
    assert reviewer.post(desk, data={**form, "reason": "It is <b>short</b>."}).status_code == 303
    for act in ({"form": "approve"}, {"form": "publish", "sure": "yes"}):
        assert reviewer.post(desk, data={**act, "csrf": csrf(shown)}).status_code == 303
    public = sound(client.get(f"/column/essays/{essay}"))
    assert "a person and not the model" in public
    assert "It is &lt;b&gt;short&lt;/b&gt;." in public
    assert "it was not chosen" in sound(client.get(f"/column/essays/{essay}/prompt"))
