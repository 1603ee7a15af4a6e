"""The reader of queries finds what is wrong in them, and nothing that is right."""

import pytest

from tests.boards.flux import calls, sources, strangers, without_comments

_RIGHT = """import "join"

// from(bucket: "solar") |> filter(fn: (r) => r._measurement == "nothing")
day = (field) => from(bucket: "solar_daily")
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "channel_day" and r._field == field)
  |> filter(fn: (r) => r.panel =~ /^${panel:regex}$/ and r["array"] != "(")

raw = from(bucket: "solar")
  |> range(start: -1d)
  |> filter(fn: (r) => (r._measurement == "inverter" and (r._field == "ac_power_w" or r._field == "dc_power_w")))
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> map(fn: (r) => ({share: r.ac_power_w / r.dc_power_w, url: "http://example.com/"}))
"""


def test_what_is_there_is_not_reported() -> None:
    assert strangers(_RIGHT) == []
    daily, raw = sources(_RIGHT)
    assert (daily.bucket, set(daily.measurements), len(daily.fields)) == ("solar_daily", {"channel_day"}, 0)
    assert (raw.bucket, set(raw.fields)) == ("solar", {"ac_power_w", "dc_power_w"})


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('"channel_day"', '"chanel_day"', ["there is no measurement chanel_day"]),
        ('"dc_power_w"', '"power_w"', ["inverter has no field power_w"]),
        ("r.panel", "r.ecu_name", ["channel_day has no tag ecu_name"]),
        ('"solar_daily"', '"solar"', ["channel_day is not in the bucket solar"]),
    ],
)
def test_what_is_not_there_is_named(right: str, wrong: str, said: list[str]) -> None:
    assert strangers(_RIGHT.replace(right, wrong)) == said


def test_comments_end_with_their_line_and_are_none_within_quotes() -> None:
    assert without_comments('a // b\nc = "d // e" // f') == 'a \nc = "d // e" '


def test_the_arguments_of_a_call_go_to_its_own_bracket() -> None:
    query = 'a |> window(every: 1d) |> aggregateWindow(every: f(x: ")"), fn: (r) => (1)) |> sum()'
    assert calls(query, "aggregateWindow") == ['every: f(x: ")"), fn: (r) => (1)']
    assert calls(query, "window") == ["every: 1d"]
