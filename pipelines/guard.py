"""A guard in front of Dagster's webserver: a page open in the same browser must not start runs or read them.

The webserver answers every Host, and executes a mutation sent as `text/plain` or in a link, which any page can have a
browser send. Behind the guard a request must name this machine as its Host, come from the UI's own pages where a
browser says where it comes from, and be JSON where it can change something.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

HERE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)
"""This machine, at any port: a tunnel may begin at another one."""

READING = ("GET", "HEAD", "OPTIONS")
OWN = ("same-origin", "none")
"""What a browser says of a request from the UI's own pages, and of an address that its user typed."""


class Guard:
    """An ASGI application that hands on to `app` what may come from the UI's own pages or from a program."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answers one request, or refuses it in words."""
        refused = None if scope["type"] == "lifespan" else refusal(scope)
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1]})
        else:
            status, reason = refused
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": f"{reason}\n".encode()})


def refusal(scope: Scope) -> tuple[int, str] | None:
    """The HTTP status and the reason for refusing a request; None for one that may pass."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host, origin = headers.get("host", ""), headers.get("origin")
    if not HERE.fullmatch(host):
        return 403, f"this server is 127.0.0.1 or localhost, not {host or 'nameless'}"
    if origin is not None and origin.lower().partition("://")[2] != host.lower():
        return 403, f"no requests from pages of {origin}"
    if scope["type"] == "websocket":
        return None
    if scope["method"] in READING:
        in_link = scope["path"].endswith("/graphql") and "query" in parse_qs(scope["query_string"].decode("latin-1"))
        return (405, "send GraphQL by POST, as application/json") if in_link else None
    if headers.get("sec-fetch-site", "none") not in OWN:
        return 403, "no requests from pages of other sites"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415, "send JSON, with Content-Type: application/json"
    return None
