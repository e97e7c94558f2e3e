"""An edition to every reader of a column: ``make bench-mail``. The last line is one JSON object.

A house on disk (SQLite, every commit synced) publishes an essay, and its worker's own stretch mails it to
*mails* readers over a mail server on loopback, in a process of its own (aiosmtpd): the outbox filled, each letter
composed for its reader, signed (DKIM, RSA 2048), marked before and after, in commits.

*vs_bare_smtp*: beside it, in turns of 500 mails, a bare loop sends one finished mail of the same size to the same
server over one connection, with smtplib and nothing else. How many times as fast the house is; 1 is as fast.
"""

import base64
import json
import smtplib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dkim
from benchmarks.publication.bench import run
from benchmarks.publication.house import MODEL, START, add_people_and_model, new_house, publish
from rich.table import Table

from emeritus.column.subscribers import Subscriber
from emeritus.core.clock import SettableClock
from emeritus.process import editions, mail
from emeritus.wiring import dkim_key, open_house


@contextmanager
def mail_server() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    program = Path(__file__).with_name("server.py")
    process = subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield int(process.stdout.readline()), process
    finally:
        process.kill()
        process.wait()


def bare(port: int, sender: str, readers: list[str], message: bytes) -> float:
    """Send one finished mail to each reader over one connection; return the seconds."""
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port, local_hostname="lab.example") as client:
        for reader in readers:
            client.sendmail(sender, [reader], message)
    return time.perf_counter() - began


def measure(folder: Path, mails: int) -> dict:
    clock = SettableClock(START)
    with mail_server() as (port, process):
        settings = new_house(
            folder / "house",
            clock,
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_security="none",
            smtp_connections=8,
            mail_from="column@lab.example",
            mail_bounces="bounces@lab.example",
            mail_rate=0,
            site_url="https://lab.example",
        )
        with open_house(settings, clock=clock) as house:
            add_people_and_model(house)
            readers = [f"reader{number:05}@example.org" for number in range(mails)]
            with house.works.write() as work:
                for number, address in enumerate(readers):
                    work.subscribers.put(
                        Subscriber(f"reader-{number:05}", address, MODEL, "active", START, START, START, 1)
                    )
            publish(house, clock, range(1, 2))
            key = dkim_key(settings)
            sample = _sample(house)
            ours, theirs = [], []
            for begin in range(0, mails, mail.MOST_AT_ONCE):
                some = readers[begin : begin + mail.MOST_AT_ONCE]
                theirs.append(bare(port, "bare@lab.example", [f"bare-{each}" for each in some], sample))
                began = time.perf_counter()
                assert mail.stride(house.parts, mail.SUBJECT)
                ours.append(time.perf_counter() - began)
            while mail.stride(house.parts, mail.SUBJECT):
                raise AssertionError("a letter was left over")
            with house.works.read() as work:
                assert [(each.state, each.count) for each in work.post.tally()] == [("sent", mails)]
        process.stdin.close()
        told = json.loads(process.stdout.read())
    assert {each: told["got"].get(each) for each in readers} == dict.fromkeys(readers, 1)
    assert {each: told["got"].get(f"bare-{each}") for each in readers} == dict.fromkeys(readers, 1)
    kept = [base64.b64decode(each) for each in told["kept"]]
    signed = [each for each in kept if each.startswith(b"DKIM-Signature")]
    assert len(signed) > mails // 400
    ours_kept = [each for each in signed if b"reader" in each.split(b"\r\n\r\n")[0]]
    assert all(_holds(each, key.record) for each in ours_kept)
    return {
        "vs_bare_smtp": round(sum(theirs) / sum(ours), 2),
        "mails": mails,
        "mails_per_s": round(mails / sum(ours)),
        "bare_per_s": round(mails / sum(theirs)),
        "vs_bare_median": round(statistics.median(t / o for t, o in zip(theirs, ours, strict=True)), 2),
        "bytes": len(sample),
        "signatures_checked": len(ours_kept),
    }


def _sample(house) -> bytes:
    """Compose and sign one letter as the house does, and take it back out of the outbox."""
    with house.works.write() as work:
        editions.spread(work, house.parts.site_url)
        [queued] = work.post.take("sample", house.clock.now(), 1)
    return house.parts.postman.written(queued, house.clock.now())


def _holds(message: bytes, record: str) -> bool:
    dkim.time.time, before = (lambda: START.timestamp() + 1e6), dkim.time.time
    try:
        return dkim.verify(message, dnsfunc=lambda *_, **__: record.encode())
    finally:
        dkim.time.time = before


def table(told: dict) -> Table:
    shown = Table(title=f"{told['mails']:,} readers, {told['bytes']:,} bytes each")
    for title in ("", "mails a second"):
        shown.add_column(title, justify="right" if title else "left")
    shown.add_row("the house: composed, signed, marked, sent once", f"{told['mails_per_s']:,}")
    shown.add_row("a bare loop that sends one finished mail", f"{told['bare_per_s']:,}")
    return shown


if __name__ == "__main__":
    run("mail", __doc__, "mails", 5000, measure, table)
