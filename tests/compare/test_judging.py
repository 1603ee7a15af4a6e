"""What is said of two sets of energies: the ratios, and only those reasons that the numbers prove."""

from datetime import UTC, date, timedelta, timezone
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock.days import midnight
from collector.clock.stamps import NS, to_ns
from collector.compare.days import Day, Gateway
from collector.tables.reading import Kind, Span, Table
from tests.compare.figures import DAY, FIRST, TODAY, ac_energies, compared, each, gateway, noisy, table

AC = ac_energies()


def test_two_meters_that_agree_need_no_reason() -> None:
    found = compared(noisy(AC, 0.01), gateway(AC))
    assert (found.basis, found.agrees, found.reasons, found.missing_here, found.missing_there) == (
        "AC",
        True,
        (),
        [],
        [],
    )
    assert found.median == pytest.approx(1, abs=0.003)
    assert found.low is not None
    assert found.high is not None
    assert 0.99 <= found.low < found.high <= 1.01
    assert found.ours_wh == pytest.approx(sum(AC.values()))
    assert not any(row.is_outlier for row in found.rows)


@pytest.mark.parametrize(("ratio", "agrees"), [(0.98, True), (1.02, True), (0.979, False), (1.021, False)])
def test_agreeing_is_to_be_within_two_per_cent(ratio: float, agrees: bool) -> None:
    ours = {FIRST: 1000.0}
    assert compared(each(ours, lambda wh: wh * ratio), gateway(ours)).agrees is agrees


def test_days_that_agree_are_not_enough_where_the_sum_does_not() -> None:
    first, second = list(AC)[:2]
    found = compared({**AC, first: 0.0, second: 0.0}, gateway(AC))
    assert (found.days_agree, found.agrees) == (True, False)
    assert [row.first for row in found.rows if row.is_outlier] == [first, second]


def test_a_counter_that_shows_whole_kwh_is_not_marked_for_its_rounding() -> None:
    ours = {day: 700.0 if number % 10 == 9 else 20_100.0 for number, day in enumerate(AC)}
    total, spans = 5000.0, []
    for day, wh in ours.items():
        before, total = total, total + wh
        spans.append(Span(day, day, 1000.0 * (total // 1000 - before // 1000)))
    rough = Table(Kind.LIFETIME, tuple(spans), step_wh=1000.0)
    assert not any(row.is_outlier for row in compared(rough, gateway(ours)).rows)
    exact = Table(Kind.LIFETIME, tuple(spans), step_wh=1.0)
    assert any(row.is_outlier for row in compared(exact, gateway(ours)).rows)


# Three comparisons that owners have published: a meter's or the portal's AC energy, and the DC energy beside it.
PUBLISHED = [(239.0, 255.0), (21.1, 22.65), (0.932, 1.0), (0.937, 1.0)]


@pytest.mark.parametrize(("ac", "dc"), PUBLISHED)
def test_what_owners_have_published_is_told_as_dc_for_ac(ac: float, dc: float) -> None:
    share = ac / dc
    # The file counts AC and only the DC side is known here, or the file counts DC.
    (reason,) = compared(noisy(AC, 0.005), gateway(AC, knows_ac=False, share=share)).reasons
    assert reason.startswith(f"DC for AC: the file is {share:.2f}"[:-1])
    assert reason.endswith("the file counts AC, and of these days only the DC side is known here")
    (reason,) = compared(noisy(each(AC, lambda wh: wh / share), 0.005), gateway(AC, share=share)).reasons
    assert reason.startswith("DC for AC: the file is 1.0")
    assert reason.endswith("the file counts DC")


@pytest.mark.parametrize(("ac", "dc"), PUBLISHED)
def test_one_month_that_an_owner_has_published_is_enough(ac: float, dc: float) -> None:
    share = ac / dc
    june = {date(2026, 6, 1) + number * DAY: wh for number, wh in enumerate(ac_energies(30).values())}
    for theirs_wh, ours in (
        (sum(june.values()), gateway(june, knows_ac=False, share=share)),
        (sum(june.values()) / share, gateway(june, share=share)),
    ):
        month = Table(Kind.MONTHLY, (Span(date(2026, 6, 1), date(2026, 6, 30), theirs_wh),))
        (reason,) = compared(month, ours).reasons
        assert reason.startswith("DC for AC")
    # A factor is not steady for being there once.
    month = Table(Kind.MONTHLY, (Span(date(2026, 6, 1), date(2026, 6, 30), 1.25 * sum(june.values())),))
    assert compared(month, gateway(june)).reasons == ()


def test_dc_for_ac_is_told_of_a_site_whose_inverters_count_ac_as_well() -> None:
    # Their DC side is not in the energies of days, so the usual share has to tell.
    found = compared(noisy(each(AC, lambda wh: wh / 0.94), 0.005), gateway(AC, share=1.0))
    assert "which is what the DC side is by the AC side, 1.064" in found.reasons[0]


def test_days_without_a_known_ac_energy_are_left_out_where_others_have_one() -> None:
    known = gateway(AC)
    days = {day: own if day > FIRST else Day(None, own.dc_wh, 4) for day, own in known.days.items()}
    found = compared(AC, Gateway(days, UTC))
    assert (found.basis, found.rows[0].ratio, found.median) == ("AC", None, 1.0)


def test_energies_in_another_unit_are_told() -> None:
    (reason,) = compared(each(AC, lambda wh: wh * 1000), gateway(AC)).reasons
    assert "1000 times ours (1000): they are in Wh" in reason
    (reason,) = compared(each(AC, lambda wh: wh / 940), gateway(AC)).reasons
    assert "a thousandth of ours (0.001064): they are in MWh" in reason


@pytest.mark.parametrize(("lag", "told"), [(1, "later"), (-1, "earlier")])
def test_dates_that_are_off_by_a_day_are_told_and_what_is_wrong_beside_it(lag: int, told: str) -> None:
    moved = {day + lag * DAY: wh / 0.94 for day, wh in noisy(AC, 0.005).items()}
    _, displaced, share = compared(moved, gateway(AC)).reasons
    assert displaced.startswith(f"the file's dates are one day {told} than ours")
    assert share.startswith("DC for AC")


def test_a_counter_read_in_the_morning_is_told_as_off_by_a_day() -> None:
    days = sorted(AC)[::3]
    spans = [Span(one + DAY, two, sum(AC[one + n * DAY] for n in range(3))) for one, two in pairwise(days)]
    found = compared(Table(Kind.LIFETIME, tuple(spans)), gateway(AC))
    assert any("dates are one day later" in reason for reason in found.reasons)


def test_a_constant_factor_is_told_with_the_inverters_that_it_fits() -> None:
    (reason,) = compared(noisy(each(AC, lambda wh: wh * 1.25), 0.005), gateway(AC)).reasons
    assert "as 5 inverters are to the 4 here" in reason
    assert "one that the collector does not hear" in reason
    (reason,) = compared(noisy(each(AC, lambda wh: wh * 0.75), 0.005), gateway(AC)).reasons
    assert "one that the file does not count" in reason
    (reason,) = compared(noisy(each(AC, lambda wh: wh * 1.13), 0.005), gateway(AC)).reasons
    assert (
        reason == "a constant factor: the file is steadily 1.130 times ours: one of the two counts another site, or"
        " something else beside it"
    )


def test_the_gateway_that_the_file_is_of_is_named() -> None:
    second, third = ac_energies(seed=5), ac_energies(seed=6)
    (reason,) = compared(AC, gateway(AC), gateway(second)).reasons
    assert reason == "the file agrees to 0.0% with our energy of ECU 1 alone: `--ecu 1` compares these"
    both = {day: wh + third[day] for day, wh in AC.items()}
    (reason,) = compared(both, gateway(AC), gateway(second), gateway(third)).reasons
    assert reason == "the file agrees to 0.0% with our energy without ECU 2"


# Where the days begin


def site_by_quarters(hours_off: float) -> tuple[dict[date, float], Gateway]:
    """A file by days that begin so much later than the gateway's, whose clock has the sun at midnight."""
    chance = Random(4)  # noqa: S311 (a sky, no secret)
    zone, here = UTC, timezone(timedelta(hours=-hours_off))
    quarters: dict[int, float] = {}
    for number in range(-1, 41):
        start = to_ns(midnight(FIRST + number * DAY, zone)) // (900 * NS)
        sky = chance.uniform(0.1, 1)
        for quarter in range(-24, 24):
            quarters[start + quarter] = sky * chance.uniform(0.5, 1) * (24 - abs(quarter + 0.5)) * 20
    theirs, ours = dict[date, float](), dict[date, float]()
    for number in range(40):
        day = FIRST + number * DAY
        for energies, its in ((theirs, here), (ours, zone)):
            first, end = (to_ns(midnight(one, its)) // (900 * NS) for one in (day, day + DAY))
            energies[day] = sum(quarters.get(quarter, 0.0) for quarter in range(first, end))
    return theirs, Gateway({day: Day(wh, wh / 0.94, 4) for day, wh in ours.items()}, zone, quarters)


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        (1, "begin 1 h later than ours, one of the two does not keep summer time"),
        (-1, "begin 1 h earlier than ours, one of the two does not keep summer time"),
        (0.5, "begin 0.5 h later than ours, a zone of half an hour there or here"),
        (-5.5, "begin 5.5 h earlier than ours, a zone of half an hour there or here"),
        (3, "begin 3 h later than ours, another time zone there or here"),
        # Between dusk and dawn nothing tells one hour from the other.
        (8, "begin 6 to 18 h later than ours, another time zone there or here"),
    ],
)
def test_days_that_begin_at_another_hour_are_told_with_it_where_records_tell_the_hours(hours: float, told: str) -> None:
    theirs, ours = site_by_quarters(hours)
    (reason,) = [one for one in compared(theirs, ours).reasons if "begin" in one]
    assert f"the file's days {told}" in reason


def test_days_that_begin_at_another_hour_are_told_without_it_where_only_days_are_known() -> None:
    theirs, ours = site_by_quarters(2)
    (reason,) = [one for one in compared(theirs, Gateway(ours.days, UTC)).reasons if "begin" in one]
    assert reason.startswith("days begin at another hour there than here, by summer time or by zone: ")


# What is missing


def test_days_that_one_side_lacks_are_listed_and_not_counted() -> None:
    ours = {day: wh for day, wh in AC.items() if day != FIRST + 3 * DAY}
    theirs = {day: wh for day, wh in AC.items() if day != FIRST + 7 * DAY}
    found = compared(theirs, gateway(ours))
    assert found.missing_here == [FIRST + 3 * DAY]
    assert found.missing_there == [FIRST + 7 * DAY]
    assert (
        found.theirs_wh == found.ours_wh == pytest.approx(sum(AC.values()) - AC[FIRST + 3 * DAY] - AC[FIRST + 7 * DAY])
    )
    assert found.reasons[0].startswith("1 day of the file is not here, or not as a whole: the collector did not run")
    assert found.reasons[1] == "the file lacks 1 day between its own that we have"
    # Ours before and after the file's are nobody's lack.
    short = {day: AC[day] for day in sorted(AC)[10:20]}
    assert compared(short, gateway(AC)).reasons == ()


def test_a_month_counts_where_all_its_days_are_here() -> None:
    months = Table(
        Kind.MONTHLY,
        (
            Span(date(2026, 5, 1), date(2026, 5, 31), sum(wh for day, wh in AC.items() if day.month == 5)),
            Span(date(2026, 6, 1), date(2026, 6, 30), 300_000.0),
        ),
    )
    found = compared(months, gateway(AC))
    assert [(row.is_common, row.days_here, row.days) for row in found.rows] == [(True, 31, 31), (False, 9, 30)]
    assert found.median == pytest.approx(1)
    assert found.reasons[0].startswith("1 month of the file is not here, or not as a whole")


def test_a_day_that_one_of_two_gateways_lacks_in_between_is_not_here() -> None:
    second = {day: wh for day, wh in AC.items() if day >= FIRST + 10 * DAY and day != FIRST + 20 * DAY}
    found = compared(each(AC, lambda wh: 2 * wh), gateway(AC), gateway(second))
    # Before its first day the second one was not there yet.
    assert found.missing_here == [FIRST + 20 * DAY]


def test_what_is_not_over_yet_is_left_out() -> None:
    found = compared(AC, gateway(AC), today=FIRST + 10 * DAY)
    assert (len(found.rows), found.not_over) == (10, 30)


def test_a_day_far_from_the_others_is_marked() -> None:
    theirs = noisy(AC, 0.01)
    theirs[FIRST + 5 * DAY] *= 1.2
    found = compared(theirs, gateway({**AC, FIRST + 6 * DAY: 0.0}))
    assert [row.first for row in found.rows if row.is_outlier] == [FIRST + 5 * DAY, FIRST + 6 * DAY]
    assert found.rows[6].ratio is None


def test_without_a_common_day_nothing_agrees() -> None:
    found = compared(AC, gateway({FIRST - DAY: 5.0}))
    assert (found.median, found.low, found.high, found.agrees) == (None, None, None, False)
    assert compared(AC).reasons[0].startswith("40 days of the file are not here")
    dark = dict.fromkeys(AC, 0.0)
    assert compared(dark, gateway(dark)).median is None


# Nothing is said without proof


@pytest.mark.parametrize("seed", range(20))
def test_figures_that_have_nothing_to_do_with_each_other_get_no_reason(seed: int) -> None:
    assert compared(ac_energies(60, seed + 100), gateway(ac_energies(60, seed))).reasons == ()


@pytest.mark.parametrize("seed", range(20))
def test_a_bad_meter_gets_no_reason(seed: int) -> None:
    energies = ac_energies(60, seed)
    assert compared(noisy(energies, 0.15, seed), gateway(energies)).reasons == ()


@pytest.mark.parametrize("factor", [1.064, 1.25, 1000.0, 0.75])
def test_a_few_days_tell_no_reason(factor: float) -> None:
    few = ac_energies(4)
    assert compared(each(few, lambda wh: wh * factor), gateway(few)).reasons == ()
    moved = {day + DAY: wh for day, wh in ac_energies(9).items()}
    assert not any("one day" in reason for reason in compared(moved, gateway(ac_energies(9))).reasons)


@pytest.mark.parametrize("factor", [1.03, 0.96, 1.045])
def test_what_meters_and_cables_may_differ_by_gets_no_reason(factor: float) -> None:
    # With a DC side that is not the usual one.
    assert compared(each(AC, lambda wh: wh * factor), gateway(AC, share=0.9)).reasons == ()


ENERGIES = st.dictionaries(
    st.dates(date(2026, 1, 1), date(2026, 3, 1)), st.floats(0, 1e9) | st.sampled_from([0.0, 1000.0]), max_size=60
)


@given(ENERGIES, st.lists(st.tuples(ENERGIES, st.booleans()), max_size=3), st.dates(date(2026, 1, 1), date(2026, 4, 1)))
def test_any_figures_can_be_compared(
    theirs: dict[date, float], ours: list[tuple[dict[date, float], bool]], today: date
) -> None:
    found = compared(theirs, *(gateway(own, knows_ac=known) for own, known in ours), today=today)
    common = [row for row in found.rows if row.is_common]
    counted = [row for row in common if found.basis == "DC" or row.ac_wh is not None]
    assert found.theirs_wh == pytest.approx(sum(row.theirs_wh or 0.0 for row in counted))
    assert len([row for row in common if row.ratio is not None]) <= len(counted)
    assert [row.first for row in found.rows] == sorted({row.first for row in found.rows})
    if found.median is not None and found.low is not None and found.high is not None:
        assert found.low <= found.median <= found.high


@given(st.randoms(use_true_random=False))
def test_nothing_depends_on_the_order_of_gateways(chance: Random) -> None:
    some = [gateway(ac_energies(seed=seed)) for seed in (1, 2, 3)]
    chance.shuffle(some)
    total = {day: sum(one.days[day].ac_wh or 0 for one in some) for day in AC}
    assert compared(total, *some, today=TODAY).median == pytest.approx(1)


def test_a_table_keeps_its_days() -> None:
    assert [span.first for span in table(AC).spans] == sorted(AC)
