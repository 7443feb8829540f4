"""Figures of the service for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plates.predict.result import Result

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BATCHES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("plates_requests", "Requests answered.", ["path", "status"], registry=self.registry)
        self.seconds = Histogram(
            "plates_request_seconds", "Time to an answer.", ["path"], buckets=SECONDS, registry=self.registry
        )
        self.batch = Histogram(
            "plates_batch_size",
            "Photographs that the network answered at once.",
            buckets=BATCHES,
            registry=self.registry,
        )
        self.found = Counter("plates_found", "Plates found.", registry=self.registry)
        self.images = Counter("plates_images", "Photographs answered.", registry=self.registry)
        self.waiting = Gauge("plates_waiting", "Photographs waiting for an answer.", registry=self.registry)
        self.swaps = Counter("plates_model_changes", "New models taken into service.", registry=self.registry)

    def ran(self, results: list[Result]) -> None:
        """Counts a batch."""
        self.batch.observe(len(results))
        self.images.inc(len(results))
        self.found.inc(sum(map(len, results)))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class Measured:
    """ASGI middleware that counts and times requests, by the path of their route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            path = scope["route"].path if "route" in scope else "elsewhere"
            self.metrics.requests.labels(path, status).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - started)
