"""Figures of the service for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
