"""Check that the documents tell the truth, and that the repository is clean.

1. Every relative link in README.md, ARCHITECTURE.md and docs/ leads to a file, and to a heading.
2. Every fairdial command in a ```console block exists, with the options shown.
3. Blocks marked ```console test are run, in a folder and home of their own; each line of output
   shown there must be said, in that order (an ellipsis … stands for anything).
4. No tracked file holds a package index's host or a path of somebody's machine.
"""

# A program of its own: it talks to the terminal and starts other programs.
# ruff: noqa: S603, T201

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
BLOCK_S_MAX = 300

FENCE = re.compile(r"^ *(```+|~~~+)(.*)$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")

# Written so that these patterns do not find themselves.
PRIVATE = (
    re.compile(r"(?:pypi|pythonhosted|npmjs|yarnpkg|jfrog|artifactory)[.](?:org|io|com|net)"),
    re.compile(r"(?<![\w.])/(?:root|home/[A-Za-z0-9_-]+|Users/[A-Za-z0-9_-]+)/"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One ```console block: where it begins, whether it is to be run, and its lines."""

    place: str
    is_test: bool
    lines: tuple[str, ...]


def main() -> int:
    """Print every mistake; 1 if there is any."""
    documents = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted(ROOT.glob("docs/**/*.md"))]
    documents = [path for path in documents if path.exists()]
    mistakes: list[str] = []
    commands = tested = 0
    for path in documents:
        mistakes += broken_links(path)
        for block in console_blocks(path):
            shown = list(fairdial_commands(block))
            commands += len(shown)
            for command in shown:
                mistakes += unknown_words(block.place, command)
            if block.is_test:
                tested += 1
                mistakes += run_block(block)
    mistakes += private_words()
    for mistake in mistakes:
        print(mistake)
    print(
        f"{len(documents)} documents, {commands} fairdial commands, {tested} blocks run:"
        f" {len(mistakes) or 'no'} mistake{'s' if len(mistakes) > 1 else ''}"
    )
    return 1 if mistakes else 0


# -------------------------------------------------------------------------------- links


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines outside fenced blocks."""
    fence = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = FENCE.match(line)
        if match is not None and (not fence or match[1].startswith(fence)):
            fence = "" if fence else match[1]
        elif not fence:
            yield number, line


def broken_links(path: Path) -> Iterator[str]:
    """Relative links that lead nowhere."""
    for number, line in prose(path):
        for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            link = match[1] or match[2]
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (path.parent / unquote(file)).resolve() if file else path
            where = f"{path.relative_to(ROOT)}:{number}"
            if not target.exists() or not target.is_relative_to(ROOT):
                yield f"{where}: the link {link} leads to no file of this repository"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                yield f"{where}: the link {link} leads to no heading"


@functools.cache
def anchors(path: Path) -> frozenset[str]:
    """The names that GitHub gives to headings."""
    names: dict[str, int] = {}
    found = set()
    for _, line in prose(path):
        found.update(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", line))
        heading = HEADING.match(line)
        if heading is None:
            continue
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        doubles = names.get(name, 0)
        names[name] = doubles + 1
        found.add(f"{name}-{doubles}" if doubles else name)
    return frozenset(found)


# -------------------------------------------------------------------------------- commands


def console_blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks in the language `console`."""
    words: list[str] = []
    fence, begin, lines = "", 0, list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = FENCE.match(line)
        if match is not None and not fence:
            fence, words, begin, lines = match[1], match[2].split(), number, []
        elif match is not None and match[1].startswith(fence) and not match[2].strip():
            fence = ""
            if words[:1] == ["console"]:
                place = f"{path.relative_to(ROOT)}:{begin}"
                yield Block(place=place, is_test="test" in words[1:], lines=tuple(lines))
        elif fence:
            lines.append(line)


def typed(block: Block) -> Iterator[str]:
    """What the reader types: the lines after `$ `, with continuations joined."""
    lines = iter(block.lines)
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command = command[:-1] + next(lines, "").removeprefix("> ").strip()
            yield command


def fairdial_commands(block: Block) -> Iterator[list[str]]:
    """The fairdial command lines of a block, as words after the program's name."""
    for command in typed(block):
        words = shlex.split(command, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            del words[0]
        if words and words[0] in {"./fairdial", "fairdial"}:
            end = next(
                (i for i, word in enumerate(words) if word in {"|", "&&", ">", "&", ";"}), None
            )
            yield words[1:end]


def unknown_words(place: str, words: list[str]) -> Iterator[str]:
    """Subcommands and options that `--help` does not know."""
    chain: tuple[str, ...] = ()
    for word in words:
        if re.fullmatch(r"[a-z][a-z-]*", word) and has_subcommands(chain):
            if word not in listed(chain):
                yield f"{place}: `fairdial {' '.join((*chain, word))}` is no command"
                return
            chain = (*chain, word)
        elif word.startswith("-"):
            option = word.split("=")[0]
            if option != "--help" and option not in listed(chain):
                yield f"{place}: `fairdial {' '.join(chain)}` has no option {option}"


@functools.cache
def help_of(chain: tuple[str, ...]) -> str:
    """The help text of a subcommand."""
    done = subprocess.run(
        [sys.executable, "-m", "fairdial", *chain, "--help"],
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"`fairdial {' '.join(chain)} --help` failed:\n{done.stderr}")
    return done.stdout


def listed(chain: tuple[str, ...]) -> frozenset[str]:
    """The words of a help text."""
    return frozenset(re.findall(r"(?<!\S)-{0,2}[a-z][\w-]*|(?<!\S)-\w\b", help_of(chain)))


def has_subcommands(chain: tuple[str, ...]) -> bool:
    """Whether the next word names a subcommand rather than a value."""
    return "COMMAND [ARGS]" in help_of(chain)


def run_block(block: Block) -> Iterator[str]:
    """Type a block into a shell, as a new user would; compare what it says with what is shown."""
    shown = [line for line in block.lines if line.strip() and not line.startswith(("$ ", "> "))]
    with tempfile.TemporaryDirectory(prefix="fairdial-docs-") as home:
        # Open for the database's user, when we are root.
        Path(home).chmod(0o711)
        try:
            done = subprocess.run(
                ["/bin/sh", "-e", "-c", "\n".join(typed(block))],
                cwd=ROOT,
                env={**os.environ, "HOME": home, "COLUMNS": "100", "NO_COLOR": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=BLOCK_S_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            yield f"{block.place}: not done after {BLOCK_S_MAX} s"
            return
    if done.returncode != 0:
        yield f"{block.place}: failed with status {done.returncode}:\n{done.stdout[-2000:]}"
        return
    said = iter(done.stdout.splitlines())
    for line in shown:
        pattern = ".*".join(re.escape(part) for part in re.split(r"…|\.\.\.", line.strip()))
        if not any(re.fullmatch(pattern, heard.strip()) for heard in said):
            yield f"{block.place}: does not say {line.strip()!r} (any more):\n{done.stdout[-2000:]}"
            return


# -------------------------------------------------------------------------------- hygiene


def private_words() -> Iterator[str]:
    """Hosts and paths that belong to somebody's workplace."""
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # a picture or a sound; or removed and not committed yet
        for number, line in enumerate(text.splitlines(), start=1):
            for pattern in PRIVATE:
                match = pattern.search(line)
                if match is not None:
                    yield f"{path.relative_to(ROOT)}:{number}: {match[0]} belongs to no repository"


def tracked_files() -> list[Path]:
    """What git tracks or would; without git, every file outside hidden and made folders."""
    listing = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        return sorted({ROOT / name for name in listing.stdout.split("\0") if name})
    made = {".venv", ".git", "__pycache__", "node_modules", "dist", "build"}
    return sorted(
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not made & set(path.relative_to(ROOT).parts)
    )


if __name__ == "__main__":
    sys.exit(main())
