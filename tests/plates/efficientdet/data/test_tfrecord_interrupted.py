"""A run that ends early, by a kill, a full disk or an error: the old folder stays, finished shards are kept."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from plates.efficientdet.data.tfrecords import example
from plates.efficientdet.data.tfrecords.write import write
from plates.errors import UserError
from plates.files import write_json
from plates.photographs.content import Photographs

LABELS = {1: "plate"}
module = import_module("plates.efficientdet.data.tfrecords.write")  # the package's `write` is the function


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


SCRIPT = """
import sys, time
from importlib import import_module
from pathlib import Path
import pandas as pd
from plates.photographs.content import Photographs
module = import_module("plates.efficientdet.data.tfrecords.write")
base, where = Path(sys.argv[1]), sys.argv[2]
def slow(*_):
    print("here", flush=True)
    time.sleep(60)
place = module._place
if where == "placing":
    module._place = lambda path, target: (place(path, target), slow())
module.write(pd.read_parquet(base / "boxes"), pd.read_parquet(base / "splits"), {1: "plate"},
             Photographs(base / "root"), base / "out", shard_mib=0.005, progress=slow if where == "writing" else None)
"""


@pytest.mark.parametrize("where", ["writing", "placing"])
def test_a_killed_run_keeps_its_finished_shards(photographs, tmp_path, where):
    root, boxes, splits = photographs(30)
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "clean", shard_mib=0.005)
    boxes.to_parquet(tmp_path / "boxes")
    splits.to_parquet(tmp_path / "splits")
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), where], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    work = tmp_path / ".out.work"
    finished = {file.stat().st_ino for file in work.glob("*.tfrecord") if file.with_suffix(".json").exists()}
    assert len(finished) == {"writing": 1, "placing": len(contents(tmp_path / "clean")) - 1}[where]
    assert not (tmp_path / "out").exists()
    damaged = next(work.glob("*.tfrecord"))
    kept = finished - {damaged.stat().st_ino}
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", shard_mib=0.005)
    assert contents(tmp_path / "out") == contents(tmp_path / "clean")
    assert kept <= {file.stat().st_ino for file in (tmp_path / "out").glob("*.tfrecord")}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["boxes", "clean", "out", "root", "splits"]


def test_finished_shards_may_be_kept_on_another_disk(photographs, tmp_path):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is not another disk here")
    root, boxes, splits = photographs(10)
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "clean")
    with tempfile.TemporaryDirectory(dir=shm) as other:
        write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", work=Path(other) / "work")
        assert list(Path(other).iterdir()) == []
    assert contents(tmp_path / "out") == contents(tmp_path / "clean")


def full_at_the_manifest(path: Path, content: object) -> None:
    if path.name == "manifest.json":
        raise OSError(errno.ENOSPC, "No space left on device")
    write_json(path, content)


def failing_at(shard: str) -> Callable[[Path, Path], None]:
    def place(path: Path, target: Path) -> None:
        if target.name.startswith(shard):
            raise OSError(errno.EIO, "Input/output error")
        original(path, target)

    original = module._place
    return place


@pytest.mark.parametrize(
    ("function", "broken", "error"),
    [
        ("write_json", full_at_the_manifest, UserError),
        ("_place", failing_at("train-00002"), OSError),
        ("_place", failing_at("manifest"), OSError),
    ],
    ids=["disk full at the manifest", "error at the third shard", "error at the last file"],
)
def test_an_error_after_the_last_shard_costs_no_shard(photographs, tmp_path, monkeypatch, function, broken, error):
    root, boxes, splits = photographs(30)
    out, options = tmp_path / "out", {"shard_mib": 0.005, "workers": 1}
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "clean", seed=1, **options)
    write(boxes, splits, LABELS, Photographs(root), out, seed=0, **options)
    before = contents(out)
    monkeypatch.setattr(module, function, broken)
    with pytest.raises(error, match=r"is full: .* are kept|Input/output"):
        write(boxes, splits, LABELS, Photographs(root), out, seed=1, **options)
    assert contents(out) == before
    monkeypatch.undo()
    written = []
    monkeypatch.setattr(example, "to_bytes", lambda *arguments: written.append(arguments))
    write(boxes, splits, LABELS, Photographs(root), out, seed=1, **options)
    assert written == []
    assert contents(out) == contents(tmp_path / "clean")


def test_a_file_system_without_links(photographs, tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    root, boxes, splits = photographs(10)
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "clean")
    monkeypatch.setattr(Path, "hardlink_to", refused)
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "clean")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clean", "out", "root"]


def test_a_disk_too_small_is_said_before_writing(photographs, tmp_path):
    root, boxes, splits = photographs(4)
    with (root / boxes["path"][0]).open("r+b") as stream:
        stream.truncate(2**42)
    with pytest.raises(UserError, match="need 4194304 MiB"):
        write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    assert not (tmp_path / "out").exists()


FILLING = """
    import sys
    from pathlib import Path
    import pandas as pd
    from plates.efficientdet.data.tfrecords.write import write
    from plates.errors import UserError
    from plates.photographs.content import Photographs
    base, when = Path(sys.argv[1]), sys.argv[2]
    disk = base / "disk"
    def fill(done, total):
        if when == "last" and done < total:
            return
        with open(disk / "filler", "ab", buffering=0) as stream:
            try:
                while stream.write(bytes(4096)):
                    pass
            except OSError:
                pass
    tables = pd.read_parquet(base / "boxes"), pd.read_parquet(base / "splits")
    options = {"shard_mib": 0.005, "workers": 1}
    try:
        write(*tables, {1: "plate"}, Photographs(base / "root"), disk / "out", progress=fill, **options)
    except UserError as error:
        assert "is full" in str(error) and "need" in str(error), error
        assert not (disk / "out").exists() and not list((disk / ".out.work").glob("*.tmp"))
    else:
        raise AssertionError("the disk was not full")
    (disk / "filler").unlink()
    finished = {note.with_suffix(".tfrecord").stat().st_ino for note in (disk / ".out.work").glob("*.json")}
    assert len(finished) > 5 if when == "last" else len(finished) == 1, finished
    write(*tables, {1: "plate"}, Photographs(base / "root"), disk / "out", **options)
    assert finished <= {file.stat().st_ino for file in (disk / "out").iterdir()}
    print("done")
"""


@pytest.mark.parametrize("when", ["first", "last"])
def test_a_disk_that_fills_after_a_shard(photographs, tmp_path, when):
    _, boxes, splits = photographs(30)
    boxes.to_parquet(tmp_path / "boxes")
    splits.to_parquet(tmp_path / "splits")
    (tmp_path / "disk").mkdir()
    (tmp_path / "script.py").write_text(textwrap.dedent(FILLING))
    run = f'exec "{sys.executable}" script.py "{tmp_path}" {when}'
    command = f'mount -t tmpfs -o size=1m tmpfs "{tmp_path}/disk" && {run}'
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4])}
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    if "unshare" in result.stderr or "mount:" in result.stderr:
        pytest.skip(f"a small file system cannot be mounted here: {result.stderr.strip()}")
    assert result.stdout.strip() == "done", result.stderr
