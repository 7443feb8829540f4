"""The limits of the service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Limits, and the key.

    Attributes:
        megabytes: most per request.
        megapixels: most per photograph.
        images: most per request.
        waiting: photographs that may wait for an answer; further ones get a 503.
        batch: photographs that one core answers at once. Small: on a processor, larger ones take longer per photograph.
        key: required in requests as `Authorization: Bearer KEY`; None: no key is required.
    """

    megabytes: float = 20.0
    megapixels: float = 50.0
    images: int = 16
    waiting: int = 64
    batch: int = 2
    key: str | None = None

    @property
    def most(self) -> int:
        """Photographs that a request may have: all of them wait at once."""
        return min(self.images, self.waiting)
