"""Unpack Asterisk 22 LTS into a cache folder and print where, for tests and measurements.

    python3 tools/unpack_asterisk.py

Nothing is installed and root is not needed: Debian's packages are fetched with apt-get into folders
of our own and unpacked. They come with the C library and the loader that they were built for, so
that they run beside an older system. `FAIRDIAL_ASTERISK` names a tree that is there already. A
tree in the cache is used as it is, without the network; one that was half unpacked never is.
"""

# A program of its own: it talks to the terminal and starts other programs.
# ruff: noqa: S603, T201

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from prepare import PreparationError, alone, run, say

SUITE = "sid"
"""The Debian suite that has Asterisk; its stable releases do not."""
PACKAGES = ("asterisk", "asterisk-core-sounds-en-gsm")
MAJOR_MIN = 22
NOT_NEEDED = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/perl", "usr/share/info"),
    *("usr/share/lintian", "usr/share/i18n", "usr/bin", "var/cache", "var/lib/dpkg"),
)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def main() -> int:
    """Print the tree's path; on failure one short message, never a traceback."""
    try:
        print(unpack_asterisk())
    except (PreparationError, OSError) as failed:
        print(f"Asterisk could not be unpacked: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the next start unpacks Asterisk anew.", file=sys.stderr)
        return 1
    return 0


def cache_folder() -> Path:
    """Where unpacked trees are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fairdial"


def unpacked_asterisk() -> Path | None:
    """The tree that is there already, by `FAIRDIAL_ASTERISK` or in the cache; None without one."""
    named = os.environ.get("FAIRDIAL_ASTERISK")
    if named:
        tree = Path(named)
        if not (tree / "usr/sbin/asterisk").exists():
            raise PreparationError(
                f"FAIRDIAL_ASTERISK is {named}, and there is no usr/sbin/asterisk in it.\n"
                "What to do: name the folder of an unpacked Asterisk, or unset it."
            )
        return tree
    trees = [t for t in cache_folder().glob("asterisk-*") if _major(t.name) >= MAJOR_MIN]
    return max(trees, key=lambda tree: tree.stat().st_mtime, default=None)


def unpack_asterisk() -> Path:
    """The tree, unpacked now if there is none. Raises `PreparationError`."""
    if (tree := unpacked_asterisk()) is not None:
        return tree
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise PreparationError(
                f"{program} is missing: Asterisk is unpacked from Debian's packages.\n"
                "What to do: name a tree of yours in FAIRDIAL_ASTERISK."
            )
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with alone(cache):
        if (tree := unpacked_asterisk()) is not None:  # another start made it while we waited
            return tree
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=cache) as draft:
            return _unpack(Path(draft), cache)


def _unpack(draft: Path, cache: Path) -> Path:
    """Fetch and unpack in `draft`; the tree gets its name in the cache when it is whole."""
    say("the packages of Asterisk, about 70 MB")
    apt = _private_apt(draft)
    run("reading Debian's package lists", *apt, "update")
    fetch = ("--yes", "--download-only", "--no-install-recommends", "install")
    run("fetching Asterisk", *apt, *fetch, *PACKAGES)
    packages = sorted((draft / "cache/archives").glob("*.deb"))
    version = ""
    tree = draft / "tree"
    tree.mkdir()
    for package in packages:
        run(f"unpacking {package.name}", "dpkg-deb", "--extract", package, tree)
        if package.name.startswith("asterisk_"):
            version = _output("dpkg-deb", "--field", package, "Version")
    name = f"asterisk-{version.split(':')[-1]}"
    if _major(name) < MAJOR_MIN:
        raise PreparationError(
            f"Debian's {SUITE} has Asterisk {version or 'not at all'}; {MAJOR_MIN} or newer is"
            " needed.\nWhat to do: name a tree of yours in FAIRDIAL_ASTERISK."
        )
    for folder in NOT_NEEDED:
        shutil.rmtree(tree / folder, ignore_errors=True)
    return tree.rename(cache / name)


def _private_apt(draft: Path) -> tuple[str, ...]:
    """An apt-get that reads the machine's own mirror and writes nowhere but in `draft`."""
    for folder in ("etc", "state/lists/partial", "cache/archives/partial"):
        (draft / folder).mkdir(parents=True)
    (draft / "status").touch()
    signed = f" signed-by={KEYRING}" if KEYRING.exists() else ""
    # A mirror that is a few weeks behind is good enough for tests; the signature is checked.
    options = f"[check-valid-until=no{signed}]"
    (draft / "sources.list").write_text(f"deb {options} {_mirror()} {SUITE} main\n")
    settings = {
        "Dir::Etc::sourcelist": draft / "sources.list",
        "Dir::Etc::sourceparts": draft / "etc",
        "Dir::State": draft / "state",
        "Dir::State::status": draft / "status",
        "Dir::Cache": draft / "cache",
        "Acquire::Check-Valid-Until": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": 2,
        "APT::Sandbox::User": "",
        "Debug::NoLocking": 1,
    }
    options_given = (part for name, value in settings.items() for part in ("-o", f"{name}={value}"))
    return ("apt-get", "--quiet", *options_given)


def _mirror() -> str:
    """Debian's mirror as this machine's own sources of apt name it."""
    form = "$(REPO_URI) $(COMPONENT)"
    said = _output("apt-get", "indextargets", "--format", form, "Created-By: Packages")
    for line in said.splitlines():
        address, _, component = line.partition(" ")
        if component == "main" and address.rstrip("/").endswith("/debian"):
            return address
    raise PreparationError(
        "apt's sources on this machine name no mirror of Debian.\n"
        "What to do: name a tree of an unpacked Asterisk in FAIRDIAL_ASTERISK."
    )


def _output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PreparationError(f"{command[0]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def _major(name: str) -> int:
    """The major version in a tree's name; 0 for what is none."""
    found = re.match(r"asterisk-(\d+)\.", name)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    sys.exit(main())
