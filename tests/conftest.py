from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real photographs and the reference's numbers, which lie beside the project where it is developed."""
    if not SHARED.is_dir():
        pytest.skip(f"no real photographs and reference numbers at {SHARED}")
    return SHARED
