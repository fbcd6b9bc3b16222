"""Make or mend the Python environment that ./fairdial and ./check run in.

    python3 tools/prepare.py run|dev <folder of the environment>

Run by any Python 3.11 or newer, before there is an environment: the standard library only. One
line per step while it works. Starts at the same time wait for one another, and an environment that
was left half made, by Ctrl-C or a full disk, is thrown away and made again.
"""

# A program of its own: it talks to the terminal and starts other programs.
# ruff: noqa: S603, T201

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"

REMEDIES = (
    (("No space left", "os error 28", "Disk quota"), "free some disk space, then start again."),
    (
        ("Permission denied", "Read-only", "os error 13", "os error 30", "not writeable"),
        "choose a writable place: FAIRDIAL_VENV=/path/of/yours ./fairdial",
    ),
    (
        ("DO NOT MATCH THE HASHES", "Hash mismatch"),
        "a package is not the one that was locked: do not use it. If you changed a file in"
        " requirements/, run tools/lock.py.",
    ),
    (
        ("No module named pip",),
        "somebody else made this environment: remove it, or name another place in FAIRDIAL_VENV.",
    ),
    (
        # pip and uv, for no name service, no route, no answer, and an index without the package.
        ("resolution", "connection", "dns error", "sending request", "timed out", "No matching"),
        "the packages come from the network, the first time only: check the connection (and the"
        " proxy or index settings of pip), then start again.",
    ),
)


class PreparationError(Exception):
    """A step that did not work: what, what was said, and what to do."""


def main() -> int:
    """Prepare; on failure one short message, never a traceback."""
    kind, venv = sys.argv[1], Path(sys.argv[2])
    try:
        prepare(kind, venv)
    except PreparationError as failed:
        print(f"Fairdial could not be prepared: {failed}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"Fairdial could not be prepared: {error}\nWhat to do: {remedy(str(error))}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("Stopped; the next start prepares Fairdial anew.", file=sys.stderr)
        return 1
    return 0


def prepare(kind: str, venv: Path) -> None:
    """Bring the environment to the locks. `kind` is run, or dev for the product and its checks."""
    venv.parent.mkdir(parents=True, exist_ok=True)
    with alone(venv.parent):
        if is_ready(kind, venv):  # another start made it while we waited
            return
        unfinished = venv / "fairdial-unfinished"
        python = venv / "bin" / "python"
        if unfinished.exists() or has_moved(venv) or not os.access(python, os.X_OK):
            discard(venv)
        if not venv.exists():
            if importlib.util.find_spec("ensurepip") is None:
                install_debian_packages(
                    f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
                )
            say(f"a Python environment in {venv}")
            venv.mkdir()
            unfinished.touch()
            run("making the environment", sys.executable, "-m", "venv", venv)
        unfinished.touch()
        lock = REQUIREMENTS / f"{kind}.txt"
        say(f"the packages of {lock.relative_to(ROOT)}")
        install(venv, lock)
        # The checkout itself: found by every program of the environment, without building it.
        (site,) = (venv / "lib").glob("python3*/site-packages")
        (site / "fairdial-checkout.pth").write_text(f"{ROOT / 'src'}\n")
        for name in {"run", kind}:
            shutil.copyfile(REQUIREMENTS / f"{name}.txt", venv / f"fairdial-{name}.txt")
        (venv / "fairdial-place").write_text(place(venv))
        unfinished.unlink()


def discard(venv: Path) -> None:
    """Remove a broken environment, and never anything else that somebody named by mistake."""
    if not venv.exists():
        return
    signs = ("fairdial-unfinished", "fairdial-place", "pyvenv.cfg")
    if any(venv.iterdir()) and not any((venv / sign).exists() for sign in signs):
        raise PreparationError(
            f"{venv} is not empty and no Python environment.\n"
            "What to do: name another folder in FAIRDIAL_VENV."
        )
    shutil.rmtree(venv)


def place(venv: Path) -> str:
    """What the environment depends on beside the locks; read by environment.sh too."""
    return f"{ROOT} {(venv / 'bin' / 'python').resolve()}\n"


def has_moved(venv: Path) -> bool:
    """Whether the folder was copied elsewhere or its Python replaced since we made it."""
    noted = venv / "fairdial-place"
    return noted.exists() and noted.read_text() != place(venv)


def is_ready(kind: str, venv: Path) -> bool:
    """As `is_ready` in environment.sh."""
    noted = venv / "fairdial-place"
    return (
        noted.exists()
        and not has_moved(venv)
        and not (venv / "fairdial-unfinished").exists()
        and all(
            (venv / f"fairdial-{name}.txt").exists()
            and (venv / f"fairdial-{name}.txt").read_bytes()
            == (REQUIREMENTS / f"{name}.txt").read_bytes()
            for name in {"run", kind}
        )
    )


def install(venv: Path, lock: Path) -> None:
    """Install a lock with uv, in seconds; with pip where uv cannot be had or finds no index.

    pip reads the index and proxy settings of the machine, uv only its own. The locks are whole, so
    neither looks at dependencies. No cache: nothing is left outside the environment.
    """
    python = venv / "bin" / "python"
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    pip_install = (
        *pip,
        "install",
        "--no-cache-dir",
        "--retries=2",
        "--no-deps",
        "--require-hashes",
    )
    uv = venv / "bin" / "uv"
    try:
        run("getting the installer", *pip_install, "-r", REQUIREMENTS / "uv.txt")
        run(
            "installing the packages",
            *(uv, "pip", "install", "--quiet", "--no-cache", "--python", python),
            *("--no-deps", "--require-hashes", "-r", lock),
        )
    except PreparationError:
        run("installing the packages", *pip_install, "-r", lock)


def install_debian_packages(*names: str) -> None:
    """Install packages with apt-get, as root or by sudo without a password; else say how."""
    what = " and ".join(names)
    command = f"apt-get install --no-install-recommends {' '.join(names)}"
    if shutil.which("apt-get") is None:
        raise PreparationError(f"{what} missing.\nWhat to do: install what Debian calls so.")
    sudo: tuple[str, ...] = ()
    if os.geteuid() != 0:
        sudo = ("sudo", "-n")
        if shutil.which("sudo") is None or subprocess.call([*sudo, "true"]) != 0:
            raise PreparationError(f"{what} missing.\nWhat to do, as root: {command}")
    say(f"Debian's {what}")
    apt = (*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes")
    wanted = (*apt, "install", "--no-install-recommends", *names)
    try:
        run(f"installing {' '.join(names)}", *wanted)
    except PreparationError:  # a fresh image has no package lists
        run("reading Debian's package lists", *apt, "update")
        run(f"installing {' '.join(names)}", *wanted)


def run(step: str, *command: str | Path) -> None:
    """Run one program silently; `PreparationError` with its last words if it fails."""
    env = {**os.environ, "PIP_USER": "0", "UV_LINK_MODE": "copy"}
    done = subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        telling = [line for line in lines if not line.startswith("WARNING")] or lines
        shown = "".join(f"\n    {line[:300]}" for line in telling[-3:])
        raise PreparationError(f"{step} failed.{shown}\nWhat to do: {remedy(done.stdout)}")


def remedy(said: str) -> str:
    """What to do about it."""
    for signs, advice in REMEDIES:
        if any(sign.lower() in said.lower() for sign in signs):
            return advice
    return "see the lines above, then start again."


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One start at a time. The lock is on the folder itself, so that no file is left behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is at it, waiting")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def say(step: str) -> None:
    """Progress goes to the error stream, so that `./fairdial … > file` holds only the answer."""
    print(f"Preparing Fairdial (once): {step} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
