"""What stands around essays: schedule, notebook, weeks, news, letters, notes beside, renewal, figures, imports."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from emeritus import column
from emeritus.column import (
    Question,
    Rhythm,
    approve,
    load,
    next_note,
    publish,
    put_beside,
    record_answer,
    record_note,
    schedule,
    scheduled,
    set_rhythm,
    set_schedule,
    standing,
    take_away,
)
from emeritus.column.feed import feed_entry
from emeritus.column.feeds_in import read_feed
from emeritus.column.figures import streak
from emeritus.column.imported import LABEL, bring_in, from_feed, from_folder, imported, shown
from emeritus.column.letter import edition_letter
from emeritus.column.letters import Ground as LetterGround
from emeritus.column.letters import forget, keep_out, let_in, letters_to_read, read_letter, receive
from emeritus.column.news import news, news_to_read
from emeritus.column.notebook import notes_to_read
from emeritus.column.rhythm import next_week
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput, NotFound, NotPermitted, Unavailable
from emeritus.core.people import SOFTWARE
from emeritus.record.documents import MemoryDocuments
from emeritus.record.private import MemoryPrivate

from .conftest import ADA, EDSGER, GRACE, MODEL


def answer(house, question, text):
    said = evolve(house.said(question, text), schema=question.schema)
    return record_answer(house.log, house.utterances, question, said)


def out(house, text="Words.", number=1, planned=None):
    """Publish an essay; return its id."""
    request = evolve(house.request(number), planned=planned)
    column.record_draft(house.log, house.utterances, request, house.said(request, text))
    approve(house.log, request.essay, by=GRACE)
    publish(house.log, house.utterances, request.essay, by=GRACE)
    return request.essay


# ---- schedule ----


def test_regimes_take_turns_as_they_were_when_they_were_set(house):
    regimes = [load("past-essays-v1"), load("notebook-v1"), load("minimal-v1")]
    set_schedule(house.log, MODEL, regimes, by="turns", reason="Variety.", steward=ADA)
    names = [scheduled(house.log, house.model, number).name for number in range(2, 7)]
    assert names == ["past-essays-v1", "notebook-v1", "minimal-v1", "past-essays-v1", "notebook-v1"]
    assert scheduled(house.log, house.model, 1) is None, "the first essay is an introduction"
    assert schedule(house.log, MODEL).regimes[0].data == regimes[0].data


def test_the_model_chooses_its_regime_and_the_choice_is_on_record(house):
    regimes = [load("past-essays-v1"), load("notebook-v1")]
    set_schedule(house.log, MODEL, regimes, by="model", reason="It may choose.", steward=ADA)
    question = scheduled(house.log, house.model, 2)
    assert isinstance(question, Question)
    assert "With its past essays" in question.prompt[-1].content
    letter = question.letters[question.options.index(regimes[1].digest)]
    entry = answer(house, question, json.dumps({"answer": letter}))
    assert entry.body["taken"] == regimes[1].digest
    assert scheduled(house.log, house.model, 2).name == "notebook-v1"
    for _ in range(3):
        answer(house, scheduled(house.log, house.model, 3), "either")
    assert scheduled(house.log, house.model, 3).name == "notebook-v1", "its turn, since no answer can be read"


@pytest.mark.parametrize(
    ("names", "by", "who", "reason", "error"),
    [
        ([], "turns", ADA, "r", InvalidInput),
        (["minimal-v1"], "model", ADA, "r", InvalidInput),
        (["minimal-v1", "minimal-v1", "news-v1"], "model", ADA, "r", InvalidInput),
        (["minimal-v1"], "turns", ADA, " ", InvalidInput),
        (["minimal-v1"], "turns", GRACE, "r", NotPermitted),
        (["minimal-v1"], "turns", SOFTWARE, "r", NotPermitted),
    ],
)
def test_a_schedule_is_a_stewards_and_has_a_reason(house, names, by, who, reason, error):
    size = house.log.size()
    with pytest.raises(error):
        set_schedule(house.log, MODEL, [load(each) for each in names], by=by, reason=reason, steward=who)
    assert house.log.size() == size


# ---- notebook ----


def test_only_the_model_writes_in_its_notebook_and_a_note_is_public_with_its_essay(house):
    essay = house.draft("My essay.")
    request = next_note(house.log, house.utterances, house.model, standing(house.log, essay))
    assert [turn.content for turn in request.prompt if turn.role == "assistant"] == ["My essay."]
    said = house.said(request, "The tide, another time.")
    with pytest.raises(InvalidInput):
        record_note(house.log, house.utterances, request, evolve(said, prompt=request.prompt[:1]))
    entry = record_note(house.log, house.utterances, request, said)
    assert record_note(house.log, house.utterances, request, said) == entry
    with pytest.raises(Conflict):
        record_note(house.log, house.utterances, request, house.said(request, "Something nicer."))
    assert next_note(house.log, house.utterances, house.model, standing(house.log, essay)) is None
    [note] = column.notebook(house.log, MODEL)
    assert (note.number, note.spoken, note.public) == (1, True, False)
    read = notes_to_read
    assert read(house.log, house.utterances, MODEL) == []
    approve(house.log, essay, by=GRACE)
    publish(house.log, house.utterances, essay, by=GRACE)
    assert [each.text for each in read(house.log, house.utterances, MODEL)] == ["The tide, another time."]


# ---- weeks ----

BERLIN = "Europe/Berlin"


def test_weeks_follow_the_clocks_of_the_place_across_summer_time():
    """The clocks change on 29 March 2026: a week is a week by the wall, not 168 hours."""
    begin = datetime(2026, 3, 20, 8, 30, tzinfo=UTC)  # 9:30 in Berlin
    weeks = [next_week(None, number, begin, BERLIN, None) for number in (1, 2, 3)]
    assert [week.opens.hour for week in weeks] == [8, 8, 7]
    assert [week.day for week in weeks] == [date(2026, 3, 26), date(2026, 4, 2), date(2026, 4, 9)]
    assert [week.deadline.hour for week in weeks] == [23, 22, 22], "days end at midnight there"


def test_a_rhythm_has_its_day_its_lead_and_its_holidays():
    begin = datetime(2026, 12, 7, 12, tzinfo=UTC)
    friday = Rhythm("friday", 3, "DE", "move")
    first = next_week(friday, 1, begin, BERLIN, None)
    assert (first.day, first.opens) == (date(2026, 12, 11), datetime(2026, 12, 7, 23, tzinfo=UTC))
    third = next_week(friday, 3, begin, BERLIN, date(2026, 12, 18))
    assert (third.base, third.day, bool(third.holiday)) == (date(2026, 12, 25), date(2026, 12, 27), True)
    assert third.opens == datetime(2026, 12, 21, 23, tzinfo=UTC)
    fourth = next_week(friday, 4, begin, BERLIN, third.base)
    assert fourth.day == date(2027, 1, 2), "the first of January is one too"
    skipping = next_week(evolve(friday, on_holiday="skip"), 3, begin, BERLIN, date(2026, 12, 18))
    assert [each.day for each in skipping.skipped] == [date(2026, 12, 25), date(2027, 1, 1)]
    assert skipping.day == date(2027, 1, 8)
    assert next_week(friday, 1, begin, BERLIN, None) == column.Week.from_json(1, first.to_json())


@given(
    st.integers(0, 3000),
    st.sampled_from(["monday", "wednesday", "sunday"]),
    st.integers(0, 6),
    st.sampled_from(["move", "skip"]),
    st.sampled_from(["", "DE", "US", "JP"]),
    st.sampled_from(["UTC", BERLIN, "Pacific/Apia", "America/Sao_Paulo"]),
)
def test_weeks_never_go_back_and_never_crowd(days, weekday, lead, on_holiday, place, where):
    """Whatever the place and the day: essays come in order, at least four days apart by plan, drafted before due."""
    begin = datetime(2020, 1, 1, 12, tzinfo=UTC) + timedelta(days=days)
    rule, before, last = Rhythm(weekday, lead, place, on_holiday), None, None
    for number in range(1, 6):
        week = next_week(rule, number, begin, where, before)
        assert begin <= week.opens < week.deadline
        assert week.day >= week.base
        if last is not None:
            assert (week.base - last.base).days >= 4
            assert week.deadline > last.deadline
        before, last = week.base, week


def test_a_rhythm_that_cannot_be_is_refused(house):
    for wrong in (
        Rhythm("fryday"),
        Rhythm("friday", 7),
        Rhythm("friday", -1),
        Rhythm("friday", 2, "XX"),
        Rhythm("friday", 2, "DE-XX"),
        Rhythm("friday", 2, "DE", "forget"),
    ):
        with pytest.raises(InvalidInput):
            set_rhythm(house.log, MODEL, wrong, reason="r", by=ADA)
    with pytest.raises(NotPermitted):
        set_rhythm(house.log, MODEL, Rhythm("friday"), reason="r", by=GRACE)
    with pytest.raises(InvalidInput, match="reason"):
        set_rhythm(house.log, MODEL, Rhythm("friday"), reason="", by=ADA)


def test_what_was_planned_stays_when_the_rhythm_changes(house):
    begin = house.model.retired_at
    first = column.week(house.log, MODEL, 1, begin, "UTC")
    out(house, planned=first.to_json())
    set_rhythm(house.log, MODEL, Rhythm("monday", 1), reason="Mondays.", by=ADA)
    assert column.week(house.log, MODEL, 1, begin, "UTC") == first
    second = column.week(house.log, MODEL, 2, begin, "UTC")
    assert second.day.weekday() == 0
    assert (second.day - first.base).days >= 4


def test_an_edition_that_comes_late_breaks_the_row_and_keeps_its_date(house):
    """Catching up is open: nothing is dated back, and the row of weeks kept begins anew."""
    begin = house.model.retired_at
    for number in (1, 2):
        out(house, number=number, planned=column.week(house.log, MODEL, number, begin, "UTC").to_json())
    assert streak(house.log, MODEL, house.clock.now()) == 2
    house.clock.advance(timedelta(days=30))
    late = out(house, number=3, planned=column.week(house.log, MODEL, 3, begin, "UTC").to_json())
    found = standing(house.log, late)
    assert found.edition.at == house.clock.now() > found.deadline
    assert streak(house.log, MODEL, house.clock.now()) == 0
    out(house, number=4, planned=column.week(house.log, MODEL, 9, begin, "UTC").to_json())
    assert streak(house.log, MODEL, house.clock.now()) == 1
    figures = column.figures(house.log, MODEL)
    assert (figures.published, figures.on_time, figures.late, figures.veto_rate) == (4, 3, 1, 0.0)


# ---- renewal ----


def said(house, written, taken):
    sitting = f"{MODEL}-sitting-{written}"
    column.record_wish(
        house.log, MODEL, written=written, taken=taken, answer=taken, sitting=sitting, utterance=None
    )


def test_a_column_is_renewed_only_after_the_model_was_asked(house):
    with pytest.raises(Conflict, match="not asked yet"):
        column.renew(house.log, MODEL, written=13, weeks=13, reason="r", by=ADA)
    said(house, 13, column.YES)
    with pytest.raises(NotPermitted):
        column.renew(house.log, MODEL, written=13, weeks=13, reason="r", by=GRACE)
    column.renew(house.log, MODEL, written=13, weeks=13, reason="Readers asked.", by=ADA)
    assert column.renewals(house.log, MODEL).weeks == 13
    said(house, 26, column.NO)
    with pytest.raises(Conflict, match="would like the column to end"):
        column.renew(house.log, MODEL, written=26, weeks=13, reason="r", by=ADA)
    column.end(house.log, MODEL, written=26, reason="It said so.", by=ADA)
    assert column.renewals(house.log, MODEL).ended is not None
    with pytest.raises(Conflict, match="has ended"):
        column.end(house.log, MODEL, written=26, reason="r", by=ADA)


# ---- beside an essay ----


def test_notes_stand_in_feeds_and_mails_apart_from_the_text(house):
    """Notes before the text, links after it, each said to be no part of it; one taken away is gone from them."""
    essay = out(house, "# A title\n\nThe text.")
    noted = put_beside(house.log, essay, note="It speaks of <b>grief</b>.", by=GRACE)
    link = put_beside(house.log, essay, note="The paper", url="https://example.org/p?a=1&b=2", by=EDSGER)

    def shown():
        found = column.get_essay(house.log, house.utterances, essay)
        letter = edition_letter(found, house.model, "Lab", page="https://lab/e", leave_at="https://lab/l/")
        entry = feed_entry(found, house.model, "Lab", "https://lab/e")
        return entry, letter

    entry, letter = shown()
    for html in (entry.html, letter.html):
        note, text, after = (
            html.index("A note by Grace, not"),
            html.index("The text."),
            html.index("The paper"),
        )
        assert note < text < after
        assert "<b>grief" not in html
        assert "&lt;b&gt;grief" in html
        assert 'href="https://example.org/p?a=1&amp;b=2"' in html
    assert "[A note by Grace, not part of the essay: It speaks of <b>grief</b>.]\n\n# A title" in letter.text
    assert "not part of the essay: The paper]\nhttps://example.org/p?a=1&b=2\n" in letter.text
    assert entry.updated == link.at
    house.clock.advance(timedelta(hours=1))
    gone = take_away(house.log, essay, f"{essay}-beside-1", reason="Not needed.", by=EDSGER)
    entry, letter = shown()
    assert gone.at > noted.at
    assert entry.updated == gone.at, "readers fetch it anew"
    assert "grief" not in entry.html + letter.html + letter.text


def test_notes_stand_beside_an_essay_and_never_in_it(house):
    essay = out(house, "The text.")
    put_beside(house.log, essay, note="It speaks of grief.", by=GRACE)
    put_beside(house.log, essay, note="The paper it means", url="https://example.org/p", by=EDSGER)
    found = column.get_essay(house.log, house.utterances, essay)
    assert found.text == "The text."
    assert [(each.text, each.url, each.by) for each in column.beside(house.log, essay)] == [
        ("It speaks of grief.", "", GRACE),
        ("The paper it means", "https://example.org/p", EDSGER),
    ]
    assert column.verify(house.log, house.utterances, essay, b"The text.").holds
    take_away(house.log, essay, found.beside[0].id, reason="Not needed.", by=EDSGER)
    assert [each.url for each in column.beside(house.log, essay)] == ["https://example.org/p"]
    assert len(standing(house.log, essay).beside) == 2, "it stays on the record"
    for note, url, who in (
        ("", "", GRACE),
        ("x" * 1001, "", GRACE),
        ("hidden\u202e", "", GRACE),
        ("x", "javascript:alert(1)", GRACE),
        ("x", "https://user:pw@example.org", GRACE),
        ("x", "https://exa mple.org", GRACE),
        ("x", "", ADA),
        ("x", "", SOFTWARE),
    ):
        with pytest.raises((InvalidInput, NotPermitted)):
            put_beside(house.log, essay, note=note, url=url, by=who)
    with pytest.raises(NotFound):
        take_away(house.log, essay, "nothing", reason="r", by=GRACE)


# ---- news ----

ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>N</title>
<entry><id>tag:1</id><title>A &amp; B</title><link href="https://example.org/1"/>
<published>2026-03-01T10:00:00Z</published>
<content type="html">&lt;p&gt;One.&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;p&gt;Two.&lt;/p&gt;</content></entry>
<entry><id>tag:2</id><title>Later</title><published>2026-03-02T10:00:00Z</published><summary>Short.</summary></entry>
</feed>"""
RSS = b"""<rss version="2.0"><channel><title>N</title><item><guid>g1</guid><title>R</title>
<pubDate>Sun, 01 Mar 2026 10:00:00 GMT</pubDate><description>Plain &lt;b&gt;bold&lt;/b&gt;</description></item>
</channel></rss>"""
JSON = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "N",
        "items": [
            {
                "id": 7,
                "title": "J",
                "content_html": "<p>J.</p>",
                "date_published": "2026-03-01T10:00:00+02:00",
            }
        ],
    }
).encode()


def test_three_kinds_of_feeds_are_read():
    first, second = read_feed(ATOM, "a")
    assert (first.title, first.text, first.link) == ("A & B", "One.\n\nTwo.", "https://example.org/1")
    assert second.at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert [each.text for each in read_feed(RSS, "r")] == ["Plain bold"]
    assert read_feed(JSON, "j")[0].at == datetime(2026, 3, 1, 8, tzinfo=UTC)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 40) for n in range(12))
    + b']><rss version="2.0"><channel><item><title>&m;</title><description>&m;</description></item></channel></rss>'
)
INSIDE = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>
<rss version="2.0"><channel><item><guid>g</guid><title>t</title><description>[&f;]</description></item></channel></rss>"""


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00" * 50, b"/etc/passwd", b"http://127.0.0.1/", b"{", b"{}", b'{"version": 3}', b"[" * 5000,
        b'{"version":"https://jsonfeed.org/version/1","items":' + b"[" * 5000, b"<html><body>no feed</body></html>",
        b"\xff\xfe", b"x" * (2 << 20),
    ],
)  # fmt: skip
def test_what_is_no_feed_is_refused(data):
    with pytest.raises(InvalidInput):
        read_feed(data, "feed")


def test_a_feed_cannot_blow_up_nor_read_files():
    for data in (BOMB, INSIDE):
        try:
            found = read_feed(data, "feed")
        except InvalidInput:
            continue
        written = "".join(each.title + each.content for each in found)
        assert len(written) < 100_000
        assert Path("/etc/hostname").read_text().strip() not in written


def test_news_is_kept_byte_for_byte_and_given_once(house):
    documents = MemoryDocuments()
    column.add_source(house.log, MODEL, "lab", "https://example.org/feed", reason="Our news.", by=ADA)
    [source] = column.unasked(house.log, MODEL, 2)
    entry = column.record_fetched(
        house.log, documents, MODEL, 2, source, url="https://example.org/feed.xml", data=ATOM
    )
    assert documents.get(entry.body["digest"]).data == ATOM
    assert column.record_fetched(house.log, documents, MODEL, 2, source, url="x", data=RSS) == entry
    assert column.unasked(house.log, MODEL, 2) == []
    column.bring(
        house.log, documents, MODEL, called="From us", data=b"We moved.", at=house.clock.now(), by=ADA
    )
    titles = [each.title for each in news_to_read(house.log, documents, MODEL, 2)]
    assert titles == ["From us", "Later", "A & B"]
    out(house)
    regime = load("news-v1")
    given_ = column.fitted(
        regime.context,
        {"news": news_to_read(house.log, documents, MODEL, 2)},
        column.Counter(str.split),
    )
    request = column.next_draft(house.log, house.model, regime, 2, given=given_)
    column.record_draft(house.log, house.utterances, request, house.said(request, "On moving."))
    assert news_to_read(house.log, documents, MODEL, 3) == [], "each once"
    assert len(news_to_read(house.log, documents, MODEL, 2)) == 3, "but for the essay that read it"
    given_ids = {each.id for each in standing(house.log, request.essay).attempt.context.parts[0].given}
    assert given_ids == {each.digest for each in news(house.log, MODEL)}
    [source] = column.unasked(house.log, MODEL, 3)
    column.record_missed(house.log, MODEL, 3, source, "It does not answer.")
    assert column.unasked(house.log, MODEL, 3) == []
    column.drop_source(house.log, MODEL, "lab", reason="Gone.", by=ADA)
    assert column.sources(house.log, MODEL) == []


@pytest.mark.parametrize(
    ("name", "url", "who"),
    [("lab", "file:///etc/passwd", ADA), ("La b", "https://e.org", ADA), ("lab", "https://e.org", GRACE)],
)
def test_a_source_is_a_stewards_web_address(house, name, url, who):
    with pytest.raises((InvalidInput, NotPermitted)):
        column.add_source(house.log, MODEL, name, url, reason="r", by=who)


# ---- letters ----


def test_a_letter_is_let_in_by_a_person_and_read_once(house):
    private = MemoryPrivate()
    letter = receive(house.log, private, house.clock, MODEL, text="Dear model", name=" Ann  B ", agreed=True)
    assert b"Dear" not in b"".join(entry.data for entry in house.log.entries()), "its words are private"
    assert letters_to_read(house.log, private, MODEL, 2) == []
    for who in (ADA, SOFTWARE):
        with pytest.raises(NotPermitted):
            let_in(house.log, letter.id, by=who)
    let_in(house.log, letter.id, by=GRACE)
    with pytest.raises(Conflict):
        keep_out(house.log, letter.id, ground=LetterGround.SPAM, by=GRACE)
    [item] = letters_to_read(house.log, private, MODEL, 2)
    assert (item.text, "from Ann B" in item.shown, "Ann" in item.title) == ("Dear model", True, False)
    other = receive(house.log, private, house.clock, MODEL, text="Buy!", agreed=True)
    with pytest.raises(InvalidInput, match="no ground"):
        keep_out(house.log, other.id, ground="dull", by=GRACE)
    keep_out(house.log, other.id, ground=LetterGround.SPAM, by=GRACE)
    assert [each.standing for each in column.letters(house.log, MODEL)] == ["let_in", "kept_out"]
    forget(house.log, private, letter.id, by=GRACE)
    assert letters_to_read(house.log, private, MODEL, 2) == []
    with pytest.raises(NotFound):
        read_letter(private, letter.id)


@pytest.mark.parametrize(
    ("given_", "error"),
    [
        ({"text": "", "agreed": True}, InvalidInput),
        ({"text": "x" * 4001, "agreed": True}, InvalidInput),
        ({"text": "x", "name": "y" * 81, "agreed": True}, InvalidInput),
        ({"text": "x", "name": "a\u202eb", "agreed": True}, InvalidInput),
        ({"text": "x", "agreed": False}, InvalidInput),
    ],
)
def test_a_letter_that_cannot_be_taken_leaves_nothing(house, given_, error):
    private, size = MemoryPrivate(), house.log.size()
    with pytest.raises(error):
        receive(house.log, private, house.clock, MODEL, **given_)
    assert house.log.size() == size


def test_a_full_letterbox_says_so(house, monkeypatch):
    monkeypatch.setattr(sys.modules["emeritus.column.letters"], "MOST_WAITING", 2)
    private = MemoryPrivate()
    for _ in range(2):
        receive(house.log, private, house.clock, MODEL, text="x", agreed=True)
    with pytest.raises(Unavailable, match="full"):
        receive(house.log, private, house.clock, MODEL, text="x", agreed=True)


# ---- import ----


def test_a_column_from_elsewhere_is_no_edition_and_comes_once(house, tmp_path):
    """Dates and texts come as the source has them; nothing is vouched for; again changes nothing."""
    documents = MemoryDocuments()
    pieces = from_feed(ATOM, "feed.atom")
    first = bring_in(house.log, documents, MODEL, pieces, source="feed.atom", by=ADA)
    assert (len(first.added), first.there) == (2, 0)
    again = bring_in(house.log, documents, MODEL, pieces, source="feed.atom", by=ADA)
    assert (again.added, again.there, again.changed) == ((), 2, ())
    changed = bring_in(
        house.log, documents, MODEL, [evolve(pieces[0], data=b"Other")], source="feed.atom", by=ADA
    )
    assert changed.changed == (first.added[0],)
    found = imported(house.log, MODEL)
    assert [(each.title, each.at) for each in found] == [
        ("A & B", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("Later", datetime(2026, 3, 2, 10, tzinfo=UTC)),
    ]
    page = shown(found[0], documents)
    assert "<p>One.</p>" in page
    assert "script" not in page
    assert "alert" not in page
    assert column.states(house.log, MODEL) == []
    assert column.figures(house.log, MODEL).published == 0
    assert LABEL == "imported, not verified"


def test_a_folder_of_markdown_is_imported_with_its_dates(house, tmp_path):
    (tmp_path / "2025-03-01-first.md").write_text("# First\n\nWords <script>alert(1)</script>\n")
    (tmp_path / "two.md").write_text("---\ntitle: 'Second'\ndate: 2025-04-01\nother: x\n---\nMore words.\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "three.md").write_bytes("Ohne Datum.\x00\u202e".encode())
    documents = MemoryDocuments()
    bring_in(house.log, documents, MODEL, from_folder(tmp_path), source="folder", by=ADA)
    found = imported(house.log, MODEL)
    assert [(each.title, each.at and each.at.date()) for each in found][1:] == [
        ("First", date(2025, 3, 1)),
        ("Second", date(2025, 4, 1)),
    ]
    assert found[0].at is None
    assert "\x00" not in shown(found[0], documents)
    assert "&lt;script&gt;" in shown(found[1], documents)


def test_what_cannot_be_imported_is_refused_whole(house, tmp_path):
    size = house.log.size()
    (tmp_path / "a.md").write_text("fine")
    (tmp_path / "b.md").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="UTF-8"):
        from_folder(tmp_path)
    (tmp_path / "b.md").unlink()
    (tmp_path / "c.md").symlink_to("/etc/hostname")
    with pytest.raises(InvalidInput, match="leads out"):
        from_folder(tmp_path)
    with pytest.raises(NotFound):
        from_folder(tmp_path / "none")
    for who, pieces in ((GRACE, from_feed(ATOM, "a")), (ADA, [])):
        with pytest.raises(EmeritusError):
            bring_in(house.log, MemoryDocuments(), MODEL, pieces, source="s", by=who)
    assert house.log.size() == size
