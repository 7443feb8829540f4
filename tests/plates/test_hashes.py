import subprocess
import sys
from pathlib import Path

import yaml

from plates.hashes import content_hash


def test_files_and_folders_hash_as_dvc_hashes_them(tmp_path: Path) -> None:
    """Held against a real DVC repository: `dvc add` of a file and of a folder with folders in it."""
    (tmp_path / "file.bin").write_bytes(b"\x00\r\n\xff" * 1000)
    for name in ("b.txt", "a/one.txt", "a/Two.txt", "a/b/three.txt", "ü.txt"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for command in (["init", "--no-scm", "-q"], ["add", "-q", "file.bin", "folder"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True)
    for name in ("file.bin", "folder"):
        recorded = yaml.safe_load((tmp_path / f"{name}.dvc").read_text())["outs"][0]["md5"]
        assert content_hash(tmp_path / name) == recorded
