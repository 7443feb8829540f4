"""Fuzzes one target from its corpus, guided by what the code does with the bytes.

    python tests/fuzz/run.py TARGET SECONDS [NEW_CORPUS]

What ends it with an error is written to `crash-HASH` in the working folder: put it into the corpus with the fix.
"""

import sys
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["plates"]):
    from targets import TARGETS

    from plates.errors import UserError

CORPUS = Path(__file__).with_name("corpus")


def main(name: str, seconds: str, found: str | None = None) -> None:
    target = TARGETS[name]

    def one(data: bytes) -> None:
        with suppress(UserError):
            target(data)

    folders = [*([found] if found else []), str(CORPUS / name)]
    flags = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=3000"]
    atheris.Setup([sys.argv[0], *flags, *folders], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
