"""What a page of another site can have a browser send to the UI's address is refused; the UI's own requests pass."""

import asyncio
from typing import Any

import pytest

from pipelines.guard import Guard

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
    asyncio.run(Guard(app, 3000)(scope, None, send))
    return sent[0].get("status", sent[0]["type"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/assets", HOME, 200),
        ("GET", "/assets", {"host": "localhost:3000"}, 200),
        ("POST", "/graphql", {**HOME, **JSON}, 200),
        ("POST", "/graphql", {**HOME, **JSON, "origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-origin"}, 200),
        ("POST", "/graphql", {**HOME, "content-type": "application/json; charset=utf-8"}, 200),
        ("GET", "/assets", {"host": "evil.example"}, 403),
        ("GET", "/assets", {"host": "127.0.0.1:4000"}, 403),
        ("GET", "/assets", {}, 403),
        ("POST", "/graphql", {**HOME, **JSON, "origin": "http://evil.example"}, 403),
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
    assert answer("GET", "/graphql", {**HOME, "origin": "http://localhost:3000"}, "websocket") == 200
