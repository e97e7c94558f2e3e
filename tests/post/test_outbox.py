"""The outbox keeps its contract, in memory and in SQL, and tells nobody who is written to."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.post.contracts import NOON, PostContract, letter

from emeritus.core.address import mail_address
from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.process.fakes import MemoryPost
from emeritus.process.ports import Mark
from emeritus.store.post import SqlPost
from emeritus.store.sealing import Sealer


class TestMemoryPost(PostContract):
    @pytest.fixture
    def post(self, clock):
        return MemoryPost(clock)


class TestSqlPost(PostContract):
    @pytest.fixture
    def post(self, connection, clock):
        return SqlPost(connection, Sealer(bytes(32)), clock)

    def test_nothing_can_be_read_at_rest(self, connection, post):
        """Neither addresses nor words stand in the tables, and nothing of them is left once it is sent."""
        post.send(letter(to="somebody@example.org", subject="A secret", text="words of it"))
        post.send(letter(2, subject="A secret", text="words of it"))
        rows = [str(row) for name in ("letter", "letter_words") for row in connection.exec_driver_sql(f"SELECT * FROM {name}")]  # fmt: skip
        assert len(rows) == 3, "two letters share their words"
        assert not any(
            word in row for row in rows for word in ("somebody", "example.org", "secret", "words of")
        )
        for taken in post.take("mine", NOON, 10):
            post.mark("mine", [Mark(taken.id, "sent")], NOON)
        assert post.take("mine", NOON, 10) == []
        assert connection.execute(sa.text("SELECT count(*) FROM letter_words")).scalar() == 0
        assert (
            connection.execute(sa.text("SELECT count(*) FROM letter WHERE sealed IS NOT NULL")).scalar() == 0
        )

    def test_what_is_sealed_stays_in_its_place(self, connection, post):
        """Another key, another row or a changed byte, and it does not open."""
        post.send(letter(1))
        post.send(letter(2, to="other@example.org"))
        with pytest.raises(IntegrityError):
            SqlPost(connection, Sealer(b"x" * 32), post._clock).take("mine", NOON, 10)
        connection.exec_driver_sql(
            "UPDATE letter SET sealed = (SELECT sealed FROM letter WHERE key = 'key-2')"
        )
        with pytest.raises(IntegrityError):
            post.take("mine", NOON, 10)


def test_the_key_is_made_once(tmp_path: Path):
    """It is for its owner's eyes only, and what else lies there is no key."""
    first = Sealer.at(tmp_path / "mail.key")
    assert Sealer.at(tmp_path / "mail.key") == first
    assert (tmp_path / "mail.key").stat().st_mode & 0o077 == 0
    (tmp_path / "mail.key").write_text("nonsense")
    with pytest.raises(IntegrityError):
        Sealer.at(tmp_path / "mail.key")


@given(st.text(max_size=40))
def test_an_address_is_one_line_of_ascii(text: str):
    """Whatever is accepted has one @, a domain, and nothing that begins another header."""
    try:
        made = mail_address(text)
    except InvalidInput:
        return
    assert made.isascii()
    assert made.count("@") == 1
    assert not set(made) & set(" \r\n\t<>,;\x00")
    assert mail_address(made) == made


def test_an_address_beyond_ascii():
    """A domain in another script becomes what the DNS has for it."""
    assert mail_address(" Ada@BÜCHER.example ") == "Ada@xn--bcher-kva.example"
