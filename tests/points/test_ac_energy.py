"""The AC side of a record, against values worked out by hand and by exact fractions."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.points.ac_energy import ac_energy_wh, sum_of_ac_powers_w
from collector.protocol.blocks import Channel, Inverter
from tests.samples import optimizer, qs1, yc250, yc500, yc600


def inverter(
    *, dc_wh: float, sent_wh: float = 0.0, dc_w: float = 0.0, ac_w: float | None = None, model: str = "YC600"
) -> Inverter:
    channel = Channel(1, dc_w, 34.0, 1.0, dc_wh)
    return Inverter("408000000001", model, (channel,), energy_wh=dc_wh, ac_power_w=ac_w, ac_energy_wh=sent_wh)


def test_what_counts_on_the_ac_side_is_the_ac_energy() -> None:
    assert [ac_energy_wh(found) for found in (yc500(), yc250())] == [18.643, 9.4]
    # PLC blocks have one energy, and 0 is one.
    assert ac_energy_wh(yc500()._replace(ac_energy_wh=None)) == 18.643
    assert ac_energy_wh(yc500()._replace(energy_wh=0.0, ac_energy_wh=0.0)) == 0.0


@pytest.mark.parametrize(
    ("sent_wh", "ac_wh"), [(20.0, 20.0), (16.0, 16.0), (15.999, 18.4), (20.001, 18.4), (0.0, 18.4)]
)
def test_a_sent_ac_energy_counts_only_where_it_fits_the_dc_energy(sent_wh: float, ac_wh: float) -> None:
    assert ac_energy_wh(inverter(dc_wh=20.0, sent_wh=sent_wh, dc_w=100, ac_w=92)) == ac_wh


@pytest.mark.parametrize("model", ["YC600", "QS1", "YC1000", "type 23"])
@pytest.mark.parametrize(
    ("ac_w", "ac_wh"), [(80, 16.0), (100, 20.0), (79.9, 18.8), (100.1, 18.8), (0, 18.8), (None, 18.8)]
)
def test_without_it_the_powers_tell_the_share_or_the_usual_one_counts(
    model: str, ac_w: float | None, ac_wh: float
) -> None:
    assert ac_energy_wh(inverter(dc_wh=20.0, dc_w=100, ac_w=ac_w, model=model)) == ac_wh


def test_an_inverter_without_any_dc_power_has_the_usual_share() -> None:
    assert ac_energy_wh(inverter(dc_wh=2.0, dc_w=0, ac_w=0)) == 1.88


@dataclass(frozen=True)
class Comparison:
    """What a meter and the DC side of the same time said."""

    meter: float
    dc: float


# Published by owners: kWh of a day each, and the two shares that others worked out over longer times.
COMPARISONS = [Comparison(239, 255), Comparison(21.1, 22.65), Comparison(0.932, 1), Comparison(0.937, 1)]


@pytest.mark.parametrize("published", COMPARISONS, ids=str)
def test_the_usual_share_agrees_with_meters_to_within_a_hundredth(published: Comparison) -> None:
    found = ac_energy_wh(inverter(dc_wh=1000 * published.dc))
    assert found == pytest.approx(1000 * published.meter, rel=0.01)


def test_an_optimizer_and_a_gateway_with_one_have_no_ac_side() -> None:
    assert ac_energy_wh(optimizer()) is None
    assert sum_of_ac_powers_w([yc600(), optimizer()], 271.1) is None


def test_a_gateway_is_the_sum_of_its_inverters() -> None:
    assert sum_of_ac_powers_w([yc600(), qs1()], 202) == 190.82
    assert sum_of_ac_powers_w([], 0) is None


def test_where_one_inverter_measures_no_ac_power_the_gateway_has_the_usual_share() -> None:
    assert sum_of_ac_powers_w([yc600(ac_power_w=None), qs1()], 202) == 189.88
    assert sum_of_ac_powers_w([yc600(ac_power_w=None), qs1()], None) is None


@given(
    dc=st.integers(0, 10**6),
    sent=st.integers(0, 10**7),
    dc_w=st.integers(0, 999),
    ac=st.none() | st.integers(0, 99_999),
)
def test_the_ac_energy_is_what_exact_fractions_give(dc: int, sent: int, dc_w: int, ac: int | None) -> None:
    found = ac_energy_wh(
        inverter(dc_wh=dc / 1000, sent_wh=sent / 1000, dc_w=dc_w, ac_w=None if ac is None else ac / 100)
    )
    expected = Fraction(dc, 1000) * Fraction(94, 100)
    if sent and 4 * dc <= 5 * sent <= 5 * dc:
        expected = Fraction(sent, 1000)
    elif ac and dc_w and 4 * 100 * dc_w <= 5 * ac <= 5 * 100 * dc_w:
        expected = Fraction(dc, 1000) * Fraction(ac, 100 * dc_w)
    assert found == pytest.approx(float(expected), abs=0.000501)
