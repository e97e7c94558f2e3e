"""Hub: what was published is announced to a WebSub hub, which then tells everybody who follows a feed through it."""

from typing import Final
from urllib.parse import urlencode

from attrs import frozen

from emeritus.process.deliver import SUBJECT
from emeritus.process.ports import Work
from emeritus.process.stages import DELIVER

FORM: Final = "application/x-www-form-urlencoded"
FORMS: Final = ("atom", "rss", "json")


@frozen
class Hub:
    """A WebSub hub at *url*, which is told of the feeds under *site_url* (without a slash at its end)."""

    url: str
    site_url: str

    def announce(self, work: Work, essay: str, model: str) -> None:
        """Have the hub told, once this unit of work is committed, that the feeds with *essay* are new.

        It is told through the deliveries, so it is tried again until it answers, or given up after a day or so.
        """
        for number, topic in enumerate(self.topics(model)):
            told = urlencode({"hub.mode": "publish", "hub.url": topic}).encode()
            work.deliveries.put(f"hub:{essay}:{number}", self.url, told, FORM)
        work.stretches.ask(DELIVER, SUBJECT)

    def topics(self, model: str) -> list[str]:
        """Return the feeds in which an essay of *model* stands."""
        fronts = (f"{self.site_url}/column", f"{self.site_url}/column/{model}")
        return [f"{front}/feed.{form}" for front in fronts for form in FORMS]
