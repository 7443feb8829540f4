import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_cause_is_on_the_page():
    page = (ROOT / "docs" / "why-is-my-map-low.md").read_text()
    named = {cell for row in re.findall(r"^\| ([^|]+) \|", page, re.M) for cell in row.split(", ")}
    code = "".join(file.read_text() for file in sorted((ROOT / "plates/why/causes").glob("*.py")))
    causes = set(re.findall(r"return Finding\(\s*\"([^\"]+)\"", code))
    assert len(causes) > 20
    assert causes <= named
