"""The state of a run that was stopped, where its files are damaged."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from plates.efficientdet.training import resume
from plates.errors import UserError

DETECTOR = SimpleNamespace(network=SimpleNamespace(variables=()), optimizer=SimpleNamespace(variables=()))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe{", b"PK\x03\x04half"])
@pytest.mark.parametrize("name", ["state.json", "state.npz"])
def test_a_damaged_state_is_named_with_the_way_out(tmp_path: Path, name: str, content: bytes) -> None:
    resume.save(tmp_path / "work", {"a": np.zeros((100, 100))}, resume.Progress(3), {"data": "d"})
    (tmp_path / "work/state" / name).write_bytes(content)

    def go_on() -> None:
        resume.load(tmp_path / "work", {"data": "d"}, pytest.fail)
        resume.restore(tmp_path / "work", DETECTOR)

    with pytest.raises(UserError, match=r"cannot be used .* Start over: rm -r"):
        go_on()
