"""Run the checks of this repository, part by part, and close with a table.

Started by ./check, which prepares the environment. Every part runs, also after one has failed.
"""

# A program of its own: it talks to the terminal and starts other programs.
# ruff: noqa: S603, T201

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from prepare import PreparationError, install_debian_packages
from unpack_asterisk import unpack_asterisk

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTHON_FOLDERS = [
    name for name in ("src", "tests", "tools", "benchmarks") if list((ROOT / name).rglob("*.py"))
]

PYTEST = (sys.executable, "-m", "pytest")
PARTS: dict[str, tuple[str | Path, ...]] = {
    "format": (BIN / "ruff", "format", "--check", *PYTHON_FOLDERS),
    "lint": (BIN / "ruff", "check", *PYTHON_FOLDERS),
    "types": (BIN / "mypy", *PYTHON_FOLDERS),
    "imports": (BIN / "lint-imports",),
    "unit": (*PYTEST, "-m", "not wire and not browser and not process"),
    # One by one: these measure time and listen on ports.
    "wire": (*PYTEST, "-m", "wire or process"),
    "browser": (*PYTEST, "-m", "browser"),
    "docs": (sys.executable, "tools/check_docs.py"),
}
PYTEST_PARTS = {"unit", "wire", "browser"}

DEBIAN_PACKAGES = {
    "wire": {"sipp": "sip-tester", "espeak-ng": "espeak-ng"},
    "browser": {"chromium": "chromium"},
}
"""What a part needs beside Python packages: the program, and the Debian package that has it."""


def main(arguments: list[str]) -> int:
    """Run the named parts, or all; 1 if any failed, 2 if the arguments make no sense."""
    parts: list[str] = []
    others = list(arguments)
    while others and (others[0] in PARTS or others[0] == "all"):
        parts.extend(PARTS if others[0] == "all" else [others[0]])
        del others[0]
    if others and not (parts and set(parts) <= PYTEST_PARTS):
        print(
            f"{others[0]} is no part of the checks ({' '.join(PARTS)}, all). What follows unit,"
            " wire or browser goes to pytest: ./check unit tests/core",
            file=sys.stderr,
        )
        return 2
    results = [(part, *run_part(part, others)) for part in parts or PARTS]
    print("\n" + "─" * 30)
    for part, passed, seconds in results:
        print(f"{part:<10} {'passed' if passed else 'FAILED':<8} {seconds:>8.1f} s")
    return 0 if all(passed for _, passed, _ in results) else 1


def run_part(part: str, pytest_arguments: list[str]) -> tuple[bool, float]:
    """Whether the part passed, and its seconds."""
    print(f"\n── {part} " + "─" * (70 - len(part)), flush=True)
    begin = time.monotonic()
    command = [*PARTS[part], *pytest_arguments]
    if part == "unit" and not pytest_arguments:
        # One more than cores: some tests wait for a clock.
        command += ["-n", "3"]
    try:
        lacking = [
            package
            for program, package in DEBIAN_PACKAGES.get(part, {}).items()
            if shutil.which(program) is None
        ]
        if lacking:
            install_debian_packages(*lacking)
        if part == "wire":
            prepare_asterisk()
        passed = subprocess.call(command, cwd=ROOT, env=surroundings()) == 0
    except PreparationError as failed:
        print(f"The part {part} cannot run: {failed}")
        passed = False
    return passed, time.monotonic() - begin


def prepare_asterisk() -> None:
    """Have the Asterisk that the tests speak with. They say themselves what its lack means."""
    try:
        print(f"Asterisk: {unpack_asterisk().name}")
    except PreparationError as failed:
        print(f"No Asterisk: {failed}", flush=True)


def surroundings() -> dict[str, str]:
    """Our environment, with the programs of the Python environment first on PATH."""
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "MYPYPATH": os.pathsep.join(str(ROOT / name) for name in ("tools", "benchmarks")),
    }


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped")
