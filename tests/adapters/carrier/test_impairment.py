"""A bad network is as bad as it was told to be, and the same at every run."""

from __future__ import annotations

from itertools import groupby

import pytest

from fairdial.adapters.carrier.impairment import Impairment, Way

PACKETS = 50_000


def lost(way: Way) -> list[bool]:
    return [not way.arrivals() for _ in range(PACKETS)]


def test_a_good_network_passes_everything_at_once() -> None:
    way = Way(Impairment(), "s")
    assert {way.arrivals() for _ in range(100)} == {(0.0,)}


@pytest.mark.parametrize(("loss", "burst"), [(0.01, 1.0), (0.05, 3.0), (0.3, 5.0)])
def test_so_many_are_lost_in_bursts_of_so_many(loss: float, burst: float) -> None:
    fate = lost(Way(Impairment(loss=loss, loss_burst=burst), "s"))
    assert sum(fate) / PACKETS == pytest.approx(loss, rel=0.15)
    bursts = [len(list(run)) for is_lost, run in groupby(fate) if is_lost]
    assert sum(bursts) / len(bursts) == pytest.approx(burst, rel=0.15)


def test_all_and_none() -> None:
    assert all(lost(Way(Impairment(loss=1.0), "s")))
    assert not any(lost(Way(Impairment(loss=0.0), "s")))


def test_delays_and_doubles() -> None:
    way = Way(Impairment(delay_s=0.05, jitter_s=0.04, duplicate=0.1), "s")
    came = [way.arrivals() for _ in range(PACKETS)]
    delays = [delay for arrivals in came for delay in arrivals]
    assert 0.05 <= min(delays) < 0.051
    assert 0.089 < max(delays) <= 0.09
    assert sum(len(arrivals) == 2 for arrivals in came) / PACKETS == pytest.approx(0.1, rel=0.1)


def test_a_seed_says_it_all() -> None:
    bad = Impairment(loss=0.1, loss_burst=2.0, jitter_s=0.02)
    first, again, other = (Way(bad, seed) for seed in ("a", "a", "b"))
    fates = [[way.arrivals() for _ in range(100)] for way in (first, again, other)]
    assert fates[0] == fates[1] != fates[2]
