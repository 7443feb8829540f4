"""Files come out of DVC's cache whole, whoever owns them there."""

from pathlib import Path

import pytest

from plates.lineage.cache import _link


def test_a_link_whose_mode_cannot_be_changed_becomes_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a file of another user in a cache that several share."""

    def refused(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    source, target = tmp_path / "cached", tmp_path / "model"
    source.write_bytes(b"weights")
    monkeypatch.setattr(Path, "chmod", refused)
    _link(source, target)
    assert target.read_bytes() == b"weights"
    assert target.stat().st_ino != source.stat().st_ino
