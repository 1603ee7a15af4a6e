"""Files of meters and portals: every usual way to write the same figures is read as the same."""

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.tables.reading import DAY_FIRST, MONTH_FIRST, Kind, Table, Unreadable, read

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DAY = timedelta(days=1)


def table(text: str, kind: Kind | None = None, dates: str | None = None) -> Table:
    return read(text.encode(), AMSTERDAM, kind, dates)


def energies(text: str, kind: Kind | None = None, dates: str | None = None) -> list[tuple[str, str, float]]:
    return [(f"{span.first}", f"{span.last}", span.energy_wh) for span in table(text, kind, dates).spans]


def days(*energies_wh: float, first: date = date(2026, 6, 1)) -> list[tuple[str, str, float]]:
    return [(f"{day}", f"{day}", wh) for number, wh in enumerate(energies_wh) for day in [first + number * DAY]]


def refusal(text: str | bytes, kind: Kind | None = None) -> str:
    with pytest.raises(Unreadable) as refused:
        read(text if isinstance(text, bytes) else text.encode(), AMSTERDAM, kind)
    return str(refused.value)


# Ways of writing


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-01,12.5\n2026-06-02,8.25\n",
        "2026-06-01;12,5\r\n2026-06-02;8,25",
        "\n2026-06-01\t12,5\r\r2026-06-02\t8,25\r",
        'Date,Energy\n2026-06-01,"12,5"\n"2026-06-02","8,25"\n',
        "Daily Energy Report\nSystem,216000123456\n\nDate,Energy(kWh)\n2026-06-01,12.50\n2026-06-02,8.25\nTotal,20.75",
        "Datum;Ertrag [kWh]\n01.06.2026;12,50\n02.06.2026;8,25\n;20,75\nSumme;20,75\n",
        "1.6.26;12,5\n2.6.26;8,25",
        "2026/06/01,12.5\n2026/06/02,8.25\n2026/06/03,\n2026/06/04,-\n2026/06/05,n/a\n",
        "20260601;12.5\n20260602;8.25",
        "date,Wh\n2026-06-01,12500\n2026-06-02,8250\n",
        "date,MWh\n2026-06-01,0.0125\n2026-06-02,0.00825\n",
        "date,energy,,\n2026-06-01, 12.5 ,,\n 2026-06-02,8.25,,\n",
        "time;kWh\n2026-06-01 00:00;12,5\n2026-06-02 00:00:00;8,25",
        "time,kWh\n2026-06-01T09:00:00Z,4.5\n2026-06-01T13:00+02:00,8\n2026-06-01T23:30:00Z,8.25\n",
        "1 Jun 2026;12,5 kWh\n2-June-2026;8,25kWh",
        'Date,Energy\n"Jun 1, 2026",12500 Wh\n"June 2, 2026",8.25 kWh\n',
        "June 2026 of my roof,in kWh\nJUN. 1 2026,12.5\nJun 2 2026,0.00825 MWh\nJune total,20.75",
        "time,kWh\n6/1/2026 12:15 AM,4.5\n6/1/2026 3:00 PM,8\n6/2/2026 12:00 PM,8.25\n6/13/2026,-",
    ],
)
def test_two_days_are_read_whatever_program_wrote_them(text: str) -> None:
    assert energies(text) == days(12500, 8250)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_the_encoding_is_found_out(encoding: str) -> None:
    text = "Tag;Erzeugung über den Tag (kWh)\r\n2026-06-01;12,5\r\n2026-06-02;8,25\r\n"
    assert read(text.encode(encoding), UTC).spans == table(text).spans


@pytest.mark.parametrize(
    ("first", "second", "wh"),
    [
        ("1.234,5", "2,0", 1_234_500),
        ("1,234.5", "2.0", 1_234_500),
        ("1 234,5", "2", 1_234_500),
        ("1\u202f234,5", "2", 1_234_500),
        ("1'234.5", "2", 1_234_500),
        ("1,234,567", "2.5", 1_234_567_000),
        ("1.234.567", "2", 1_234_567_000),
        ("12,345", "0,5", 12_345),
        ("0,345", "12", 345),
        (",5", "2", 500),
        ("5.", "2", 5_000),
        ("+5", "2", 5_000),
        ("1234", "2", 1_234_000),
    ],
)
def test_the_mark_of_decimals_is_what_the_numbers_of_the_file_tell(first: str, second: str, wh: float) -> None:
    found = table(f"2026-06-01;{first}\n2026-06-02;{second}")
    assert found.spans[0].energy_wh == pytest.approx(wh)
    assert found.notes == ()


def test_a_number_that_can_be_read_in_two_ways_is_read_in_the_likelier_one_and_said() -> None:
    decimals = table("2026-06-01;12,345\n2026-06-02;13,456")
    assert decimals.spans[0].energy_wh == pytest.approx(12_345)
    assert "'12,345' is read as 12.345" in decimals.notes[0]
    thousands = table("2026-06;1,234\n2026-07;987")
    assert thousands.spans[0].energy_wh == pytest.approx(1_234_000)
    assert "'1,234' is read as 1234" in thousands.notes[0]


@pytest.mark.parametrize("nothing", ["", "-", "n/a", "unavailable", "Unknown"])
def test_dates_without_an_energy_are_left_out_and_told(nothing: str) -> None:
    found = table(f"day;kWh\n2026-06-01;{nothing}\n2026-06-02;2\n2026-06-03;{nothing}\n")
    assert [span.first.isoformat() for span in found.spans] == ["2026-06-02"]
    assert found.notes == ("2 lines have a date and no energy, the first is line 2",)
    assert table(f"2026-06-01;{nothing}\n2026-06-02;2").notes == (
        "1 line has a date and no energy, the first is line 1",
    )


def test_day_and_month_are_told_by_a_day_above_the_twelfth() -> None:
    assert energies("01/06/2026;1\n13/06/2026;2")[0][0] == "2026-06-01"
    assert energies("06/01/2026;1\n06/13/2026;2")[0][0] == "2026-06-01"
    assert energies("06-01-2026;1\n06-13-2026;2")[0][0] == "2026-06-01"
    assert energies("06/06/2026;1")[0][0] == "2026-06-06"


def test_where_no_date_tells_day_from_month_the_owner_is_asked() -> None:
    text = "day;kWh\n01/06/2026;1\n02/06/2026;2"
    assert refusal(text).startswith("line 2: '01/06/2026' can be read with the day or with the month first")
    assert [first for first, _, _ in energies(text, dates=DAY_FIRST)] == ["2026-06-01", "2026-06-02"]
    assert [first for first, _, _ in energies(text, dates=MONTH_FIRST)] == ["2026-01-06", "2026-02-06"]


# Kinds


def test_months_are_monthly_energies() -> None:
    expected = [("2026-02-01", "2026-02-28", 100_000.0), ("2026-12-01", "2026-12-31", 200_000.0)]
    for text in ("2026-12,200\n2026-02,100", "02/2026;100\n12/2026;200"):
        assert table(text).kind is Kind.MONTHLY
        assert energies(text) == expected
    assert energies("2026-02-01,100\n2026-12-31,200", Kind.MONTHLY) == expected


def test_months_may_have_their_names() -> None:
    assert energies("Month,kWh\nMay 2026,410.5\nSept 2026,120\n") == [
        ("2026-05-01", "2026-05-31", 410_500),
        ("2026-09-01", "2026-09-30", 120_000),
    ]


@pytest.mark.parametrize(
    ("text", "step_wh"),
    [
        ("2026-06-01,12.5\n2026-06-02,8.25", 10),
        ("2026-06-01,12\n2026-06-02,8", 1000),
        ("2026-06-01,12500 Wh", 1),
    ],
)
def test_what_the_last_digit_counts_is_known(text: str, step_wh: float) -> None:
    assert table(text).step_wh == pytest.approx(step_wh)


def test_months_may_be_written_as_their_first_days() -> None:
    table = read(b"2026-03-01,210.5\n2026-04-01,410\n2026-05-01,395\n", UTC)
    assert table.kind is Kind.MONTHLY
    assert [(span.first, span.last, span.energy_wh) for span in table.spans] == [
        (date(2026, 3, 1), date(2026, 3, 31), 210_500),
        (date(2026, 4, 1), date(2026, 4, 30), 410_000),
        (date(2026, 5, 1), date(2026, 5, 31), 395_000),
    ]


def test_where_first_days_of_months_may_be_of_a_counter_the_owner_is_asked() -> None:
    rising = b"2026-01-01,62\n2026-02-01,110\n2026-03-01,210\n"
    with pytest.raises(Unreadable, match=r"line 1: .*--kind monthly.*--kind lifetime"):
        read(rising, UTC)
    assert read(rising, UTC, Kind.MONTHLY).kind is Kind.MONTHLY
    counter = "".join(f"2025-{month:02d}-01,{5000 + 300 * month}\n" for month in range(1, 13))
    assert read(counter.encode(), UTC).kind is Kind.LIFETIME


def test_readings_that_never_fall_are_a_counter() -> None:
    rising = [f"2026-06-{number:02d},{1000 + number * number}" for number in range(1, 10)]
    assert table("\n".join(rising)).kind is Kind.LIFETIME
    assert energies("\n".join(rising))[0] == ("2026-06-02", "2026-06-02", 3000.0)
    # A few fine days in a row are not.
    assert table("\n".join(rising[:5])).kind is Kind.DAILY
    assert table("Date,Lifetime kWh\n" + "\n".join(rising[:2])).kind is Kind.LIFETIME
    falling = [*rising[:8], "2026-06-09,5"]
    assert table("\n".join(falling)).kind is Kind.DAILY


def test_differences_of_a_counter_reach_over_days_without_a_reading() -> None:
    text = "2026-01-31,1000\n2026-02-28,1080\n2026-06-30,1580\n"
    assert energies(text) == [("2026-02-01", "2026-02-28", 80_000.0), ("2026-03-01", "2026-06-30", 500_000.0)]


def test_a_reading_with_a_time_is_of_the_midnight_next_to_it() -> None:
    text = "2026-06-01 00:00,100\n2026-06-01 23:55,110\n2026-06-03 22:00,130\n2026-06-04 01:00,131\n"
    # 01:00 is nearer to midnight than 22:00 of the evening before.
    assert energies(text, Kind.LIFETIME) == [
        ("2026-06-01", "2026-06-01", 10_000.0),
        ("2026-06-02", "2026-06-03", 21_000.0),
    ]
    noon = table("2026-06-01 11:00,100\n2026-06-02 11:00,110", Kind.LIFETIME)
    assert "readings by daylight" in noon.notes[0]


def test_energies_of_a_day_with_times_are_added_up() -> None:
    text = "\n".join(f"2026-06-01 {hour:02d}:00;0,5" for hour in range(24)) + "\n2026-06-02 00:00;0,5"
    assert energies(text) == days(12_000, 500)


# Refusals


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line has a date and an energy"),
        ("\n\nhello", "line 3: no line has a date and an energy, the first has 'hello'"),
        ("2026-06-01\n2026-06-02", "line 1: this date has no energy"),
        ("2026-06-01,1\nTotal,3\n2026-13-02,1", "line 3: '2026-13-02' is no date"),
        ("2026-06-01,1\n31.02.2026,1", "line 2: '31.02.2026' is no date"),
        ("2026-06-01,1\n2026-06-02 24:30,1", "line 2: '2026-06-02 24:30' is no date"),
        ("2026-06-01,1\n31 Jun 2026,1", "line 2: '31 Jun 2026' is no date"),
        ("2026-06-01,1\n12 days,1", "line 2: '12 days' is no date"),
        ("1026-06-01,1", "line 1: '1026-06-01' is no date"),
        ("2026-06-01,1\n2026-06-02,much", "line 2: 'much' is no number"),
        ("2026-06-01,-1", "line 1: '-1' is less than nothing"),
        ("2026-06-01;1,5\n2026-06-02;1.5", "line 2: '1.5' has another decimal mark than '1,5' before it"),
        ("2026-06-01;1.23.4\n2026-06-02;5", "line 1: '1.23.4' is no number of this file"),
        ("2026-06-01,1,5", "line 1: 3 columns, where two are expected"),
        ("2026-06-01,1\n2026-06-01,1", "line 2: 2026-06-01 stands in an earlier line as well"),
        ("2026-06,1\n2026-06,1", "line 2: 2026-06 stands in an earlier line as well"),
        (
            "13/06/2026,1\n06/13/2026,1",
            "line 2: day and month stand in another order in '06/13/2026' than in '13/06/2026'",
        ),
        ("Time,Power(W)\n2026-06-01 12:00,500", "line 1: 'Power(W)' is power"),
        (
            b"PK\x03\x04\xa1\xb1\x1a\xe1",
            "this is a spreadsheet: open it in a spreadsheet program and save it as CSV",
        ),
        (b"PK\x03\x04", "this is a spreadsheet"),
        ("<html><table><tr><td>2026-06-01", "this is a page or a spreadsheet in another form"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line_and_what_to_do(text: str | bytes, said: str) -> None:
    assert refusal(text).startswith(said)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("2026-06-01,5\n2026-06-02,4", Kind.LIFETIME, "line 2: the counter falls from 5 to 4 kWh: if it was replaced"),
        ("2026-06-01,5", Kind.LIFETIME, "line 1: this is the only reading of the counter"),
        ("2026-06,5\n2026-07,6", Kind.LIFETIME, "line 1: 2026-06 is a month: a counter's reading needs its day"),
        ("2026-06,5\n2026-07,6", Kind.DAILY, "line 1: 2026-06 is a month, which has no energy of a day"),
    ],
)
def test_a_kind_that_does_not_fit_the_file_is_told(text: str, kind: Kind, said: str) -> None:
    assert refusal(text, kind).startswith(said)


# Any file


def written(day: date, form: str) -> str:
    return day.strftime({"iso": "%Y-%m-%d", "dots": "%d.%m.%Y", "day": "%d/%m/%Y", "month": "%m/%d/%Y"}[form])


def number(hundredths: int, decimal: str, grouped: bool) -> str:
    whole, rest = divmod(hundredths, 100)
    other = "." if decimal == "," else ","
    return f"{whole:,}".replace(",", other if grouped else "") + f"{decimal}{rest:02d}"


@given(
    st.dictionaries(st.dates(date(2012, 1, 1), date(2040, 12, 31)), st.integers(0, 10**8), min_size=1, max_size=40),
    st.sampled_from(["iso", "dots", "day", "month"]),
    st.sampled_from([".", ","]),
    st.booleans(),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["", "Date{0}kWh\n", "Daily Energy Report\n\nDatum{0}Energie (kWh)\n"]),
    st.sampled_from(["", "Total{0}12345\n", "{0}1.5\n"]),
    st.randoms(use_true_random=False),
)
def test_the_same_figures_are_the_same_in_any_order_and_way_of_writing(
    figures: dict[date, int],
    form: str,
    decimal: str,
    grouped: bool,
    separator: str,
    end: str,
    encoding: str,
    header: str,
    footer: str,
    chance: Random,
) -> None:
    lines = [f'{written(day, form)}{separator}"{number(wh, decimal, grouped)}"\n' for day, wh in figures.items()]
    chance.shuffle(lines)
    text = (header.format(separator) + "".join(lines) + footer.format(separator)).replace("\n", end)
    order = {"day": DAY_FIRST, "month": MONTH_FIRST}.get(form)
    found = read(text.encode(encoding), UTC, Kind.DAILY, order)
    assert found.kind is Kind.DAILY
    assert [(span.first, span.last) for span in found.spans] == [(day, day) for day in sorted(figures)]
    expected = [figures[day] * 10 for day in sorted(figures)]
    assert [span.energy_wh for span in found.spans] == pytest.approx(expected)


@given(
    st.lists(st.integers(0, 10**7), min_size=2, max_size=30),
    st.lists(st.integers(1, 40), min_size=30, max_size=30),
    st.randoms(use_true_random=False),
)
def test_a_counter_s_differences_add_up_to_what_it_grew_by(
    steps: list[int], gaps: Sequence[int], chance: Random
) -> None:
    day, counter, lines = date(2020, 1, 1), 0, []
    for step, gap in zip(steps, gaps, strict=False):
        day += gap * DAY
        counter += step
        lines.append(f"{day};{counter}")
    chance.shuffle(lines)
    spans = table("\n".join(lines), Kind.LIFETIME).spans
    assert sum(span.energy_wh for span in spans) == sum(steps[1:]) * 1000
    assert all(one.last + DAY == two.first for one, two in pairwise(spans))


def _read_or_refuse(data: bytes, kind: Kind | None) -> None:
    refused = ""
    try:
        spans = read(data, AMSTERDAM, kind).spans
    except Unreadable as exc:
        refused = str(exc)
        spans = ()
    assert len(refused.splitlines()) <= 11
    assert all(len(fault) < 700 for fault in refused.splitlines())
    assert bool(spans) != bool(refused)
    assert all(span.first <= span.last and span.energy_wh >= 0 for span in spans)
    assert all(one.last < two.first for one, two in pairwise(spans))


@given(st.binary(max_size=300), st.sampled_from([None, *Kind]))
@example(b"2026-06-01,1\x002", None)
@example(b'2026-06-01,"1\n2026-06-02,2', None)
@example("2026-06-01,\u0661\n".encode(), None)
@example(b"0001-01-01T00:00+14:00,1", None)
@example(b"9999-12-31 24:00,1", None)
@example(b"2026-06-01 00:00+99:99,1", None)
@example(b"2026-06-01," + b"9" * 500, None)
@example(b"2026-06-01," + b'"' * 200_000, None)
def test_any_bytes_are_read_or_refused(data: bytes, kind: Kind | None) -> None:
    _read_or_refuse(data, kind)


@given(
    st.lists(st.text("0123456789-/.,;:+TZ \t\n\"'kWhaApPmM", max_size=30), max_size=15),
    st.sampled_from([None, *Kind]),
)
def test_anything_that_looks_like_a_table_is_read_or_refused(lines: list[str], kind: Kind | None) -> None:
    _read_or_refuse("\n".join(lines).encode(), kind)


@given(
    st.lists(
        st.builds(
            "{:02d}{}{:02d}{}{:04d}{},{}".format,
            st.integers(0, 32),
            st.sampled_from("-/."),
            st.integers(0, 13),
            st.sampled_from("-/."),
            st.integers(1960, 2270),
            st.sampled_from(["", " 00:00", "T23:59:59Z", " 12:00 am +02:00", " 25:00"]),
            st.sampled_from(["1", "1.5", "1,234", '"1,5"', "", "-", "x"]),
        ),
        max_size=10,
    ),
    st.sampled_from([None, *Kind]),
)
def test_nearly_right_dates_are_read_or_refused(lines: list[str], kind: Kind | None) -> None:
    _read_or_refuse("\n".join(lines).encode(), kind)
