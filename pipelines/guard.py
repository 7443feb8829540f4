"""A guard in front of Dagster's webserver: another page in the same browser must not start runs or read them.

The webserver answers any Host and executes mutations sent as `text/plain` or in a link, which any page can make a
browser send. The guard requires that a request names this machine as its Host, that it comes from the UI's own pages if
the browser says where it comes from, and that it is JSON if it can change something.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

HERE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)
"""This machine, on any port: a tunnel may start at another one."""

READING = ("GET", "HEAD", "OPTIONS")
OWN = ("same-origin", "none")
"""What a browser sends for requests from the UI's own pages, and for an address the user typed."""


class Guard:
    """An ASGI application that passes requests from the UI's own pages or from programs on to `app`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answers one request, or refuses it with the reason."""
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
    """The HTTP status and reason for refusing a request; None if it may pass."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host, origin = headers.get("host", ""), headers.get("origin")
    if not HERE.fullmatch(host):
        return 403, f"this server is 127.0.0.1 or localhost, not {host or 'nameless'}"
    if origin is not None and origin.lower().partition("://")[2] != host.lower():
        return 403, f"requests from pages of {origin} are refused"
    if scope["type"] == "websocket":
        return None
    if scope["method"] in READING:
        in_link = scope["path"].endswith("/graphql") and "query" in parse_qs(scope["query_string"].decode("latin-1"))
        return (405, "send GraphQL as a POST of application/json") if in_link else None
    if headers.get("sec-fetch-site", "none") not in OWN:
        return 403, "requests from pages of other sites are refused"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415, "send JSON, with Content-Type: application/json"
    return None
