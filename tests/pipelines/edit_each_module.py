"""Run inside a clone: edits every module named, asks both doors what is stale, and puts the modules back.

Dagster is asked of each alone. DVC, which takes a second to answer, is asked once: it names the files that changed for
each stage.

Prints JSON: module to [the stages that DVC finds changed, the assets whose code version changed].
"""

import json
import sys
from pathlib import Path

from dvc.repo import Repo

import assets
from plates.settings.project import Project
from stages import snapshot

EDIT = b"\n# edited\n"

root = Path.cwd()
project = Project(root)
graph = assets.graph()


def versions() -> dict[str, str]:
    """The code version of each asset."""
    return {name: snapshot.take(project, stage).version for name, stage in graph.items()}


contents = {module: (root / module).read_bytes() for module in sys.argv[1:]}
before, by_dagster = versions(), {}
for module, content in contents.items():
    (root / module).write_bytes(content + EDIT)
    by_dagster[module] = sorted(name for name, version in versions().items() if version != before[name])
    (root / module).write_bytes(content)
for module, content in contents.items():
    (root / module).write_bytes(content + EDIT)
changed = {
    name: {path for change in changes if isinstance(change, dict) for path in change.get("changed deps", {})}
    for name, changes in Repo(str(root)).status().items()
}
for module, content in contents.items():
    (root / module).write_bytes(content)
by_dvc = {module: sorted(name for name, paths in changed.items() if module in paths) for module in contents}
print(json.dumps({module: [by_dvc[module], by_dagster[module]] for module in contents}))
