"""Run inside a clone: edits each module named, asks both doors what is stale, and puts the module back.

Prints JSON: module to [the stages that DVC finds changed, the assets whose code version changed].
"""

import json
import sys
from pathlib import Path

from dvc.repo import Repo

import assets
from plates.settings.project import Project
from stages import snapshot

root = Path.cwd()
project = Project(root)
graph = assets.graph()
before = {name: snapshot.take(project, stage).version for name, stage in graph.items()}
found = {}
for module in sys.argv[1:]:
    file = root / module
    content = file.read_bytes()
    file.write_bytes(content + b"\n# edited\n")
    by_dvc = [
        name
        for name, changes in Repo(str(root)).status().items()
        for change in changes
        if isinstance(change, dict) and module in change.get("changed deps", {})
    ]
    by_dagster = [name for name, stage in graph.items() if snapshot.take(project, stage).version != before[name]]
    file.write_bytes(content)
    found[module] = [sorted(by_dvc), sorted(by_dagster)]
print(json.dumps(found))
