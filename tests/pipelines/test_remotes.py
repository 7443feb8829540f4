"""A record travels: through an S3 server to a clone without photographs, and to a machine without DVC."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from clones import commands

from plates.lineage.record import read_all

pytestmark = [pytest.mark.slow, pytest.mark.long]

INSTALL = "{} is not installed: pip install -e '.[interop]'"
WITHOUT_DVC = """
import sys
from importlib.machinery import PathFinder


class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0].startswith("dvc") else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server on this machine, with the bucket `plates`."""
    pytest.importorskip("dvc_s3", reason=INSTALL.format("dvc-s3"))
    server = pytest.importorskip("moto.server", reason=INSTALL.format("moto"))
    boto3 = pytest.importorskip("boto3")
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="plates")
    yield address
    running.stop()


def test_a_clone_restores_from_s3_what_it_never_had(finished, bucket: str, tmp_path: Path) -> None:
    root, _ = finished
    (record,), call = read_all(root), commands(root)  # which know the keys of the bucket
    call("dvc", "remote", "add", "--default", "s3", "s3://plates/store")
    call("dvc", "remote", "modify", "s3", "endpointurl", bucket)
    call("dvc", "push", "--quiet")
    call("git", "add", "--all")
    call("git", "commit", "--quiet", "-m", "a run")
    call("git", "clone", "--quiet", str(root), str(tmp_path / "clone"))
    there = commands(tmp_path / "clone")
    shutil.rmtree(tmp_path / "clone/data/sample", ignore_errors=True)
    assert not (tmp_path / "clone/.dvc/cache").exists()
    assert "is reproduced to the last digit" in there("plates", "lineage", "verify", record.id).stdout
    there("plates", "lineage", "restore", record.id, "--to", str(tmp_path / "restored"))
    assert (tmp_path / "restored/models/export/model/export.json").is_file()


def test_a_machine_without_dvc_restores_and_verifies(finished, tmp_path: Path) -> None:
    root, _ = finished
    (record,) = read_all(root)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(WITHOUT_DVC)
    call = commands(root, tmp_path / "site")
    assert call("python", "-c", "import dvc", check=False).returncode == 1
    shutil.rmtree(root / "models/checkpoint")
    assert "Outputs: 1 restored" in call("plates", "lineage", "restore", record.id).stdout
    assert "is reproduced to the last digit" in call("plates", "lineage", "verify", record.id).stdout
