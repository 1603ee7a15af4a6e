"""What PVOutput is asked, what it answers, and what follows from each error."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pvoutput import PVOutput
from pvoutput.parameters import ADDOUTPUT_PARAMETERS, ADDSTATUS_PARAMETERS

from collector.outputs.pvoutput._service import (
    Answer,
    Kind,
    ServiceError,
    Status,
    System,
    confirm,
    fault,
    held_in,
    not_taken_in,
    send_outputs,
    send_statuses,
    system_in,
)

DAY = date(2026, 6, 21)


def test_a_status_is_sent_without_what_is_not_known_and_without_c1() -> None:
    some = [Status("06:05", 0, 3), Status("12:05", 1234, 567, 41.26, 231.0), Status("12:10", 1300, 567, None, 230.96)]
    request = send_statuses(DAY, some)
    assert request.page == "addbatchstatus.jsp"
    assert request.fields == {
        "data": "20260621,06:05,0,3;20260621,12:05,1234,567,,,41.3,231.0;20260621,12:10,1300,567,,,,231.0"
    }


def test_one_day_needs_no_donation_and_several_go_in_one_call() -> None:
    assert send_outputs({DAY: 12_345}).fields == {"d": "20260621", "g": "12345"}
    several = send_outputs({DAY: 12_345, date(2026, 6, 20): 0})
    assert several.fields == {"data": "20260621,12345;20260620,0"}


@pytest.mark.parametrize(
    ("text", "system"),
    [
        (
            "PVOutput Demo,2450,2199,14,175,Enertech,1,2000,CMS,N,NaN,No,20100101,-33.907725,151.026108,5;;0",
            System("PVOutput Demo", "2450", 5, False),
        ),
        (
            "Roof, south,5000,1234,20,250,X,1,5000,Y,N,30.0,No,20200101,1.0,2.0,10;;3\n",
            System("Roof, south", "5000", 10, True),
        ),
        ("R,5000,1234,20,250,X,1,5000,Y,N,30.0,No,20200101,1.0,2.0,15", System("R", "5000", 15, False)),
        ("R,5000,1234,20,250,X,1,5000,Y,N,30.0,No,20200101,1.0,2.0,7;;x", System("R", "5000", 5, False)),
    ],
)
def test_a_system_tells_its_interval_and_whether_its_owner_donates(text: str, system: System) -> None:
    assert system_in(text) == system


@pytest.mark.parametrize("text", ["", "<html><body>Sign in</body></html>", "a,b,c"])
def test_a_page_of_somebody_else_is_no_system(text: str) -> None:
    with pytest.raises(ServiceError) as caught:
        system_in(text)
    assert caught.value.kind is Kind.LATER


def test_of_a_day_energy_and_power_are_read_and_what_is_no_number_is_none() -> None:
    text = "20260621,12:05,359,0.080,731,732,0.164,92,130,NaN,NaN;20260621,12:00,NaN,NaN,NaN,NaN,NaN,92,130,NaN,NaN"
    assert held_in(text) == {"12:05": (359, 731), "12:00": (None, None)}


@pytest.mark.parametrize("text", ["", "<html><body>Sign in, please; or go</body></html>"])
def test_a_page_of_somebody_else_confirms_nothing(text: str) -> None:
    for read in (held_in, not_taken_in, confirm):
        with pytest.raises(ServiceError) as caught:
            read(text)
        assert caught.value.kind is Kind.LATER


def test_the_answer_to_a_batch_names_what_was_not_taken() -> None:
    assert not_taken_in("20260621,12:00,1;20260621,12:05,0;20260621,12:10,2\n") == {"12:05"}
    assert not_taken_in("OK 200: Added Status") == set()


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (401, "Unauthorized 401: Invalid API Key", Kind.KEY),
        (401, "Unauthorized 401: Disabled API Key", Kind.KEY),
        (403, "Forbidden 403: Read only key", Kind.KEY),
        (403, "Forbidden 403: Donation Mode", Kind.KEY),
        (403, "Forbidden 403: Exceeded 60 requests per hour", Kind.LIMIT),
        (400, "Bad request 400: Moon Powered", Kind.CONTENT),
        (400, "Bad request 400: Date is older than 14 days [20260101]", Kind.TOO_OLD),
        (400, "Bad request 400: Date is in the future [20270101]", Kind.FUTURE),
        (400, "Bad request 400: Energy value [90000] too high for system size [2450]", Kind.CONTENT),
        (400, "Bad request 400: Power value too high for system size", Kind.CONTENT),
        (400, "Bad request 400: Load in progress", Kind.LATER),
        (400, "Bad request 400: words of a later version", Kind.UNKNOWN),
        (405, "Method Not Allowed", Kind.LATER),
        (500, "", Kind.LATER),
        (503, "<html>busy</html>", Kind.LATER),
        (302, "", Kind.LATER),
    ],
)
def test_each_error_has_its_kind_and_a_remedy(code: int, text: str, kind: Kind) -> None:
    error = fault(Answer(code, text))
    assert error is not None
    assert error.kind is kind
    assert error.remedy
    assert str(code) in error.reason


def test_an_answer_that_is_long_or_has_odd_characters_is_one_line() -> None:
    error = fault(Answer(400, "a\nb\x1b[31m" + "x" * 1000))
    assert error is not None
    assert error.reason.isprintable()
    assert len(error.reason) < 250


def checked(fields: dict[str, str], parameters: Mapping[str, Any]) -> dict[str, object]:
    """What another program's description of the service makes of fields; raises for what it does not allow."""
    values = {name: (parameters[name].get("type") or int)(text) for name, text in fields.items()}
    assert PVOutput("key", 1).validate_data(values, dict(parameters))
    return values


days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
measured = st.none() | st.floats(-99, 999)
some_statuses = st.lists(
    st.builds(
        Status,
        st.times().map(lambda time: f"{time:%H:%M}"),
        st.integers(0, 10**6),
        st.integers(0, 10**5),
        measured,
        measured,
    ),
    min_size=1,
    max_size=100,
)


@given(days, some_statuses)
def test_another_programs_description_of_the_service_understands_every_status(day: date, some: list[Status]) -> None:
    request = send_statuses(day, some)
    ((name, data),) = parse_qsl(urlencode(request.fields))
    assert name == "data"
    for row, status in zip(data.split(";"), some, strict=True):
        cells = dict(zip(("d", "t", "v1", "v2", "v3", "v4", "v5", "v6"), row.split(","), strict=False))
        values = checked({key: text for key, text in cells.items() if text}, ADDSTATUS_PARAMETERS)
        assert (values["d"], values["t"]) == (f"{day:%Y%m%d}", status.time)
        assert (values["v1"], values["v2"]) == (status.energy_wh, status.power_w)
        for key, expected in (("v5", status.temperature_c), ("v6", status.voltage_v)):
            assert values.get(key) == (None if expected is None else pytest.approx(expected, abs=0.051))


@given(days, st.integers(0, 10**6))
def test_another_programs_description_of_the_service_understands_a_day(day: date, energy_wh: int) -> None:
    fields = dict(parse_qsl(urlencode(send_outputs({day: energy_wh}).fields)))
    assert checked(fields, ADDOUTPUT_PARAMETERS) == {"d": f"{day:%Y%m%d}", "g": energy_wh}
