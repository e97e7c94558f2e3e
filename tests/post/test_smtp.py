"""Letters reach a real SMTP server: whole, signed, once; and what it answers is understood."""

import email
import re
from datetime import timedelta
from email.policy import default as policy

import dkim
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.post.contracts import NOON, letter

from emeritus.core.errors import Unavailable
from emeritus.post import Sender, Server, SmtpPostman, compose
from emeritus.process import mail
from emeritus.process.ports import HANDED_FOR, Mark, Queued


def states(works):
    with works.read() as work:
        return {(each.state, each.count) for each in work.post.tally()}


def unix(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


def send(works, *letters):
    with works.write() as work:
        for each in letters:
            work.post.send(each)


def test_a_letter_arrives_signed(works, mailbox, postman, parts_with, dkim_key):
    """Both parts, the headers, a return path of its own; DKIM passes, and fails when anything is changed."""
    headers = {"List-Id": "Essays <essays.lab.example>", "List-Unsubscribe": "<https://lab.example/u/⟦t⟧>"}
    text = "Grüße an alle.\n" + "Eine lange Zeile " * 200 + "\n.\nEnde ⟦t⟧\n"
    send(works, letter(text=text, html="<p>Grüße ⟦t⟧</p>", headers=headers, fields={"⟦t⟧": "token-1"}))
    assert mail.stride(parts_with(postman), "outbox")
    [(sender, to, raw)] = mailbox.raw
    [message] = mailbox.messages()
    assert to == "reader1@example.org"
    assert re.fullmatch(r"bounces\+letter-[0-9a-z]{20}@lab\.example", sender)
    assert message["From"] == "The Lab <column@lab.example>"
    assert message["List-Unsubscribe"] == "<https://lab.example/u/token-1>"
    assert unix(message.get_body(("plain",)).get_content()) == text.replace("⟦t⟧", "token-1")
    assert unix(message.get_body(("html",)).get_content()) == "<p>Grüße token-1</p>\n"
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?<!\r)\n", raw)

    def dns(name, timeout=5):
        assert name == b"emeritus._domainkey.lab.example."
        return dkim_key.record.encode()

    assert dkim.verify(raw, dnsfunc=dns)
    signed = dkim.DKIM(raw)
    assert signed.verify(dnsfunc=dns)
    assert {b"from", b"to", b"list-unsubscribe", b"list-id"} <= set(signed.include_headers)
    for changed in (
        raw.replace(b"token-1", b"token-2"),
        raw.replace(b"Subject: Essays", b"Subject: Buy now"),
        b"From: x@y.example\r\n" + raw,
        b"List-Unsubscribe: <https://evil.example>\r\n" + raw,
    ):
        assert not dkim.verify(changed, dnsfunc=dns)
    assert states(works) == {("sent", 1)}


def test_the_key_is_in_the_dns_as_strings_of_255(dkim_key):
    """A zone file's line holds the whole key, cut where DNS wants it."""
    strings = re.findall(r'"([^"]*)"', dkim_key.zone_line)
    assert "".join(strings) == dkim_key.record
    assert max(map(len, strings)) <= 255


def test_many_arrive_once_each(works, mailbox, postman, parts_with):
    """Over several connections, each letter arrives exactly once."""
    send(works, *(letter(number) for number in range(60)))
    parts = parts_with(postman)
    while mail.stride(parts, "outbox"):
        pass
    assert sorted(to for _, to, _ in mailbox.raw) == sorted(f"reader{n}@example.org" for n in range(60))
    assert len({message["Message-ID"] for message in mailbox.messages()}) == 60
    assert states(works) == {("sent", 60)}


def test_what_the_server_puts_off_and_refuses(works, mailbox, postman, parts_with, clock):
    """4xx: again later, a bounded number of times. 5xx: given up. The others are not held up by either."""
    mailbox.answers = {
        "reader1@example.org": "451 4.7.1 greylisted",
        "reader2@example.org": "550 5.1.1 no such user",
    }
    send(works, *(letter(number) for number in range(4)))
    parts = parts_with(postman)
    assert mail.stride(parts, "outbox")
    assert states(works) == {("sent", 2), ("failed", 1), ("waiting", 1)}
    assert not mail.stride(parts, "outbox"), "it waits before it tries again"
    clock.advance(mail.FIRST_WAIT)
    del mailbox.answers["reader1@example.org"]
    assert mail.stride(parts, "outbox")
    assert states(works) == {("sent", 3), ("failed", 1)}


def test_nothing_is_tried_for_ever(works, mailbox, postman, parts_with, clock):
    """After `MOST_TRIES` a letter is given up; the waits double, and are bounded."""
    mailbox.answers["reader1@example.org"] = "451 4.7.1 greylisted"
    send(works, letter())
    tries = 0
    for _ in range(200):
        tries += mail.stride(parts_with(postman), "outbox")
        clock.advance(timedelta(hours=1))
    assert tries == mail.MOST_TRIES
    assert states(works) == {("failed", 1)}


@pytest.mark.parametrize("answer", ["550 5.7.1 not you", "530 5.7.0 sign in first"])
def test_a_server_that_refuses_us_costs_no_letter(works, mailbox, postman, parts_with, answer):
    """It is a fault of the settings: letters wait, and the error says what to look at."""
    mailbox.refuses_sender = answer
    send(works, letter(1), letter(2))
    with pytest.raises(Unavailable, match="does not take mail from column@lab"):
        mail.stride(parts_with(postman), "outbox")
    assert states(works) == {("waiting", 2)}


def test_no_server(works, parts_with):
    """So is one that does not answer; without one nothing is tried at all."""
    send(works, letter())
    nowhere = SmtpPostman(Server("127.0.0.1", 1, "none"), Sender("column@lab.example"))
    with pytest.raises(Unavailable, match="cannot be used"):
        mail.stride(parts_with(nowhere), "outbox")
    assert not mail.stride(parts_with(None), "outbox")
    assert states(works) == {("waiting", 1)}


def test_a_letter_that_may_have_arrived_is_sent_again_under_its_name(
    works, postman, mailbox, parts_with, clock
):
    """A worker that died between the last byte and the answer leaves it in doubt; its Message-ID stays."""
    send(works, letter())
    with works.write() as work:
        [taken] = work.post.take("dead", NOON, 1)
        work.post.mark("dead", [Mark(taken.id, "handed")], NOON)
    parts = parts_with(postman)
    assert not mail.stride(parts, "outbox"), "the other may still be alive"
    clock.advance(HANDED_FOR)
    assert mail.stride(parts, "outbox")
    [message] = mailbox.messages()
    assert message["Message-ID"] == f"<{taken.id}@lab.example>"


def test_a_letter_that_another_worker_took_is_not_sent(works, mailbox, postman, parts_with, monkeypatch):
    """Where the mark does not take, its words do not leave."""
    send(works, letter())
    deliver = postman.deliver

    def late(letters, mark, now):
        with works.write() as work:
            work.post.take("quicker", NOON, 10)
        deliver(letters, mark, now)

    monkeypatch.setattr(postman, "deliver", late)
    mail.stride(parts_with(postman), "outbox")
    assert mailbox.raw == []


HOSTILE = st.text(max_size=60) | st.sampled_from(
    ["x\r\nBcc: a@b.example", "x\n\n<script>", "\u202eevil", "a\x00b", "=?utf-8?q?x?=", "x" * 3000]
)


@given(HOSTILE, HOSTILE, HOSTILE)
@example("x\r\nBcc: a@b.example", "\r\n.\r\n", "y\r\nX-Evil: 1")
def test_no_text_escapes_its_place(subject, text, value):
    """Whatever a letter says, it has the headers it should have, and its words are its words."""
    made = letter(subject=subject, text=text, html=None, headers={"List-Id": value, "Bcc x": "y"})
    queued = Queued("letter-00000000000000000000", made, 0, 0, NOON)
    data = compose(queued, Sender("column@lab.example", subject))
    message = email.message_from_bytes(data, policy=policy)
    wanted = ["from", "to", "subject", "date", "message-id", "auto-submitted", "list-id"]
    assert [name.lower() for name in message.keys()][:7] == wanted  # noqa: SIM118
    assert {name.lower() for name in message.keys()} == {  # noqa: SIM118
        *wanted,
        "mime-version",
        "content-type",
        "content-transfer-encoding",
    }
    assert unix(message.get_content()).rstrip("\n") == unix(text).rstrip("\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998


@given(st.text(max_size=300), st.text(max_size=300), st.booleans())
def test_what_is_kept_encoded_for_many_is_what_each_would_get(before, after, twice):
    """A letter whose fields are filled in is, byte for byte, the one that was written out for its reader."""
    text = f"{before}FIELD{after}" + ("FIELD" if twice else "")
    form = letter(text=text, html=f"<p>{text}</p>", fields={"FIELD": "token"})
    whole = letter(text=text.replace("FIELD", "token"), html=f"<p>{text.replace('FIELD', 'token')}</p>")
    sender = Sender("column@lab.example")
    for _ in range(2):  # as it is encoded first, and as it is taken from what was kept
        assert compose(Queued("letter-1", form, 0, 0, NOON), sender) == compose(
            Queued("letter-1", whole, 0, 0, NOON), sender
        )
