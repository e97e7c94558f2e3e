"""The gateway keeps to its own OpenAPI document, whatever is sent."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks as openapi_checks

from emeritus.web.gateway import Parts, create_gateway, openapi

load_all_checks()
CHECKS = [
    not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.unsupported_method,
]
schema = schemathesis.openapi.from_dict(openapi.document("https://lab.example"))
schema.config.checks.negative_data_rejection.expected_statuses = [400, 401, 403, 404, 405, 409, 413, 422]


@pytest.fixture
def api(house, pool, server_of):
    """The address of a gateway that lets everybody apply as often as they like."""
    parts = Parts(
        work=house.work,
        pool=pool,
        clock=house.clock,
        site_url="https://lab.example",
        applications_an_hour=10_000,
    )
    house.key = house.member()
    with server_of(parts, pool) as server:
        yield server.url


@schema.parametrize()
@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_sent_is_answered_as_the_document_says(case, api, house):
    """Good calls and bad ones of every operation: status, headers and body are those that it declares."""
    case.call_and_validate(base_url=api, checks=CHECKS, headers={"authorization": f"Bearer {house.key}"})


def test_every_route_is_in_the_document_and_no_other(house, pool):
    """A route that is added is described, and one that is taken away is not."""
    routes = create_gateway(Parts(work=house.work, pool=pool, clock=house.clock, site_url="https://x"))
    served = {
        (route.path, method.lower())
        for route in routes
        for method in route.methods - {"HEAD"}
        if "{rest" not in route.path and route.path != openapi.PATH
    }
    told = {
        (path, method)
        for path, operations in openapi.document("https://x")["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert told == served


def test_it_is_read_from_other_sites(server):
    """The document is served to everybody, with the gateway's own address in it."""
    answer = server.http("/openapi.json")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json["servers"] == [{"url": "https://lab.example"}]
    assert answer.json["openapi"].startswith("3.1")
