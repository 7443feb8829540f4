"""What a newcomer reads is true: the commands, files and recipes that the pages name exist and are valid."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from pipelines.cli import app
from plates.settings import edit

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RECIPES = sorted((ROOT / "recipes").glob("*.sh"))
WRITTEN = ("reports/", "metrics/", "models/")
"""Folders that a run makes."""


def code(page: Path) -> Iterator[str]:
    """The lines of a page's code blocks, and its code spans."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for block in blocks:
        yield from block.replace("\\\n", "").splitlines()
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", prose)


def spoken(program: str, *pages: Path) -> set[tuple[str, ...]]:
    """The words after `program` in the code of the pages, up to the first that is no lower-case name."""
    found = set()
    for page in pages:
        for line in code(page):
            if match := re.match(rf"{program}((?: [a-z-]+)+)(?= |$)", line.strip()):
                found.add(tuple(match[1].split()))
    return found


def test_every_plates_command_that_the_pages_name_exists() -> None:
    spoken_commands = spoken("plates", *PAGES)
    assert len(spoken_commands) > 5
    for words in spoken_commands:
        command = typer.main.get_command(app)
        for word in words:
            if not isinstance(command, click.Group) or (
                command.invoke_without_command and word not in command.commands
            ):
                break  # an argument
            assert word in command.commands, f"plates {' '.join(words)}"
            command = command.commands[word]


def test_every_make_target_that_the_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    hook = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"][0]["entry"]
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    named = {words[0] for words in spoken("make", *PAGES)} | set(re.findall(r"^make ([a-z-]+)$", f"{ci}\n{hook}", re.M))
    assert {"run", "test", "lint", "setup"} <= named <= targets


def test_the_hosted_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["ci"]["steps"] if "run" in step]
    assert commands == [".ci/run"]


def test_the_tree_in_the_readme_is_there() -> None:
    (tree,) = re.findall(r"## Where things are\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    above, named = ROOT, 0
    for line in tree.splitlines():
        names = re.split(r"  +", line.strip())[0].split()
        if not line.startswith(" "):
            above = ROOT
        assert [name for name in names if name not in WRITTEN and not (above / name).exists()] == []
        above = above if line.startswith(" ") else ROOT / names[0]
        named += len(names)
    assert named > 10


def settings_of(recipe: Path, folder: Path) -> dict[str, Any]:
    """What a recipe gives to `plates run`, by running it with another `plates`, which prints its arguments."""
    (folder / "plates").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (folder / "plates").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([recipe, folder], env={"PATH": path}, capture_output=True, text=True, check=True)
    command, *words = done.stdout.splitlines()
    assert (command, set(words[::2])) == ("run", {"--set"})
    return edit.parse(words[1::2])


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.*")), ids=lambda path: path.stem)
def test_a_recipe_says_what_to_expect(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    for heading in (f"Run:     .*recipes/{recipe.name}", "Machine: ", "Time:    ", "Score:   "):
        assert re.search(rf"^(# )?{heading}", text, re.MULTILINE), heading


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_settings_of_a_recipe_are_valid(recipe: Path, tmp_path: Path) -> None:
    shutil.copy2(ROOT / "params.yaml", tmp_path)
    edit.write(tmp_path / "params.yaml", settings_of(recipe, tmp_path))


def test_the_recipe_of_the_dry_run_is_the_default(tmp_path: Path) -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in settings_of(ROOT / "recipes/sample.sh", tmp_path).items():
        section, name = key.split(".")
        assert values[section][name] == value, key
