"""Mail, labels, translations and a copy of the site, from the command line."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from emeritus import column
from emeritus.core.speech import EngineBuild, Utterance
from emeritus.registry import get_model
from emeritus.settings import load_settings
from emeritus.wiring import open_house

from .conftest import MODEL, Shell

ESSAY = f"{MODEL}-essay-1"


@pytest.fixture
def published(house: Shell) -> Shell:
    """A house whose model has published an essay."""
    with open_house(load_settings(house.home)) as opened, opened.works.write() as work:
        asked = column.next_draft(work.log, get_model(work.log, MODEL), column.load("minimal-v1"), 1)
        assert asked is not None
        said = Utterance(
            model=MODEL,
            text="# On ink\n\nIt dries.",
            prompt=asked.prompt,
            sampling=asked.sampling,
            engine=EngineBuild("scripted", "1"),
            weights="",
            finish="stop",
            tokens_in=1,
            tokens_out=1,
            at=opened.clock.now(),
        )
        column.record_draft(work.log, work.utterances, asked, said)
    house.does("column", "approve", ESSAY, as_="Ray")
    house.does("column", "publish", ESSAY, as_="Ray")
    return house


def test_labels_and_translations(published: Shell, tmp_path: Path) -> None:
    """They are put beside what is published, by people, and each refusal writes nothing."""
    assert "ink, quiet-things" in published.does("column", "tag", ESSAY, "Ink", "quiet things")
    assert "no label" in published.does("column", "tag", ESSAY)
    file = tmp_path / "de.md"
    file.write_text("# Über Tinte\n\nSie trocknet.")
    told = published.does(
        "column", "translate", ESSAY, "--to", "de", "--file", str(file), "--translator", "Emmy Noether"
    )
    assert f"/column/essays/{ESSAY}/in/de" in told
    refuses = published.refuses
    refuses("column", "tag", ESSAY, "<b>", code=2, fault="input.invalid", says="cannot be a tag")
    refuses("column", "tag", "nothing", "x", code=3, fault="not_found", says="no essay")
    refuses(
        "column", "translate", ESSAY, "--to", "de", code=2, fault="input.invalid", says="either by a model"
    )
    refuses(
        "column", "translate", ESSAY, "--to", "no language", "--file", str(file), "--translator", "E",
        code=2, fault="input.invalid", says="no language tag",
    )  # fmt: skip
    refuses(
        "column", "translate", ESSAY, "--to", "fr", "--with", "nobody",
        code=3, fault="not_found", says="nobody",
    )  # fmt: skip
    file.write_bytes(b"\xff\xfe\x00")
    refuses(
        "column", "translate", ESSAY, "--to", "fr", "--file", str(file), "--translator", "E",
        code=2, fault="input.invalid", says="UTF-8",
    )  # fmt: skip


def test_a_copy_of_the_site(published: Shell, tmp_path: Path) -> None:
    """It is written, brought up to date, and never over something else."""
    folder = tmp_path / "copy"
    assert "has the site" in published.does("site", "export", "--to", str(folder))
    assert "On ink" in (folder / f"column/essays/{ESSAY}/index.html").read_text()
    again = json.loads(published.does("site", "export", "--to", str(folder), "--json"))
    assert (again["written"], again["removed"]) == (0, 0)
    assert again["longest_page"] < 50_000
    assert "Sound" in published.does(
        "verify", str(folder), "--key", (folder / "record/key").read_text().strip()
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("mine")
    published.refuses(
        "site",
        "export",
        "--to",
        str(tmp_path / "other"),
        code=2,
        fault="input.invalid",
        says="something else",
    )


def test_mail(house: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is counted; the DNS records hold our key; letters can be given up; bounces never fail."""
    house.refuses("mail", "dns", code=2, fault="input.invalid", says="no sender")
    assert "waits there until" in house.does("mail", "test", "ada@example.org")
    house.refuses("mail", "test", "nobody", code=2, fault="input.invalid", says="no mail address")
    told = house.does("mail", "status")
    assert "No mail server is named" in told
    assert "waiting" in told
    assert "ada@" not in told
    (house.home / "settings.toml").write_text('mail_from = "column@lab.example"\nsmtp_host = "127.0.0.1"\n')
    record = house.does("mail", "dns")
    assert re.match(r"emeritus\._domainkey\.lab\.example\. IN TXT \( \"v=DKIM1; k=rsa; p=", record)
    assert "_dmarc.lab.example." in record
    assert json.loads(house.does("mail", "status", "--json"))["ready"] is True
    assert "1 letters were given up" in house.does("mail", "drop", "--kind", "test")
    assert json.loads(house.does("mail", "person", "ada@example.org")) == []
    assert "0 subscriptions" in house.does("mail", "person", "ada@example.org", "--erase")
    for data in (b"", b"From: a person\n\nHello.", b"\xff\x00" * 1000):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert house("mail", "bounce").code == 0, "a mail server would answer an error with another mail"


@pytest.mark.parametrize("text", ["not an address", "a@b@c", "a\nb@example.org"])
def test_an_address_that_is_none_is_no_setting(house: Shell, text: str) -> None:
    """It is refused by name, before anything is sent from it."""
    (house.home / "settings.toml").write_text(f"mail_from = {json.dumps(text)}\n")
    house.refuses("mail", "status", code=2, fault="input.invalid", says="mail_from")
