"""Make `src/fairdial/sandbox/data/bank-marketing.csv.xz` from the original data file.

    python tools/make_bank_data.py PATH/TO/bank-additional-full.csv

The original is the Bank Marketing data set of the UCI Machine Learning Repository (see
ATTRIBUTION.md beside the result). Every row stays, in its order; only the columns that the sandbox
uses stay. The same input always gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import io
import lzma
import sys
from pathlib import Path

COLUMNS = (
    "age", "job", "marital", "education", "housing", "loan", "contact", "month", "day_of_week",
    "duration", "campaign", "previous", "poutcome", "y",
)  # fmt: skip
ROWS = 41_188
BYTES_MAX = 500_000
TARGET = Path(__file__).resolve().parent.parent / "src/fairdial/sandbox/data/bank-marketing.csv.xz"


def main() -> int:
    """Convert the file named on the command line; answers the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="the original CSV, separated by , or ;")
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    with arguments.source.open(encoding="utf-8", newline="") as file:
        separator = ";" if ";" in file.readline() else ","
        file.seek(0)
        source = csv.DictReader(file, delimiter=separator)
        missing = [name for name in COLUMNS if name not in (source.fieldnames or ())]
        if missing:
            sys.stderr.write(f"{arguments.source}: columns missing: {', '.join(missing)}\n")
            return 1
        text = io.StringIO()
        target = csv.writer(text, lineterminator="\n")
        target.writerow(COLUMNS)
        rows = 0
        for row in source:
            target.writerow([row[name] for name in COLUMNS])
            rows += 1
    if rows != ROWS:
        sys.stderr.write(f"{arguments.source}: {rows} rows instead of {ROWS}\n")
        return 1
    packed = lzma.compress(text.getvalue().encode(), preset=9 | lzma.PRESET_EXTREME)
    if len(packed) > BYTES_MAX:
        sys.stderr.write(f"{len(packed)} bytes are more than the {BYTES_MAX} we keep\n")
        return 1
    arguments.target.write_bytes(packed)
    sys.stdout.write(f"{arguments.target}: {rows} rows, {len(packed)} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
