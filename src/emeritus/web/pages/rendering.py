"""Templates and what stands on every page round them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from attrs import frozen
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from emeritus.core.errors import EmeritusError
from emeritus.record import Log
from emeritus.registry import organisation
from emeritus.web.pages import text
from emeritus.web.pages.assets import asset
from emeritus.web.pages.parts import Parts


@frozen
class Frame:
    """What stands round every page: whose house it is, whether it is a demo, how long its record is."""

    name: str = "Emeritus"
    demo: bool = False
    entries: int = 0


def frame(log: Log) -> Frame:
    """Return the frame for the pages of this house, also before it was founded."""
    try:
        here = organisation(log)
    except EmeritusError:
        return Frame(entries=log.size())
    return Frame(here.name, here.demo, log.size())


def environment() -> Environment:
    """Return the templates of the site and the desk, with their filters."""
    loader = ChoiceLoader(
        [PackageLoader(f"emeritus.web.{part}", "templates") for part in ("pages", "site", "desk")]
    )
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # they come with the release: nobody looks at each page whether they changed
    )
    made.filters.update(text.FILTERS)
    made.filters["path"] = lambda part: quote(str(part), safe=":")
    made.tests.update(text.TESTS)
    made.globals.update(
        stylesheet=asset("style.css")[0], mark=asset("mark.svg")[0], check=asset("check.js")[0]
    )
    return made


@frozen
class House:
    """The parts, with the templates to show them in."""

    parts: Parts
    templates: Environment

    @classmethod
    def of(cls, parts: Parts) -> "House":
        return cls(parts, environment())

    def page(
        self,
        request: Request,
        template: str,
        around: Frame,
        view: Mapping[str, Any],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Render *template* with *view* inside the house's frame."""
        return HTMLResponse(self.html(request.url.path, template, around, view), status, headers)

    def html(self, here: str, template: str, around: Frame, view: Mapping[str, Any]) -> str:
        """Return the page at the path *here*."""
        return self.templates.get_template(template).render(
            frame=around, here=here, site_url=self.parts.site_url, **view
        )

    def text(self, template: str, around: Frame, view: Mapping[str, Any]) -> str:
        """Render something that is no page, such as a feed."""
        return self.templates.get_template(template).render(
            frame=around, site_url=self.parts.site_url, **view
        )
