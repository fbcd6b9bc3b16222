"""The benchmark of pacing: a grid of floors, and one decision of a large one."""

from __future__ import annotations

from fairdial.bench.pacing import one_decision_ms, run


def test_the_grid_has_every_law_on_every_floor() -> None:
    found = run(sizes=(2, 3), rates=(0.2,), minutes=10, seeds=1, names=("predictive", "ratio 3"))
    assert [floor["agents"] for floor in found["floors"]] == [2, 3]
    for floor in found["floors"]:
        assert [row["law"] for row in floor["rows"]] == ["predictive", "ratio 3"]
        assert all(0 < row["utilisation"]["mean"] <= 1 for row in floor["rows"])


def test_one_decision_is_measured_on_a_floor_of_that_size() -> None:
    found = one_decision_ms(agents=20, in_flight=50)
    assert (found["agents"], found["in_flight"]) == (20, 50)
    assert 0 < found["median"] <= found["max"]
