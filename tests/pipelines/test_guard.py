"""What a page of another site can have a browser send to the UI's address is refused; the UI's own requests pass."""

import asyncio
import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clones import ROOT, clone
from playwright.sync_api import Browser, expect
from served import served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pipelines.guard import Guard

CHANGE = 'mutation { freeConcurrencySlots(runId: "none") }'
JSON = {"content-type": "application/json"}
HOME = {"host": "127.0.0.1:3000"}


def answer(method: str, path: str, headers: dict[str, str], kind: str = "http") -> int | str:
    """The status that the guard answers with; 200 stands for the application behind it."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(app)(scope, None, send))
    return sent[0].get("status", sent[0]["type"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/assets", HOME, 200),
        ("GET", "/assets", {"host": "localhost:8080"}, 200),
        ("GET", "/assets", {"host": "[::1]:3000"}, 200),
        ("POST", "/graphql", {**HOME, **JSON}, 200),
        ("POST", "/graphql", {**HOME, **JSON, "origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-origin"}, 200),
        ("POST", "/graphql", {**HOME, "content-type": "application/json; charset=utf-8"}, 200),
        ("GET", "/assets", {"host": "evil.example"}, 403),
        ("GET", "/assets", {"host": "127.0.0.1.evil.example:3000"}, 403),
        ("GET", "/assets", {"host": "evil.example@127.0.0.1:3000"}, 403),
        ("GET", "/assets", {}, 403),
        ("POST", "/graphql", {**HOME, **JSON, "origin": "http://evil.example"}, 403),
        ("POST", "/graphql", {**HOME, **JSON, "origin": "http://127.0.0.1:8080"}, 403),
        ("POST", "/graphql", {**HOME, **JSON, "origin": "null"}, 403),
        ("POST", "/graphql", {**HOME, **JSON, "sec-fetch-site": "cross-site"}, 403),
        ("POST", "/graphql", {**HOME, "content-type": "text/plain; x=application/json"}, 415),
        ("POST", "/graphql", {**HOME, "content-type": "application/x-www-form-urlencoded"}, 415),
        ("POST", "/graphql?query=mutation{x}", HOME, 415),
        ("GET", "/graphql?query=mutation{x}", HOME, 405),
        ("GET", "/graphql", HOME, 200),
    ],
)
def test_a_request(method: str, path: str, headers: dict[str, str], status: int) -> None:
    assert answer(method, path, headers) == status


def test_a_socket_opened_by_another_page_is_closed() -> None:
    assert answer("GET", "/graphql", {**HOME, "origin": "http://evil.example"}, "websocket") == "websocket.close"
    assert answer("GET", "/graphql", {**HOME, "origin": "http://127.0.0.1:3000"}, "websocket") == 200


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`make ui` in a project in which nothing ran."""
    project = clone(tmp_path_factory.mktemp("ui") / "project")
    shutil.copy2(ROOT / "Makefile", project)
    ready = project / "ready"
    ready.touch()
    with served(
        project, "make", "-s", "ui", f"BIN={Path(sys.executable).parent}", f"READY={ready}", "PORT="
    ) as address:
        yield address


def asked(address: str, query: str, **headers: str) -> tuple[int, str]:
    """Status and text of the server's answer to a GraphQL query; headers with `_` for `-`."""
    named = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"query": query}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{address}/graphql", body, named)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_the_server_answers_its_own_pages(address: str) -> None:
    own = {"origin": f"http://{address}", "sec_fetch_site": "same-origin"}
    status, text = asked(address, "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }", **own)
    assert (status, json.loads(text)["data"]["repositoriesOrError"]["nodes"]) == (200, [{"name": "__repository__"}])
    assert asked(address, CHANGE, **own) == (200, '{"data":{"freeConcurrencySlots":true}}')
    with urllib.request.urlopen(f"http://{address}/assets") as page:
        assert b"<html" in page.read()


def test_the_server_refuses_what_another_page_sends(address: str) -> None:
    other = "http://evil.example"
    assert asked(address, CHANGE, host="evil.example")[0] == 403
    assert asked(address, CHANGE, content_type="text/plain", origin=other) == (
        403,
        f"requests from pages of {other} are refused\n",
    )
    assert asked(address, CHANGE, content_type="text/plain; x=application/json")[0] == 415
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"http://{address}/graphql?query=mutation{{x}}")


def test_the_pages_subscriptions_work_and_those_of_others_do_not(address: str) -> None:
    wanted = {"subprotocols": ["graphql-ws"], "proxy": None}
    with connect(f"ws://{address}/graphql", origin=f"http://{address}", **wanted) as socket:
        socket.send('{"type": "connection_init", "payload": {}}')
        assert json.loads(socket.recv(30))["type"] == "connection_ack"
        query = "subscription { locationStateChangeEvents { event { message } } }"
        socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": query}}))
        with pytest.raises(TimeoutError):  # subscribed: an error would be answered
            socket.recv(1)
    for headers in ({"origin": "http://evil.example"}, {"additional_headers": {"Host": "evil.example"}}):
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"ws://{address}/graphql", **wanted, **headers)


@pytest.mark.long
def test_nothing_that_the_pages_ask_for_is_refused(address: str, browser: Browser) -> None:
    page = browser.new_page()
    refused, sockets = [], []
    page.on("response", lambda response: refused.append(response.url) if response.status in (403, 405, 415) else None)
    page.on("websocket", lambda socket: sockets.append(socket))
    for path in ("assets/labels", "automation", "runs", "deployment"):
        page.goto(f"http://{address}/{path}")
        page.wait_for_load_state("networkidle")
    page.goto(f"http://{address}/assets/labels")
    expect(page.get_by_text("labels").first).to_be_visible(timeout=60_000)
    assert refused == []
    assert sockets
    assert not any(socket.is_closed() for socket in sockets[-1:])
    page.close()
