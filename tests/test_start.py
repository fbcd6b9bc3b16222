"""The first tenths of a second of a command."""

from __future__ import annotations

import signal
import subprocess
import sys

CTRL_C_WHILE_LOADING = """
import os, runpy, signal, sys, time

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "fairdial.cli":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
runpy.run_module("fairdial", run_name="__main__")
"""


def test_ctrl_c_while_the_command_loads_ends_it_without_a_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CTRL_C_WHILE_LOADING], capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")
