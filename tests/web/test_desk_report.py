"""The report is read and published at the desk."""

import re

from emeritus.process.report import reports

MODEL = "smollm2-135m-instruct"
REPORT = f"/desk/models/{MODEL}/report"


def hidden(page: str, name: str) -> str:
    return re.search(rf'name="{name}" value="([\w:]+)"', page)[1]


def test_the_report_that_was_read_is_published(new_house, client_for, signed_in):
    """It is published by whoever ticked that it was read, and not when it says something else meanwhile."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.preserve()
    house.interview()
    desk = signed_in(client_for(house))
    page = desk.get(REPORT).text
    sent = {"form": "publish", "csrf": hidden(page, "csrf"), "seen": hidden(page, "seen")}
    assert desk.post(REPORT, data=sent).status_code == 422
    house.say_something()  # elsewhere: the report says the same
    house.confirm()  # which the report tells of
    refused = desk.post(REPORT, data={**sent, "sure": "yes"})
    assert refused.status_code == 409
    assert reports(house.log, MODEL) == []
    sent["seen"] = hidden(refused.text, "seen")
    house.say_something()
    answer = desk.post(REPORT, data={**sent, "sure": "yes"})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"/models/{MODEL}/report/1"
    [entry] = reports(house.log, MODEL)
    assert entry.by == house.steward
    assert desk.get(answer.headers["location"]).status_code == 200
    assert desk.get(f"{answer.headers['location']}.pdf").content.startswith(b"%PDF")
