"""Bytes that others wrote end in a value or in words: what was found once, and a minute of looking for more."""

import importlib.util
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from fuzz.targets import TARGETS

from plates.errors import UserError

HERE = Path(__file__).resolve().parent
SECONDS = 7
SEEDS = sorted((HERE / "corpus").glob("*/*"))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.parent.name}/{seed.name[:20]}")
def test_what_is_in_the_corpus_ends_in_a_value_or_in_words(seed: Path) -> None:
    with suppress(UserError):
        TARGETS[seed.parent.name](seed.read_bytes())


def test_every_target_has_a_corpus() -> None:
    assert {seed.parent.name for seed in SEEDS} == set(TARGETS)


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_a_minute_of_fuzzing_finds_nothing(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: .venv/bin/pip install atheris")
    shutil.copytree(HERE / "corpus" / name, tmp_path / "corpus")
    command = [sys.executable, str(HERE / "run.py"), name, str(SECONDS), str(tmp_path / "corpus")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
