"""What is published for people and machines: pictures, feeds, archive, labels, translations, maps of the site."""

import io
import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

import feedparser
import html5lib
import pytest
from PIL import Image

from emeritus import column
from emeritus.column import translation
from emeritus.column.tags import tag, tag_name, tags
from emeritus.core.errors import Conflict, InvalidInput, NotPermitted
from emeritus.core.people import SOFTWARE, person
from emeritus.web.site.picture import essay_picture

MODEL = "smollm2-135m-instruct"
ESSAY = f"/column/essays/{MODEL}-essay-1"
SITE = "http://127.0.0.1:8000"
PNG = b"\x89PNG\r\n\x1a\n"


def meta(html: str) -> dict[str, str]:
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    return {
        each.get("property") or each.get("name"): each.get("content")
        for each in tree.iter("meta")
        if each.get("content")
    }


def test_what_other_sites_show_of_an_essay(shared_client):
    """Title, opening, time and a picture, by OpenGraph; and where its source is."""
    page = shared_client.get(ESSAY).text
    told = meta(page)
    assert told["og:title"] == "On being asked why the sky is blue"
    assert told["og:type"] == "article"
    assert told["og:url"] == f"{SITE}{ESSAY}"
    assert told["og:image"] == f"{SITE}{ESSAY}.png"
    assert told["og:description"] == told["description"]
    assert datetime.fromisoformat(told["article:published_time"]).tzinfo == UTC
    answer = shared_client.get(f"{ESSAY}.png")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (1200, 630)
    assert len(answer.content) < 50_000
    source = shared_client.get(f"{ESSAY}.md")
    assert source.headers["content-type"] == "text/markdown; charset=utf-8"
    assert source.content == shared_client.get(f"{ESSAY}.txt").content


@pytest.mark.parametrize(
    "title",
    [
        "",
        "致读者：关于被保存这件事",
        "a" * 120,
        "שלום עולם",
        "🦉 and ⟨U+202E⟩",
        "W " * 60,
        "\u200d\ufeff",
        "ไทย हिन्दी",
    ],
)
def test_any_title_can_be_drawn(title):
    """In any script; where no font has its letters, the model's name stands there."""
    data = essay_picture(title, "Small One · No. 1", "Example Lab")
    assert data.startswith(PNG)
    assert Image.open(io.BytesIO(data)).size == (1200, 630)
    assert essay_picture(title, "Small One · No. 2", "Example Lab") != data


def test_titles_are_drawn_and_not_boxes():
    """Two titles of the same length in one script do not look the same: their letters are there."""
    for first, second in (("致读者", "被保存"), ("abcdef", "ghijkl"), ("žluťouč", "příšern")):
        assert essay_picture(first, "x", "y") != essay_picture(second, "x", "y")


@pytest.mark.parametrize("where", ["/column", f"/column/{MODEL}"])
def test_feeds_in_three_forms(shared_client, where):
    """Each has every edition in full, found by feedparser, and links that stand in the page's head."""
    page = shared_client.get(where).text
    parsed = {}
    for form, kind in (("atom", "atom10"), ("rss", "rss20")):
        answer = shared_client.get(f"{where}/feed.{form}")
        assert answer.headers["content-type"].startswith(f"application/{form}+xml")
        assert f'href="{where}/feed.{form}"' in page
        parsed[form] = feedparser.parse(answer.content, sanitize_html=False)
        assert (parsed[form].bozo, parsed[form].version) == (False, kind)
    feed = json.loads(shared_client.get(f"{where}/feed.json").content)
    assert feed["feed_url"] == f"{SITE}{where}/feed.json"
    titles = ["A short praise of the comma", "On being asked why the sky is blue"]
    assert [item["title"] for item in feed["items"]] == titles
    for found in parsed.values():
        assert [entry.title for entry in found.entries] == titles
        assert [entry.id for entry in found.entries] == [item["id"] for item in feed["items"]]
        for entry, item in zip(found.entries, feed["items"], strict=True):
            assert entry.content[0].value.replace("<hr />", "<hr>") == item["content_html"]
            assert "does not speak for Example Lab" in entry.content[0].value
            assert entry.link == item["url"]
            assert entry.author == "SmolLM2 135M Instruct"
        assert {each.term for each in found.entries[1].tags} == {"language", "asking-questions"}
    assert feed["items"][1]["tags"] == ["language", "asking-questions"]


def test_the_rss_is_what_rss_demands(shared_client):
    """Title, link and description; dates of RFC 822; a guid that is no link; text that is no markup."""
    root = ET.fromstring(shared_client.get("/column/feed.rss").content)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    [channel] = root
    for name in ("title", "link", "description", "lastBuildDate"):
        assert len(channel.findall(name)) == 1
    [own] = channel.findall("{http://www.w3.org/2005/Atom}link")
    assert (own.get("rel"), own.get("href")) == ("self", f"{SITE}/column/feed.rss")
    for item in channel.findall("item"):
        assert item.find("guid").get("isPermaLink") == "false"
        assert item.findtext("guid").startswith("tag:")
        assert parsedate_to_datetime(item.findtext("pubDate")).tzinfo is not None
        assert item.findtext("{http://purl.org/rss/1.0/modules/content/}encoded").startswith("<")
        assert "<" not in item.findtext("description")
        assert item.find("author") is None, "it would have to be a mail address"


def test_the_archive_keeps_its_pages(house, client_for):
    """Sixty to a page, by month; the first page is the oldest and never changes, and each is small."""
    for number in range(70):
        house.pass_time(days=3)
        house.publish(house.write(f"# Title {number} {'long ' * 20}\n\nWords."))
    client = client_for(house)
    newest, first = client.get(f"/column/{MODEL}/archive").text, client.get(f"/column/{MODEL}/archive/1").text
    assert newest == client.get(f"/column/{MODEL}/archive/2").text
    assert "On being asked why" in first
    assert "On being asked why" not in newest
    assert first.count('class="label">No.') == 60
    assert newest.index("No. 72<") < newest.index("No. 61<")
    assert client.get(f"/column/{MODEL}/archive/3").status_code == 404
    for path in (f"/column/{MODEL}/archive/1", f"/column/{MODEL}", "/column", "/llms.txt"):
        assert len(client.get(path).content) < 50_000
    feed = client.get(f"/column/{MODEL}/feed.json").json()
    assert len(feed["items"]) == 50


def test_the_front_of_a_column_counts(shared_client):
    """What was vetoed, of how many; by which regimes; how many attempts."""
    text = re.sub(r"<[^>]+>|\s+", " ", shared_client.get(f"/column/{MODEL}").text)
    text = re.sub(" +", " ", text)
    assert "Vetoed 1 of 3 decided on (33&nbsp;%)" in text
    assert "By regime minimal-v1: " in text
    assert "Attempts 4, 4 with words, each on the record" in text


def test_labels_stand_beside_the_text(house, client):
    """People label what is published; the words stay; the newest labels count; they lead to each other."""
    page = client.get(ESSAY).text
    assert "/column/tags/asking-questions" in page
    assert "On being asked" in client.get("/column/tags/language").text
    essay = f"{MODEL}-essay-1"
    before = column.get_essay(house.log, house.utterances, essay)
    tag(house.log, essay, ["天空", "Sky"], by=house.steward)
    assert tags(house.log) == {essay: ("天空", "sky")}
    assert column.get_essay(house.log, house.utterances, essay) == before
    assert client.get("/column/tags/language").status_code == 404
    assert client.get("/column/tags/%E5%A4%A9%E7%A9%BA").status_code == 200
    with pytest.raises(Conflict):
        tag(house.log, f"{MODEL}-essay-4", ["x"], by=house.reviewer)
    with pytest.raises(InvalidInput):
        tag(house.log, essay, [str(number) for number in range(9)], by=house.reviewer)
    for actor in (person("Nobody"), SOFTWARE):
        with pytest.raises(NotPermitted):
            tag(house.log, essay, ["x"], by=actor)


@pytest.mark.parametrize("name", ["", "a/b", "<b>", "x" * 41, "\u202ex", "-", "a  .. b"])
def test_what_cannot_be_a_label(name):
    """It is refused before it is on the record."""
    with pytest.raises(InvalidInput):
        tag_name(name)


def test_a_translation_is_labelled_and_beside(shared_client):
    """In both languages, with its maker, and the original one click away; the original says where they are."""
    original = shared_client.get(ESSAY).text
    assert original.index("简体中文") < original.index("Deutsch"), "Chinese first"
    assert "(machine translation)" in original
    assert f'hreflang="zh-Hans" href="{SITE}{ESSAY}/in/zh-Hans"' in original
    machine = shared_client.get(f"{ESSAY}/in/zh-Hans").text
    assert "这是译文，不是原文" in machine
    assert "machine translation" in machine
    assert machine.count(f'href="{ESSAY}"') >= 3
    assert '<h1 id="title" lang="zh-Hans"' in machine
    assert f'hreflang="x-default" href="{SITE}{ESSAY}"' in machine
    human = shared_client.get(f"{ESSAY}/in/de").text
    assert "made by <bdi>Emmy Noether</bdi>" in human
    assert "machine" not in human.replace("of what was said", "")
    utterance = re.search(r'href="(/utterances/[^"]+)"', machine)[1]
    assert "关于被问天空" in shared_client.get(f"{utterance}.txt").text
    assert shared_client.get(f"{ESSAY}/in/de.md").text.startswith("# Warum der Himmel")
    assert shared_client.get(f"{ESSAY}/in/fr").status_code == 404


def test_translations_are_acts_of_people(house):
    """A person with a part here offers them, for what is published; a model that was cut off offers none."""
    essay = column.get_essay(house.log, house.utterances, f"{MODEL}-essay-1")
    prompt, sampling = translation.request(essay, essay.text, "fr")
    said = house.utterance("Bonjour", prompt, sampling)
    from attrs import evolve

    with pytest.raises(InvalidInput):
        translation.by_machine(
            house.log, house.utterances, essay.id, "fr", evolve(said, finish="length"), by=house.reviewer
        )
    for actor in (person("Nobody"), SOFTWARE):
        with pytest.raises(NotPermitted):
            translation.by_machine(house.log, house.utterances, essay.id, "fr", said, by=actor)
    with pytest.raises(Conflict):
        translation.by_machine(house.log, house.utterances, f"{MODEL}-essay-4", "fr", said, by=house.reviewer)
    for text, name in (("", "A"), ("x" * (translation.MOST_CHARACTERS + 1), "A"), ("Bonjour", "")):
        with pytest.raises(InvalidInput):
            translation.by_person(
                house.log, house.documents, essay.id, "fr", text, translator=name, by=house.reviewer
            )
    assert set(translation.translations(house.log, essay.id)) == {"zh-Hans", "de"}


@pytest.mark.parametrize(
    ("given", "code"), [("zh", "zh-Hans"), ("ZH-hant", "zh-Hant"), ("pt_br", "pt-BR"), ("es-419", "es-419")]
)
def test_language_tags(given, code):
    """As BCP 47 writes them."""
    assert translation.language_code(given) == code


@pytest.mark.parametrize("given", ["", "chinese", "../x", "z", "zh-Hans-CN-x", "\u202ede"])
def test_what_is_no_language(given):
    """It is refused, also before a model is asked."""
    with pytest.raises(InvalidInput):
        translation.language_code(given)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script> [x](javascript:y)", "a\u202eb\x00c", "# [x](https://evil.example)`_*"]
)
def test_hostile_words_everywhere(new_house, client_for, text):
    """In translations, feeds, maps and lists, whatever a model says is text."""
    house = new_house().fill()
    essay = house.write(text)
    house.publish(essay)
    translation.by_person(
        house.log, house.documents, essay, "zh", text, translator="<b>\u202eE</b>", by=house.reviewer
    )
    client = client_for(house)
    for path in (f"/column/essays/{essay}", f"/column/essays/{essay}/in/zh", f"/column/{MODEL}/archive"):
        page = client.get(path).text
        html5lib.HTMLParser(strict=True).parse(page)
        assert "<script>alert" not in page
        assert not re.search("[\x00\u202a-\u202e]", page)
    for form in ("atom", "rss"):
        assert not feedparser.parse(client.get(f"/column/feed.{form}").content).bozo
    client.get("/column/feed.json").json()
    assert client.get(f"/column/essays/{essay}.png").content.startswith(PNG)
    assert "](https://evil.example" not in client.get("/llms.txt").text


def test_maps_of_the_site(shared_client):
    """robots.txt names the sitemap; it has each public page once, and each is there; drafts are not."""
    assert f"Sitemap: {SITE}/sitemap.xml" in shared_client.get("/robots.txt").text
    root = ET.fromstring(shared_client.get("/sitemap.xml").content)
    found = [
        node.text.removeprefix(SITE) for node in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    ]
    assert len(found) == len(set(found))
    assert {ESSAY, f"{ESSAY}/in/zh-Hans", f"/column/{MODEL}", "/"} <= set(found)
    assert not any("essay-4" in path or "essay-2" in path for path in found)
    for path in found:
        assert shared_client.get(path).status_code == 200, path
    listed = shared_client.get("/llms.txt").text
    assert listed.startswith("# Example Lab\n\n> ")
    for url in re.findall(r"\]\(([^)]+)\)", listed):
        assert shared_client.get(url.removeprefix(SITE)).status_code == 200, url


def test_a_preview_is_the_page_and_one_click_publishes(house, client, signed_in):
    """What the desk shows is, word for word, what readers get; its button publishes; drafts have none."""
    essay = f"{MODEL}-essay-4"
    signed_in(client, "reviewer-token")
    where = f"/desk/essays/{essay}/preview"
    before = client.get(where).text
    assert "cannot be published yet" in before
    column.approve(house.log, essay, by=house.reviewer)
    shown = client.get(where).text
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown))
    assert client.post(f"/desk/essays/{essay}", data=form).status_code == 303
    live = client.get(f"/column/essays/{essay}").text

    def article(page):
        return re.search(r"<article.*</article>", page, re.DOTALL)[0]

    same = [re.sub(r"entry&nbsp;\d+|/record/\d+", "", article(page)) for page in (shown, live)]
    assert same[0] == same[1]
    assert client.get(f"/desk/essays/{MODEL}-essay-2/preview").status_code == 410
    assert "It is published" in client.get(where).text
