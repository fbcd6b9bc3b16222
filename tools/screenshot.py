"""Pictures for the documentation: the page as PNG, the terminal view as SVG, from a running one.

    python tools/screenshot.py page http://127.0.0.1:8420/ docs/images/page.png --wait 3 [--dark]
    python tools/screenshot.py terminal --url http://127.0.0.1:8420/ docs/images/terminal.svg

The page needs playwright (Python) and Chromium (`apt-get install chromium`).
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
import urllib.request
from pathlib import Path

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def page(url: str, file: Path, *, is_dark: bool, wait_s: float, width: int, height: int) -> None:
    """Open `url`, let it live for a while, keep what a person would see."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium on this machine; apt-get install --no-install-recommends chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        try:
            view = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if is_dark else "light",
            )
            view.goto(url, wait_until="commit")
            view.wait_for_selector("body:not(.is-waiting)")
            view.wait_for_timeout(wait_s * 1000)
            file.parent.mkdir(parents=True, exist_ok=True)
            view.screenshot(path=str(file))
        finally:
            browser.close()


def terminal(url: str, file: Path, *, width: int, height: int) -> None:
    """Draw the terminal view of the campaign that is shown at `url`."""
    from rich.console import Console

    from fairdial.terminal import render_shown
    from fairdial.web.shown import ShownPicture

    if not url.startswith(("http://127.0.0.1", "http://localhost")):
        sys.exit(f"{url} is not on this machine")
    with urllib.request.urlopen(f"{url.rstrip('/')}/api/picture", timeout=10) as answer:  # noqa: S310
        shown = ShownPicture.model_validate_json(answer.read())
    console = Console(
        record=True, width=width, height=height, file=io.StringIO(), force_terminal=True,
        color_system="truecolor",
    )  # fmt: skip
    console.print(render_shown(shown, url=url))
    file.parent.mkdir(parents=True, exist_ok=True)
    # Rich's picture would fetch its font from afar; a reader's own monospace font does as well.
    svg = re.sub(r',\s*url\("[^"]*"\) format\("[^"]*"\)', "", console.export_svg(title="fairdial"))
    file.write_text(svg, encoding="utf-8")


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    kinds = parser.add_subparsers(dest="kind", required=True)
    of_page = kinds.add_parser("page", help="the page as PNG")
    of_page.add_argument("url")
    of_page.add_argument("file", type=Path)
    of_page.add_argument("--dark", action="store_true")
    of_page.add_argument("--wait", type=float, default=2.0, help="seconds before the shot")
    of_page.add_argument("--width", type=int, default=1366)
    of_page.add_argument("--height", type=int, default=768)
    of_terminal = kinds.add_parser("terminal", help="the terminal view as SVG")
    of_terminal.add_argument("--url", required=True)
    of_terminal.add_argument("file", type=Path, nargs="?", default=Path("docs/images/terminal.svg"))
    of_terminal.add_argument("--width", type=int, default=120)
    of_terminal.add_argument("--height", type=int, default=40)
    args = parser.parse_args()
    if args.kind == "page":
        page(
            args.url, args.file, is_dark=args.dark, wait_s=args.wait,
            width=args.width, height=args.height,
        )  # fmt: skip
    else:
        terminal(args.url, args.file, width=args.width, height=args.height)


if __name__ == "__main__":
    main()
