"""The worker is killed in mid-sending, again and again: nobody is left out, and SMTP's one gap is all there is."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from tests.post.contracts import letter

from emeritus.registry import Organisation
from emeritus.settings import load_settings
from emeritus.wiring import found_house, open_house

LETTERS, CONNECTIONS, KILLS = 100, 3, 3
pytestmark = pytest.mark.timeout(240)


def start(home, later: int) -> subprocess.Popen[bytes]:
    env = {**os.environ, "EMERITUS_CLOCK_OFFSET": str(later)}
    command = [sys.executable, "-m", "emeritus", "--home", str(home), "work", "--until-idle"]
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_killed_in_mid_sending_it_sends_each_letter_once(tmp_path, mailbox):
    """Each reader gets their letter; twice at most those in doubt when it died, and under the same Message-ID."""
    home = tmp_path / "house"
    settings = load_settings(
        home,
        smtp_host="127.0.0.1",
        smtp_port=mailbox.port,
        smtp_security="none",
        smtp_connections=CONNECTIONS,
        mail_rate=0,
        mail_from="column@lab.example",
    )
    found_house(settings, Organisation("Example Lab", 60, demo=False))
    given = {
        name: getattr(settings, name)
        for name in ("smtp_host", "smtp_port", "smtp_security", "smtp_connections", "mail_rate", "mail_from")
    }
    text = "".join(f"{name} = {value!r}\n" for name, value in given.items())
    (home / "settings.toml").write_text(text.replace("'", '"'))
    with open_house(settings) as house, house.works.write() as work:
        work.post.send_all(letter(number) for number in range(LETTERS))
    mailbox.pause = 0.02
    chance, killed = random.Random(7), 0
    for turn in range(KILLS):
        process = start(home, 100 * turn)
        wanted = len(mailbox.raw) + chance.randint(5, 25)
        while process.poll() is None and len(mailbox.raw) < wanted:
            time.sleep(0.002)
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert killed == KILLS
    assert 0 < len(mailbox.raw) < LETTERS
    for turn in range(KILLS, KILLS + 2):
        process = start(home, 100 * turn)
        assert process.wait(timeout=120) == 0
    got = Counter(to for _, to, _ in mailbox.raw)
    assert set(got) == {f"reader{number}@example.org" for number in range(LETTERS)}
    names = {
        (to, message["Message-ID"])
        for (_, to, _), message in zip(mailbox.raw, mailbox.messages(), strict=True)
    }
    assert len(names) == LETTERS, "a second copy has the Message-ID of the first"
    assert sum(got.values()) - LETTERS <= KILLS * CONNECTIONS
    with open_house(settings) as house, house.works.read() as work:
        assert [(each.state, each.count) for each in work.post.tally()] == [("sent", LETTERS)]
