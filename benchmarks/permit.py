"""Print how fast permits are judged: `python benchmarks/permit.py [seconds]`."""

from __future__ import annotations

import json
import sys

from fairdial.bench.permit import run

if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0), indent=2))
