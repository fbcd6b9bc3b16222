"""The reference pages say what the code says."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from fairdial import __version__
from fairdial.cli import cli
from fairdial.run import Summary
from fairdial.settings import PREFIX, SHIM_VARIABLES, Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
DRAW_ATTEMPT = ROOT / "tools" / "draw_attempt.py"


def table(text: str) -> dict[str, str]:
    """The first cell of each row that begins with code, and the second one."""
    return {
        name: default.strip().strip("`")
        for name, default in re.findall(r"^\| `([^`]+)` \| ([^|]*) \|", text, re.MULTILINE)
    }


def test_the_settings_page_lists_every_variable_with_its_default() -> None:
    fields = {
        PREFIX + name.upper(): "–" if field.default is None else str(field.default)
        for name, field in Settings.model_fields.items()
    }
    defaults = {
        **fields,
        "FAIRDIAL_DATA_DIR": "~/.local/share/fairdial",
        "FAIRDIAL_SANDBOX": "true",
        "FAIRDIAL_VENV": ".venv",
        "FAIRDIAL_PYTHON": "python3",
        "FAIRDIAL_ASTERISK": "–",
        "FAIRDIAL_POSTGRES_BIN": "–",
        "FAIRDIAL_STARTED_AT": "–",
    }
    assert defaults.keys() == fields.keys() | SHIM_VARIABLES
    assert table((REFERENCE / "settings.md").read_text(encoding="utf-8")) == defaults


def commands(group: TyperGroup, chain: str) -> dict[str, Any]:
    """Every command by the words that are typed."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            found |= commands(command, f"{chain} {name}")
        else:
            found[f"{chain} {name}"] = command
    return found


def shown_default(option: Any) -> str:
    """A default as the page writes it: off for a switch, a dash for none."""
    if option.default is None:
        return "–"
    return "off" if option.default is False else str(option.default)


def test_the_commands_page_lists_every_command_and_option_with_its_default() -> None:
    program = get_command(cli)
    assert isinstance(program, TyperGroup)
    expected = {
        name: {
            option.opts[0]: shown_default(option)
            for option in command.params
            if option.opts[0].startswith("--")
        }
        for name, command in commands(program, "fairdial").items()
    }
    sections = re.split(
        r"^## `([^`]+)`$", (REFERENCE / "cli.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    listed = {name: table(text) for name, text in zip(sections[1::2], sections[2::2], strict=True)}
    assert listed == expected


def keys_of(shown: ast.Dict, before: str = "") -> list[str]:
    """The keys of a dictionary display; those of dictionaries in it with a dot."""
    found = []
    for key, value in zip(shown.keys, shown.values, strict=True):
        assert isinstance(key, ast.Constant)
        assert isinstance(key.value, str)
        name = f"{before}{key.value}"
        found += keys_of(value, f"{name}.") if isinstance(value, ast.Dict) else [name]
    return found


def test_the_summary_page_explains_every_key_in_the_order_of_the_file() -> None:
    method = ast.parse(textwrap.dedent(inspect.getsource(Summary.as_json)))
    (returned,) = (node.value for node in ast.walk(method) if isinstance(node, ast.Return))
    assert isinstance(returned, ast.Dict)
    explained = table((REFERENCE / "summary.md").read_text(encoding="utf-8"))
    assert list(explained) == keys_of(returned)


def draw_attempt(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the drawing tool."""
    return subprocess.run(
        [sys.executable, DRAW_ATTEMPT, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_attempts_diagram_is_drawn_from_the_table_as_it_is() -> None:
    done = draw_attempt("--check")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_stale_diagram_is_noticed_and_mended(tmp_path: Path) -> None:
    fresh = (REFERENCE / "attempt.md").read_text(encoding="utf-8")
    page = tmp_path / "attempt.md"
    page.write_text(fresh.replace("talking --> ended", "talking --> closed"), encoding="utf-8")
    assert draw_attempt("--check", str(page)).returncode == 1
    assert draw_attempt(str(page)).returncode == 0
    assert page.read_text(encoding="utf-8") == fresh


def draw_rules(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool that draws the pages of rules."""
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "draw_rules.py", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_pages_of_rules_are_drawn_from_the_rules_as_they_are() -> None:
    done = draw_rules("--check")
    assert (done.returncode, done.stdout) == (0, "")


def test_stale_pages_of_rules_are_noticed_and_mended(tmp_path: Path) -> None:
    pages = shutil.copytree(REFERENCE / "rules", tmp_path / "rules")
    fresh = (pages / "fr.md").read_text(encoding="utf-8")
    (pages / "fr.md").write_text(fresh.replace("10:00–13:00", "09:00–13:00"), encoding="utf-8")
    (pages / "gb.md").unlink()
    (pages / "atlantis.md").write_text("# Atlantis\n", encoding="utf-8")
    done = draw_rules("--check", str(pages))
    assert done.returncode == 1
    for name in ("fr.md", "gb.md", "atlantis.md"):
        assert f"{pages / name} is not as the rules are" in done.stdout
    assert draw_rules(str(pages)).returncode == 0
    assert (pages / "fr.md").read_text(encoding="utf-8") == fresh
    assert draw_rules("--check", str(pages)).returncode == 0


def links_of(page: Path) -> set[Path]:
    """The pages that a page leads to."""
    links = re.findall(r"\]\(([^)#]+\.md)", page.read_text(encoding="utf-8"))
    return {(page.parent / link).resolve() for link in links}


def test_every_page_is_reached_from_the_index_or_from_an_index_that_it_names() -> None:
    reached = links_of(DOCS / "index.md") | {DOCS / "index.md"}
    for page in [path for path in reached if path.name == "index.md"]:
        reached |= links_of(page)
    assert set(DOCS.rglob("*.md")) - reached == set()


def test_the_changelog_begins_with_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[([^\]]+)\]", changes, re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__
