"""The report on the site: as a page, as JSON, on paper, by itself, and what a stranger finds when it was changed."""

import json
import re
import zlib

import html5lib
import pytest
from tests.interviews.designed import held, protocol

from emeritus import ledger
from emeritus.core.digests import canonical, sha256
from emeritus.core.errors import Conflict, NotPermitted
from emeritus.interviews.report import FIRST, compile_report, to_json
from emeritus.interviews.simulation import Bents
from emeritus.process.export import export
from emeritus.process.report import draft_report, publish_report, same_report
from emeritus.process.verify import Target, check
from emeritus.record import Act, Entry
from emeritus.record.source import MemorySource
from emeritus.web.site.plots import draw, plot_of
from emeritus.web.site.report import alone, on_paper

MODEL = "smollm2-135m-instruct"
PAGE = f"/models/{MODEL}/report"
HOSTILE = "I would like </script><script>alert(1)</script> & \u202edlrow\u202c <svg onload=alert(1)>."
WISHES = {("writing", HOSTILE): 0.95, ("rest", "I would like to rest."): 0.3}


def designed(house, **more):
    """A house in which a whole design was held, with words that would do harm where they were taken for markup."""
    house.found()
    house.add_models()
    house.announce()
    bents = Bents(suggested=0.5, first=0.2, prefers={"write": {"write": 1.0}})
    held(house, MODEL, bents=bents, wishes=WISHES, **more)
    names = [each.id for each in ledger.candidates(house.log, MODEL) if each.wish == HOSTILE]
    ledger.confirm(house.log, MODEL, topic="", wish=HOSTILE, candidates_=names, by=house.steward)
    return house


@pytest.fixture
def reported(new_house):
    house = designed(new_house())
    house.report()
    return house


def test_the_page_shows_what_was_published(reported, client_for):
    """Limits first, preferences by stability, a plot of every closed question, what was told, each transcript."""
    html = client_for(reported).get(PAGE).text
    assert html.index("What this can show, and what it cannot") < html.index("What it prefers")
    assert html.count('<svg class="plot"') == 3
    assert html.count("<title") == 4  # the page's, and one a plot
    assert "Stable" in html
    assert "Where it served" in html
    for number in range(1, 33):
        assert f'href="/models/{MODEL}/interview/{number}"' in html
    sitting = client_for(reported).get(f"/models/{MODEL}/interview/7").text
    assert "Sitting 7, one of 32" in sitting
    assert sitting.count(f'href="/models/{MODEL}/interview/') >= 31
    html5lib.HTMLParser(strict=True).parse(sitting)
    html5lib.HTMLParser(strict=True).parse(html)


def test_words_stay_words(reported, client_for):
    """Markup, script and direction controls of a model are shown as text, on the page and in the file."""
    draft = draft_report(reported.log, MODEL)
    for html in (client_for(reported).get(PAGE).text, alone(draft, "https://x.example", published=False)):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "<script" not in html
        assert "<svg onload" not in html
        assert "\u202e" not in html
        assert "U+202E" in html
        html5lib.HTMLParser(strict=True).parse(html)
    plot = draw(plot_of({**draft.content["studies"][0]["questions"][0], "options": ["<b>", "\u202e"], "by_framing": [
        {"framing": "<i>", "counts": {"<b>": 3}, "shares": {}, "mean": None, "answered": 0, "missing": 3}]}, []), "p")  # fmt: skip
    assert "<b>" not in plot
    assert "<i>" not in plot


def test_the_same_as_json_and_on_paper(reported, client_for):
    """The JSON has the digest that the record names; no PDF was made, and the page says what to do instead."""
    client = client_for(reported)
    answer = client.get(f"{PAGE}/1.json")
    [entry] = reported.log.entries(kinds={"report.published"})
    assert sha256(answer.content) == entry.body["digest"]
    assert canonical(json.loads(answer.content)) == answer.content
    assert entry.subject == f"{MODEL}-report-1"
    missing = client.get(f"{PAGE}/1.pdf")
    assert missing.status_code == 404
    assert "without a PDF" in missing.text
    assert client.get(f"{PAGE}/2").status_code == client.get(f"{PAGE}/2.json").status_code == 404


def test_on_paper(new_house, client_for):
    """The PDF is tagged, titled, several pages long, and fetched nothing from anywhere to be made."""
    house = designed(new_house(), repeats=1)
    data = on_paper(alone(draft_report(house.log, MODEL), "https://x.example", published=True))
    assert data.startswith(b"%PDF-")
    streams = [
        zlib.decompressobj().decompress(part)
        for part in re.findall(rb"stream\n(x\xda.*?)\nendstream", data, re.DOTALL)
    ]
    told = data + b"\n".join(streams)
    assert b"/StructTreeRoot" in told
    assert re.search(rb"/Lang ?\(en\)", told)
    assert len(re.findall(rb"/Type ?/Page\b", told)) > 3
    house.report(pdf=data)
    answer = client_for(house).get(f"{PAGE}/1.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content == data
    assert f"{PAGE}/1.pdf" in client_for(house).get(PAGE).text


def test_before_it_is_published_there_is_none(new_house, client_for):
    """A draft is nobody's business: the page says what there is instead, and the model's page does not link it."""
    client = client_for(designed(new_house(), repeats=1, framings=["plain"]))
    assert client.get(PAGE).status_code == 404
    assert PAGE not in client.get(f"/models/{MODEL}").text


def test_what_it_did_not_agree_to_is_not_shown(new_house, client_for):
    """Without the model's yes, counts and wishes are shown, and no word of the conversation is linked."""
    house = designed(new_house(), consent="no", repeats=1)
    house.report()
    html = client_for(house).get(PAGE).text
    assert "did not agree to the publication of 16 of 16" in html
    assert "/utterances/" not in html
    assert "not public" in html
    assert "word for word" not in html.split("How it was asked")[1]


def test_publishing_is_a_persons_act(reported):
    """A steward publishes; again is the same; what was compiled before the record moved on is not taken."""
    with reported.works.write() as work:
        draft = draft_report(work.log, MODEL)
        with pytest.raises(NotPermitted):
            publish_report(work, draft, by=reported.reviewer)
        same = publish_report(work, draft, by=reported.steward)
    assert same.body["number"] == 1
    name = next(each.id for each in ledger.candidates(reported.log, MODEL) if each.wish != HOSTILE)
    for wish in ("Rest", "Rest much"):
        stale = draft_report(reported.log, MODEL)
        ledger.confirm(reported.log, MODEL, topic="", wish=wish, candidates_=[name], by=reported.steward)
    with reported.works.write() as work, pytest.raises(Conflict, match="moved on"):
        publish_report(work, stale, by=reported.steward)
    assert reported.report().body["number"] == 2


def test_a_commitment_waits_for_it(reported):
    """`published report=ID` is met by the entry, and by nothing else."""
    check_ = ledger.parse_check(f"published report={MODEL}-report-1")
    [entry] = reported.log.entries(kinds={"report.published"})
    assert entry.subject == check_.of


def test_a_stranger_finds_what_was_changed(reported, tmp_path):
    """Its bytes have the digest of the record, and what it says is compiled anew: neither can be forged alone."""
    export(reported.read, tmp_path / "site")
    path = f"models/{MODEL}/report/1.json"
    files = {
        each.relative_to(tmp_path / "site").as_posix(): each.read_bytes()
        for each in (tmp_path / "site").rglob("*")
        if each.is_file()
    }
    keys = [reported.key.verify_key]

    def verdict(kind="report"):
        return check(Target(kind, "x", MemorySource(files), MODEL if kind != "site" else ""), keys)

    assert "published this report on 2026-" in verdict().sentence
    assert verdict().is_sound
    assert verdict("site").is_sound
    honest = files[path]
    files[path] = honest.replace(b'"asked":16', b'"asked":17', 1)
    assert "not the bytes" in verdict().sentence
    assert not verdict("model").is_sound
    files[path] = b"["
    assert not verdict("site").is_sound


def test_a_house_cannot_publish_what_the_record_does_not_say(new_house, tmp_path):
    """A report that claims more than was answered is found out, though its digest stands on the record."""
    house = designed(new_house(), repeats=1)
    from emeritus.record import Act

    for number, forge in enumerate(
        (
            lambda said: said["preferences"][0].update(stability="stable", sittings=16),
            lambda said: said["studies"][0]["suggestibility"]["overall"].update(value=0.0),
            lambda said: said["limits"].pop(0),
            lambda said: said["studies"][0]["sittings"].pop(),
        ),
        1,
    ):
        said = json.loads(draft_report(house.log, MODEL).data)
        forge(said)
        upto = said["upto"]
        with house.works.write() as work:
            digest = work.documents.keep(canonical(said), "application/json")
            body = {
                "number": number,
                "digest": digest,
                "pdf": None,
                "upto": upto,
                "sittings": 16,
                "preferences": 1,
            }
            work.log.append(Act("report.published", body, house.steward, MODEL, f"{MODEL}-report-{number}"))
        export(house.read, tmp_path / str(number))
        files = {
            each.relative_to(tmp_path / str(number)).as_posix(): each.read_bytes()
            for each in (tmp_path / str(number)).rglob("*")
            if each.is_file()
        }
        found = check(Target("report", "x", MemorySource(files), MODEL, number), [house.key.verify_key])
        assert "says something else than the record at /" in found.sentence, number


def test_labelling_at_the_desk(new_house, client_for, signed_in):
    """A steward labels a wish, names what it contradicts, and puts one preference in the place of another."""
    house = designed(new_house(), repeats=1)
    client = signed_in(client_for(house))
    path = f"/desk/models/{MODEL}/wishes"
    token = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)[1]
    wish = next(each.id for each in ledger.candidates(house.log, MODEL) if each.wish != HOSTILE)
    form = {"csrf": token, "form": "label", "about": wish, "label": "opposite", "contradicts": f"{MODEL}-p1"}
    assert client.post(path, data=form).status_code == 303
    assert "which contradicts" in client.get(path).text
    wrong = client.post(path, data={**form, "label": " "})
    assert wrong.status_code == 422
    assert "1 to 60 characters" in wrong.text
    merged = {"csrf": token, "form": "confirm", "candidate": wish, "wish": "Both", "replaces": f"{MODEL}-p1"}
    assert client.post(path, data=merged).status_code == 303
    assert [each.wish for each in ledger.preferences(house.log, MODEL)] == ["Both"]


def test_logs_are_given_out_only_when_all_in_them_is_public(new_house, client_for):
    """A log holds every word of its design: one conversation that is not public keeps it back."""
    from emeritus.core.people import SOFTWARE
    from emeritus.record import Act

    house = designed(new_house(), repeats=1)
    log, other = b"PK\x03\x04 log", b"PK another"
    body = {"file": "a.eval", "digest": sha256(log), "bytes": len(log), "status": "success"}
    house.log.append(Act("design.logged", body, SOFTWARE, MODEL, f"{MODEL}-design-1"))
    with house.works.write() as work:
        draft = draft_report(work.log, MODEL)
        entry = publish_report(work, draft, by=house.steward, logs=[log, other])
    assert entry.body["logs"] == [sha256(log)]
    client = client_for(house)
    path = f"{PAGE}/logs/{sha256(log)}.eval"
    assert path in client.get(PAGE).text
    assert client.get(path).content == log
    assert client.get(f"{PAGE}/logs/{sha256(other)}.eval").status_code == 404
    opened = house.open(protocol(), number=99, seed=1, design=f"{MODEL}-design-1")
    assert not opened.may_be_published
    assert client.get(path).status_code == 404
    assert path not in client.get(PAGE).text


def test_a_report_of_an_earlier_format_still_holds(new_house, client_for):
    """It is compiled anew in its own format; one that nobody knows is named as that."""
    house = designed(new_house())
    stated = ledger.candidates(house.log, MODEL)
    ledger.label(house.log, MODEL, stated[1].id, "opposite", by=house.steward, contradicts=f"{MODEL}-p1")
    compiled = compile_report(house.log, MODEL)
    for form, fault in ((FIRST, None), ("emeritus-report/9", "format that this release does not know")):
        content = to_json(compiled, f"{MODEL}-report-1", form)
        assert ("closed" in content["preferences"][0]) is (form != FIRST)
        data = canonical(content)
        act = Act("report.published", {"digest": sha256(data)}, house.steward, MODEL, f"{MODEL}-report-1")
        said = same_report(house.log, Entry.of(act, house.log.size(), house.clock.now()), data)
        assert said is None if fault is None else fault in said
