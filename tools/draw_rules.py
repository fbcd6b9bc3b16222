"""Draw a page for each jurisdiction in docs/reference/rules/ from the rules themselves.

    .venv/bin/python tools/draw_rules.py            draw them anew
    .venv/bin/python tools/draw_rules.py --check    only say whether they are fresh

Sentences come from the parameters that judge, examples from the situations that are tested, and
what is missing from the coverage files. Nothing is written down twice. A page of a jurisdiction
that is gone is removed.
"""

# A program of its own: it talks to the terminal.
# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from fairdial.core.rules import Rule
from fairdial.rules import load_rulebook, read_files
from fairdial.rules.coverage import Coverage, Status, read_coverage
from fairdial.rules.pages import example, example_of, jurisdiction_name, rule_lines
from fairdial.rules.situations import Situation, read_situations

PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference" / "rules"
EXAMPLES_MAX = 3
"""How many allowed calls a page shows; every rule shows one that it stands against."""


def pages() -> dict[str, str]:
    """Every page by its file name."""
    files, rulebook = read_files(), load_rulebook()
    covered = read_coverage(files)
    examples = read_situations(files)
    situations: dict[str, list[Situation]] = {name: [] for name in covered}
    for situation in examples:
        folder = situation.file.rpartition("/")[0].removesuffix("/federal")
        situations.setdefault(folder, []).append(situation)
    rules: dict[str, list[Rule]] = {name: [] for name in covered}
    for rule in rulebook.rules:
        rules.setdefault(rule.jurisdiction, []).append(rule)
    names = {name: jurisdiction_name(name, rulebook.places) for name in rules}
    drawn = {"index.md": "\n".join(index(names, rules, covered)) + "\n"}
    for name in rules:
        # A rule that stands against no example of its own folder does so in another's.
        against = {r.id: example_of(r, (*situations[name], *examples)) for r in rules[name]}
        page_lines = page(
            name, names[name], rules[name], covered.get(name), situations[name], against
        )
        drawn[file_of(name)] = "\n".join(page_lines) + "\n"
    return drawn


def file_of(jurisdiction: str) -> str:
    """`us-fl.md`"""
    return jurisdiction.replace("/", "-") + ".md"


def index(
    names: Mapping[str, str], rules: Mapping[str, list[Rule]], covered: Mapping[str, Coverage]
) -> Iterator[str]:
    """The page that leads to all others."""
    yield "# Rules by jurisdiction"
    yield ""
    yield "What is judged and told, drawn from the rule files by `tools/draw_rules.py`. How they"
    yield "are read is told in [Rules](../rules.md). Fairdial is software, not legal advice."
    yield ""
    rows = []
    for name in sorted(names, key=lambda n: (n.partition("/")[0], n)):
        coverage = covered.get(name)
        counts = (
            [str(coverage.count(status)) for status in Status]
            if coverage is not None
            else ["" for _ in Status]
        )
        rows.append(
            [f"[{names[name]}]({file_of(name)})", f"`{name}`", str(len(rules[name])), *counts]
        )
    yield from table(("jurisdiction", "id", "rules", *(f"duties {s.value}" for s in Status)), rows)


def page(
    jurisdiction: str,
    name: str,
    rules: Sequence[Rule],
    coverage: Coverage | None,
    situations: Sequence[Situation],
    against: Mapping[str, str | None],
) -> Iterator[str]:
    """One jurisdiction."""
    yield f"# {name}"
    yield ""
    yield f"The rules of `{jurisdiction}`, drawn from their files by `tools/draw_rules.py`. Back to"
    yield "[all jurisdictions](index.md)."
    if coverage is not None:
        yield ""
        yield "## Covered"
        yield ""
        yield f"Reviewed on {coverage.reviewed_on}."
        yield ""
        yield from table(
            ("duty", "status", "rules", "note"),
            (
                (d.duty, d.status.value, ", ".join(f"`{r}`" for r in d.rules), d.note or "")
                for d in coverage.duties
            ),
        )
    for number, rule in enumerate(rules):
        if number == 0:
            yield ""
            yield "## Rules"
        yield ""
        yield f"### `{rule.id}`"
        yield ""
        yield f"{rule.title}."
        yield ""
        lines = list(rule_lines(rule))
        said = against[rule.id]
        if said is not None:
            lines.append(("example", said))
        yield from table((rule.kind.value.replace("_", " "), ""), lines)
    allowed = {s.words["name"]: s for s in reversed(situations) if not s.refused_by}
    if allowed:
        yield ""
        yield "## Calls that may be made"
        yield ""
        for situation in list(reversed(allowed.values()))[:EXAMPLES_MAX]:
            yield f"- {example(situation)}"


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for cells in body:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def stale(folder: Path, fresh: Mapping[str, str]) -> list[str]:
    """The pages that are not as they should be: changed, missing or of nothing any more."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(n for n in found.keys() | fresh.keys() if found.get(n) != fresh.get(n))


def main() -> int:
    """Draw, or say whether the pages are fresh; 1 if they are not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("folder", type=Path, nargs="?", default=PAGES)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    fresh = pages()
    names = stale(folder, fresh)
    if arguments.check:
        for name in names:
            print(
                f"{folder / name} is not as the rules are; run .venv/bin/python tools/draw_rules.py"
            )
        return 1 if names else 0
    folder.mkdir(exist_ok=True)
    for name in names:
        if name in fresh:
            (folder / name).write_text(fresh[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    print(f"{folder}: {len(fresh)} pages, {len(names)} drawn anew")
    return 0


if __name__ == "__main__":
    sys.exit(main())
