"""What is missing or wrong on this machine and in this project, and how to fix it."""

import importlib.util
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from pipelines.resources import instance_home
from plates.errors import UserError
from plates.lineage import git_state
from plates.photographs.scan import require_images
from plates.remote import Remote
from plates.settings.project import Project
from stages.faults import NEEDED, conflicts, in_words

UI_PORT = 3000


@dataclass(frozen=True)
class Finding:
    """One check: whether it is ok, what was found, and how to fix it if not."""

    subject: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = True


def examine() -> Iterator[Finding]:
    """Checks everything, one finding at a time; the last, TensorFlow's view of the GPU, takes seconds."""
    for look in (_python, _packages, _antlr, _project, _git, _merge, _settings, _instance, _history):
        yield look()
    for look in (_disk, _memory, _port, _tensorflow):
        yield look()


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding(
        "Python",
        (3, 11) <= sys.version_info[:2] < (3, 13),
        f"{version} at {sys.executable}",
        "install Python 3.11 or 3.12, then `make setup`",
    )


def _git() -> Finding:
    said = git_state.trouble(_root())
    if said:
        found, _, fix = said.partition(". ")
        return Finding("git", False, found, fix)
    version = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return Finding("git", True, version)


def _merge() -> Finding:
    said = conflicts(_root())
    found, _, fix = (said or "no unfinished merge").partition(". ")
    return Finding("DVC's files", said is None, found, fix)


def _instance() -> Finding:
    try:
        home = instance_home(_root())
    except UserError as error:
        found, _, fix = str(error).partition(". ")
        return Finding("DAGSTER_HOME", False, found, fix)
    own = home == _root()
    return Finding("DAGSTER_HOME", True, "the project's own" if own else f"{home}: its settings, not the project's")


def _history() -> Finding:
    """Opens Dagster's databases as a run would."""
    for file in sorted((_root() / ".dagster").rglob("*.db")):
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=3)) as database:
                (verdict,) = database.execute("pragma quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"malformed: {verdict}")
        except sqlite3.Error as error:
            found, _, fix = str(in_words(error, _root())).partition(". ")
            return Finding("Dagster's history", False, found, fix)
    return Finding("Dagster's history", True, "readable")


def _packages() -> Finding:
    needed = (
        "dagster",
        "dagster-webserver",
        "dvc",
        "great-expectations",
        "keras",
        "pycocotools",
        "tensorflow",
    )
    missing = [name for name in needed if _version(name) is None]
    found = ", ".join(f"{name} {_version(name)}" for name in needed if name not in missing)
    return Finding("packages", not missing, found if not missing else f"missing: {', '.join(missing)}", "make setup")


def _antlr() -> Finding:
    hydra, omegaconf = _version("hydra-core"), _version("omegaconf")
    ok = bool(hydra and omegaconf and hydra.startswith("1.4.") and omegaconf.startswith("2.4."))
    return Finding(
        "antlr pins",
        ok,
        f"hydra-core {hydra}, omegaconf {omegaconf}",
        "pip install hydra-core==1.4.0rc3 omegaconf==2.4.1rc1: older ones break Dagster's selections",
    )


def _project() -> Finding:
    try:
        root = Project.find().root
    except UserError as error:
        return Finding("project", False, str(error), "cd into your clone")
    return Finding("project", os.access(root, os.W_OK), f"{root}", f"make it writable: chmod u+w {root}")


def _settings() -> Finding:
    try:
        project = Project.find()
        photographs = project.photographs
        given = project.params.data.root is not None
    except UserError as error:
        return Finding("params.yaml", False, str(error), "fix the lines named")
    if isinstance(photographs, Remote):
        try:
            require_images(photographs)
        except UserError as error:
            return Finding("params.yaml", False, str(error), "plates run --set data.root=s3://BUCKET/FOLDER")
    elif given and not os.access(photographs, os.R_OK | os.X_OK):
        return Finding(
            "params.yaml",
            False,
            f"data.root: {photographs} cannot be read",
            "plates run --set data.root=FOLDER",
        )
    return Finding("params.yaml", True, f"photographs: {photographs if given else 'a generated sample'}")


def _disk() -> Finding:
    free = shutil.disk_usage(_root()).free / 2**30
    needed = NEEDED / 2**30
    return Finding(
        "free disk",
        free >= needed,
        f"{free:.1f} GiB"
        + (f", {needed - free:.1f} short of the {needed:.0f} that a run may need" if free < needed else ""),
        "safe to remove: .plates/*.parquet and, in .plates, converted, remote, tfrecords and weights; the next run "
        "makes them again (training, too, but interrupted training starts over). With a DVC remote: dvc push, then "
        "dvc gc --workspace --not-in-remote. `dvc gc --workspace` "
        "alone also removes what older records need, and other clones on the same cache unless --projects names them",
    )


def _memory() -> Finding:
    total = psutil.virtual_memory().total / 2**30
    return Finding("memory", total >= 4, f"{total:.0f} GiB, {os.cpu_count()} cores", "training needs at least 4 GiB")


def _port() -> Finding:
    with socket.socket() as probe:
        busy = probe.connect_ex(("127.0.0.1", UI_PORT)) == 0
    return Finding(
        "port for the UI",
        not busy,
        f"127.0.0.1:{UI_PORT} is {'taken' if busy else 'free'}",
        "plates ui --port 3001",
        needed=False,
    )


def _tensorflow() -> Finding:
    if importlib.util.find_spec("tensorflow") is None:
        return Finding("TensorFlow", False, "not installed", "make setup")
    code = "import tensorflow as tf; print(tf.__version__, len(tf.config.list_physical_devices('GPU')))"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return Finding("TensorFlow", False, f"does not start: {said[-1]}", "make setup")
    version, gpus = done.stdout.split()
    has_card = shutil.which("nvidia-smi") is not None
    return Finding(
        "GPU",
        int(gpus) > 0 or not has_card,
        f"TensorFlow {version} sees {gpus}" + ("" if has_card else "; no NVIDIA card here, training runs on the CPU"),
        "pip install --no-build-isolation --editable '.[gpu]': TensorFlow lacks CUDA's libraries for the card",
        needed=False,
    )


def _root() -> Path:
    try:
        return Project.find().root
    except UserError:
        return Path.cwd()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
