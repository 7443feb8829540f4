"""What the service allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Limits, and the key.

    Attributes:
        megabytes: that a request may have.
        megapixels: that a photograph may have.
        images: that a request may have.
        waiting: photographs that may wait for an answer; more are refused with 503.
        batch: photographs that the network answers at once.
        key: that requests name as `Authorization: Bearer KEY`; None: none is asked for.
    """

    megabytes: float = 20.0
    megapixels: float = 50.0
    images: int = 16
    waiting: int = 64
    batch: int = 8
    key: str | None = None
