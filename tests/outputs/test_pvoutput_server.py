"""The stand-in for PVOutput answers as the service's specification and its logs have it, and fails as it is told."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pvoutput_forms import as_java
from tests.pvoutput_server import FORM, Answer, Fault, PVOutputServer
from tests.pvoutput_service import Kept, Output, Quirks, Status, System

ROOF = System(1234, "key-of-the-owner", size_w=6000, read_only_key="only-reads")
# Of the same owner, and of another one.
GARAGE = System(1235, "key-of-the-owner", interval_min=10, zone=ZoneInfo("Australia/Brisbane"))
DONOR = System(77, "key-of-a-donor", donor=True)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
TODAY, YESTERDAY = date(2026, 6, 15), date(2026, 6, 14)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now.timestamp()


class Client:
    """Sends what it is told, as a client of `system` would."""

    def __init__(self, server: PVOutputServer) -> None:
        self.server = server
        self.http = urllib3.PoolManager(retries=False, timeout=5)

    def send(self, service: str, system: System = ROOF, /, **given: object) -> tuple[int, str]:
        answer = self.raw(service, system, **given)
        return answer.status, answer.data.decode()

    def raw(
        self, service: str, system: System = ROOF, headers: Mapping[str, str] | None = None, /, **given: object
    ) -> urllib3.BaseHTTPResponse:
        known = {"X-Pvoutput-Apikey": system.key, "X-Pvoutput-SystemId": str(system.number), "X-Rate-Limit": "1"}
        url, form = f"{self.server.url}{service}.jsp", {"Content-Type": FORM}
        return self.http.request("POST", url, body=urlencode(given), headers={**known, **form, **(headers or {})})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[PVOutputServer]:
    with PVOutputServer([ROOF, GARAGE, DONOR], clock) as server:
        yield server


@pytest.fixture
def client(server: PVOutputServer) -> Iterator[Client]:
    client = Client(server)
    with client.http:
        yield client


def test_a_status_is_kept_at_the_nearest_interval(server: PVOutputServer, client: Client) -> None:
    given = {"d": "20260615", "t": "11:57", "v1": 8100, "v2": 2400, "v5": -3.5, "v6": 231.2}
    assert client.send("addstatus", **given) == (200, "OK 200: Added Status")
    assert server.day(1234, TODAY) == {"11:55": Status(8100, 2400, None, None, -3.5, 231.2)}
    client.send("addstatus", GARAGE, d="20260615", t="21:55", v1=9000, v2=0)
    assert list(server.day(1235, TODAY)) == ["22:00"]
    assert server.outputs(1234) == {TODAY: Output(8100, 2400, "11:55")}
    assert server.breaches == {}


def test_the_last_minutes_of_a_day_become_the_next_midnight(server: PVOutputServer, client: Client) -> None:
    client.send("addstatus", d="20260614", t="23:58", v1=9000, v2=0)
    assert server.days(1234) == [TODAY]
    assert list(server.day(1234, TODAY)) == ["00:00"]


def test_a_batch_is_answered_status_by_status(server: PVOutputServer, client: Client) -> None:
    data = "20260615,10:00,100,50,,,20.1,230;20260615,10:05,110,120,,,,;20260615,10:10,130,,,"
    answer = "20260615,10:00,1;20260615,10:05,1;20260615,10:10,1"
    assert client.send("addbatchstatus", data=data) == (200, answer)
    assert [one.energy_wh for one in server.day(1234, TODAY).values()] == [100, 110, 130]
    assert server.outputs(1234) == {TODAY: Output(130, 120, "10:05")}


def test_parameters_may_stand_in_the_address_as_well(server: PVOutputServer, client: Client) -> None:
    headers = {"X-Pvoutput-Apikey": ROOF.key, "X-Pvoutput-SystemId": "1234"}
    url = f"{server.url}addbatchstatus.jsp?data=20260615,10:00,100,50;20260615,10:05,110,120;"
    assert client.http.request("GET", url, headers=headers).data == b"20260615,10:00,1;20260615,10:05,1"


@pytest.mark.parametrize("system", [ROOF, DONOR])
def test_a_batch_has_a_most(server: PVOutputServer, client: Client, system: System) -> None:
    most = 100 if system.donor else 30
    rows = [f"20260615,{8 + n // 60:02}:{n % 60:02},{n},1" for n in range(most + 1)]
    status, text = client.send("addbatchstatus", system, data=";".join(rows))
    assert (status, text) == (400, f"Bad request 400: Too many [{most + 1}], at most [{most}]")
    assert client.send("addbatchstatus", system, data=";".join(rows[:most]))[0] == 200
    assert server.breaches.total() == 1


BAD = "Bad request 400: "
REFUSED = [
    ({"d": "20260615", "t": "11:00", "v2": "9001"}, "Power value [9001] too high for system size [6000]"),
    ({"d": "20260615", "t": "11:00", "v1": "72001"}, "Energy value [72001] too high for system size [6000]"),
    ({"d": "20260615", "t": "07:00", "v1": "15001"}, "Energy value [15001] too high for [07:00]"),
    ({"d": "20260615", "t": "03:59", "v1": "0", "v2": "1"}, "Moon Powered"),
    ({"d": "20260616", "t": "00:00", "v1": "1"}, "Date is in the future [20260616]"),
    ({"d": "20260615", "t": "12:06", "v1": "1"}, "Date is in the future [20260615]"),
    ({"d": "20260531", "t": "12:00", "v1": "1"}, "Date is older than 14 days [20260531]"),
]
UNREADABLE = [
    ({"d": "2026-06-15", "t": "11:00", "v1": "1"}, "Invalid Date [2026-06-15]"),
    ({"d": "20260631", "t": "11:00", "v1": "1"}, "Invalid Date [20260631]"),
    ({"d": "20260615", "t": "24:00", "v1": "1"}, "Invalid Time [24:00]"),
    ({"d": "20260615", "t": "11:00"}, "Missing energy and power values"),
    ({"d": "20260615", "t": "11:00", "v1": "1.5"}, "Could not read [v1]"),
    ({"d": "20260615", "t": "11:00", "v1": "1", "v5": "warm"}, "Could not read [v5]"),
    ({"d": "20260615", "t": "11:00", "v2": "-399"}, "Invalid power value [-399]"),
    ({"d": "20260615", "t": "11:00", "v1": "1", "c1": "1", "n": "1"}, "Invalid net and cumulative"),
]


@pytest.mark.parametrize(("status", "text"), [*REFUSED, *UNREADABLE])
def test_a_bad_status_is_refused_with_its_reason(
    server: PVOutputServer, client: Client, status: Mapping[str, str], text: str
) -> None:
    assert client.send("addstatus", **status) == (400, BAD + text)
    assert server.days(1234) == []
    assert server.breaches.total() == ((status, text) in UNREADABLE)


@pytest.mark.parametrize(
    ("system", "day"), [(ROOF, date(2026, 6, 1)), (DONOR, date(2026, 3, 17)), (GARAGE, date(2026, 6, 16))]
)
def test_the_oldest_and_the_newest_day_are_taken(
    clock: Clock, server: PVOutputServer, client: Client, system: System, day: date
) -> None:
    if system is GARAGE:  # where it is tomorrow
        clock.now = datetime(2026, 6, 15, 19, tzinfo=UTC)
    assert client.send("addstatus", system, d=f"{day:%Y%m%d}", t="05:00", v1=1)[0] == 200
    assert server.days(system.number) == [day]


@pytest.mark.parametrize(
    ("kept", "answer", "held"),
    [
        (Kept.NOTHING, (400, BAD + "Moon Powered"), []),
        (Kept.THOSE_BEFORE, (400, BAD + "Moon Powered"), ["21:00"]),
        (Kept.THE_OTHERS, (200, "20260614,21:00,1;20260614,23:00,0;20260614,21:05,1"), ["21:00", "21:05"]),
    ],
)
def test_a_bad_status_in_a_batch_spoils_what_the_quirk_says(
    clock: Clock, kept: Kept, answer: tuple[int, str], held: list[str]
) -> None:
    with PVOutputServer([ROOF], clock, Quirks(kept)) as server:
        client = Client(server)
        data = "20260614,21:00,500,10;20260614,23:00,500,10;20260614,21:05,510,10"
        assert client.send("addbatchstatus", data=data) == answer
        assert list(server.day(1234, YESTERDAY)) == held
        # All bad: the reason of the first, whatever the quirk.
        assert client.send("addbatchstatus", data="20260614,23:00,9,9;20260614,23:05,9,9") == (
            400,
            BAD + "Moon Powered",
        )
        client.http.clear()


def test_a_batch_that_changes_nothing_is_refused(server: PVOutputServer, client: Client) -> None:
    data = "20260615,10:00,100,50;20260615,10:05,110,120"
    client.send("addbatchstatus", data=data)
    assert client.send("addbatchstatus", data=data) == (400, BAD + "No statuses added or updated")
    assert client.send("addbatchstatus", data=data + ";20260615,10:00,90,40") == (
        200,
        "20260615,10:00,0;20260615,10:05,0;20260615,10:00,1",
    )
    assert server.day(1234, TODAY)["10:00"].energy_wh == 90


@pytest.mark.parametrize(
    ("quirks", "again", "held"),
    [
        (Quirks(keeps_old=True), "20260615,10:00,0;20260615,10:10,1", 100),
        (Quirks(same_counts=True), "20260615,10:00,1;20260615,10:10,1", 90),
        (Quirks(keeps_old=True, same_counts=True), "20260615,10:00,1;20260615,10:10,1", 100),
    ],
)
def test_a_time_that_is_held_changes_as_the_quirk_says(clock: Clock, quirks: Quirks, again: str, held: int) -> None:
    with PVOutputServer([ROOF], clock, quirks) as server:
        client = Client(server)
        client.send("addbatchstatus", data="20260615,10:00,100,50")
        assert client.send("addbatchstatus", data="20260615,10:00,90,50;20260615,10:10,120,50") == (200, again)
        assert server.day(1234, TODAY)["10:00"].energy_wh == held
        client.http.clear()


def test_other_quirks(clock: Clock) -> None:
    with PVOutputServer([ROOF], clock, Quirks(zero_is_moon_powered=True, must_rise=True)) as server:
        client = Client(server)
        assert client.send("addstatus", d="20260615", t="01:00", v1=0, v2=0) == (400, BAD + "Moon Powered")
        client.send("addbatchstatus", data="20260615,10:00,100,50")
        text = "Energy value [99] lower than previously recorded value: [100]"
        assert client.send("addbatchstatus", data="20260615,10:05,99,50") == (400, BAD + text)
        assert client.send("addbatchstatus", data="20260615,09:55,99,50") == (200, "20260615,09:55,1")
        client.http.clear()
    with PVOutputServer([ROOF], clock, Quirks(false_success=True, says_number=True)) as server:
        client = Client(server)
        assert client.send("addstatus", d="19990101", t="00:00", v1=1) == (200, "OK 200: Added Status")
        assert client.send("addoutput", d="19990101", g=1) == (200, "OK 200: Added Output")
        assert (server.days(1234), server.outputs(1234)) == ([], {})
        server.use_up(1234)
        assert client.send("getsystem") == (403, "Forbidden 403: Exceeded number requests per hour")
        client.http.clear()


@pytest.mark.parametrize(("last_sent", "energy"), [(False, 900), (True, 300)])
def test_a_batch_writes_the_output_of_its_last_day_alone(clock: Clock, last_sent: bool, energy: int) -> None:
    with PVOutputServer([ROOF], clock, Quirks(output_is_last_sent=last_sent)) as server:
        client = Client(server)
        data = "20260615,10:00,100,50;20260614,20:00,900,60;20260614,10:00,300,70"
        client.send("addbatchstatus", data=data)
        assert server.outputs(1234) == {YESTERDAY: Output(energy, 70, "10:00")}
        client.http.clear()


def test_a_lifetime_counts_from_the_first_of_the_day(server: PVOutputServer, client: Client) -> None:
    client.send(
        "addbatchstatus", c1=1, data="20260614,20:00,999000,0;20260615,05:50,1000010,4;20260615,06:40,1000020,9"
    )
    assert [one.energy_wh for one in server.day(1234, TODAY).values()] == [0, 10]
    assert server.outputs(1234)[TODAY].energy_wh == 10


def test_outputs_are_written_day_by_day(server: PVOutputServer, client: Client) -> None:
    given = {"d": "20190301", "g": "21000", "pp": "4100", "pt": "12:35"}
    assert client.send("addoutput", **given) == (200, "OK 200: Added Output")
    client.send("addoutput", d="20190301", g="22000")
    assert server.outputs(1234) == {date(2019, 3, 1): Output(22000, 4100, "12:35")}
    line = "20190301,22000,3.667,0,0,4100,12:35,Not Sure,NaN,NaN,NaN,NaN,NaN,NaN"
    assert client.send("getoutput", df="20190301", dt="20190301") == (200, line)
    assert client.send("getoutput", df="20190302") == (400, BAD + "No outputs found")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"d": "1", "g": "1"}, "Date [1] invalid"),
        ({"d": "19991231", "g": "1"}, "Date [19991231] too old"),
        ({"d": "20260616", "g": "1"}, "Date [20260616] too new"),
        ({"d": "20250922", "g": "10000000000"}, "Generation [1.0E10] too high for system size [6000] on 20250922"),
        ({"d": "20250922", "g": "1", "pp": "9001"}, "Peak power [9001] too high for system size [6000] on 20250922"),
        ({"d": "20211001", "g": "1", "pt": "2728"}, "Peak time [2728] invalid on 20211001"),
        ({"d": "20211001", "pp": "1"}, "Missing required generation field [g]"),
        ({"data": "20211001,1;20211002,1"}, "Too many [2], at most [1]"),
    ],
)
def test_a_bad_output_is_refused_with_its_reason(client: Client, given: Mapping[str, str], text: str) -> None:
    assert client.send("addoutput", **given) == (400, BAD + text)


def test_a_donor_writes_a_hundred_outputs_at_once(server: PVOutputServer, client: Client) -> None:
    days = [TODAY - timedelta(n) for n in range(100)]
    data = ";".join(f"{day:%Y%m%d},1000,,900,12:00" for day in days)
    assert client.send("addoutput", DONOR, data=data)[0] == 200
    assert list(server.outputs(77)) == sorted(days)


@pytest.mark.parametrize("service", ["addstatus", "addbatchstatus"])
def test_extended_values_are_for_donors(server: PVOutputServer, client: Client, service: str) -> None:
    given = {"d": "20260615", "t": "10:00", "v1": "1", "v7": "3"}
    if service == "addbatchstatus":
        given = {"data": "20260615,10:00,1,,,,,,3"}
    assert client.send(service, **given) == (403, "Forbidden 403: Donation Mode")
    assert client.send(service, DONOR, **given)[0] == 200
    assert server.breaches == {"Forbidden 403: Donation Mode": 1}


def test_what_is_held_can_be_read(client: Client) -> None:
    assert client.send("getstatus") == (400, BAD + "No status found")
    client.send("addbatchstatus", data="20260615,10:00,100,60,,,21,230.5;20260615,10:05,105,0")
    last, first = "20260615,10:05,105,0,NaN,NaN,NaN,NaN,NaN", "20260615,10:00,100,60,NaN,NaN,0.010,21.0,230.5"
    assert client.send("getstatus") == (200, last)
    assert client.send("getstatus", d="20260615", t="10:00") == (200, first)
    assert client.send("getstatus", d="20260614") == (400, BAD + "No status found")
    history = [
        "20260615,10:05,105,0.018,0,60,0.000,NaN,NaN,NaN,NaN",
        "20260615,10:00,100,0.017,60,60,0.010,NaN,NaN,21.0,230.5",
    ]
    assert client.send("getstatus", h=1, d="20260615") == (200, ";".join(history))
    assert client.send("getstatus", h=1, d="20260615", asc=1, limit=1) == (200, history[1])
    assert client.send("getstatus", h=1, d="20260615", **{"from": "10:01", "to": "10:09"}) == (200, history[0])


def test_a_status_of_today_can_be_deleted(server: PVOutputServer, client: Client) -> None:
    client.send("addbatchstatus", data="20260614,10:00,1;20260615,10:00,1;20260615,10:05,2")
    assert client.send("deletestatus", d="20260615", t="10:05") == (200, "OK 200: Deleted Status")
    assert client.send("deletestatus", d="20260615", t="10:05") == (400, BAD + "Status not found")
    assert client.send("deletestatus", d="20260614")[0] == 200
    assert client.send("deletestatus", d="20260613") == (400, BAD + "Date [20260613] too old")
    assert (server.days(1234), list(server.day(1234, TODAY))) == ([TODAY], ["10:00"])


def test_a_system_tells_its_interval_and_its_donations(server: PVOutputServer, client: Client) -> None:
    plain = "Roof,6000,1000,15,400,Panel,1,6000,Inverter,S,30.0,No,20200101,52.0,5.0,5;"
    assert client.send("getsystem") == (200, plain)
    assert client.send("getsystem", donations=1) == (200, plain + ";0")
    assert client.send("getsystem", DONOR, donations=1)[1].endswith(",5;;1")
    server.set_up(replace(ROOF, interval_min=15))
    assert client.send("getsystem")[1].endswith(",15;")


@pytest.mark.parametrize(
    ("system", "answer"),
    [
        (replace(ROOF, number=9), (401, "Unauthorized 401: Invalid System ID")),
        (replace(ROOF, key="wrong"), (401, "Unauthorized 401: Invalid API Key")),
        (replace(ROOF, key=""), (401, "Unauthorized 401: Invalid API Key")),
        (
            replace(ROOF, key=DONOR.key),
            (401, "Unauthorized 401: Missing, invalid or inactive api key information (X-Pvoutput-Apikey)"),
        ),
        (replace(ROOF, key=ROOF.read_only_key), (403, "Forbidden 403: Read only key")),
    ],
)
def test_who_is_unknown_is_refused(
    server: PVOutputServer, client: Client, system: System, answer: tuple[int, str]
) -> None:
    assert client.send("addstatus", system, d="20260615", t="10:00", v1=1) == answer
    assert server.breaches == {}


def test_a_key_may_be_switched_off_and_one_only_reads(server: PVOutputServer, client: Client) -> None:
    assert client.send("getsystem", replace(ROOF, key=ROOF.read_only_key))[0] == 200
    server.set_up(replace(ROOF, enabled=False))
    assert client.send("getsystem") == (401, "Unauthorized 401: Disabled API Key")


def _rate(answer: urllib3.BaseHTTPResponse) -> list[str | None]:
    return [answer.headers.get(f"X-Rate-Limit-{name}") for name in ("Remaining", "Limit", "Reset")]


@pytest.mark.parametrize("system", [ROOF, DONOR])
def test_an_hour_has_so_many_requests(clock: Clock, server: PVOutputServer, client: Client, system: System) -> None:
    clock.now = NOON + timedelta(minutes=20)
    limit, reset = (300 if system.donor else 60), str(int(NOON.timestamp()) + 3600)
    for used in range(1, limit + 1):
        assert _rate(client.raw("getsystem", system)) == [str(limit - used), str(limit), reset]
    assert server.breaches == {}
    refused = client.raw("getsystem", system)
    assert (refused.status, refused.data.decode()) == (403, f"Forbidden 403: Exceeded {limit} requests per hour")
    assert _rate(refused) == ["0", str(limit), reset]
    assert server.breaches == {"a request though none remained": 1}
    clock.now = NOON + timedelta(hours=1)
    assert client.raw("getsystem", system).headers["X-Rate-Limit-Remaining"] == str(limit - 1)


def test_systems_of_one_key_share_its_hour(server: PVOutputServer, client: Client) -> None:
    client.send("getsystem", GARAGE)
    assert client.raw("getsystem").headers["X-Rate-Limit-Remaining"] == "58"
    server.use_up(1234)
    assert client.send("getsystem", GARAGE)[0] == 403
    assert server.breaches == {}
    assert client.send("getsystem", DONOR)[0] == 200


def test_only_who_asks_is_told_what_remains(client: Client) -> None:
    assert _rate(client.raw("getsystem", ROOF, {"X-Rate-Limit": ""})) == [None, None, None]


def test_what_the_specification_does_not_have_is_counted(server: PVOutputServer, client: Client) -> None:
    client.send("getsystem", colour="blue")
    client.send("addextra")
    headers = {"X-Pvoutput-Apikey": ROOF.key, "X-Pvoutput-SystemId": "1234"}
    assert client.http.request("PUT", f"{server.url}getsystem.jsp", headers=headers).status == 405
    # Without its type, a form is none.
    body = b"d=20260615&t=10:00&v1=1"
    assert client.http.request("POST", f"{server.url}addstatus.jsp", body=body, headers=headers).status == 400
    assert server.breaches == {
        "getsystem.jsp has no parameter colour": 1,
        "Not Found 404: /service/r2/addextra.jsp": 1,
        "Method Not Allowed 405: POST or GET only": 1,
        "Bad request 400: Invalid Date []": 1,
    }


@pytest.mark.parametrize(
    ("fault", "is_taken"),
    [(Fault.HANG_UP, False), (Fault.LOST, True), (Fault.CUT, True), (Fault.HANG, False)],
)
def test_a_fault_leaves_the_client_without_an_answer(
    server: PVOutputServer, client: Client, fault: Fault, is_taken: bool
) -> None:
    server.faults.append(fault)
    client.http = urllib3.PoolManager(retries=False, timeout=0.2)
    expected = urllib3.exceptions.TimeoutError if fault is Fault.HANG else urllib3.exceptions.ProtocolError
    with pytest.raises(expected):
        client.send("addbatchstatus", data="20260615,10:00,100,50")
    assert bool(server.days(1234)) == is_taken
    assert client.send("getsystem")[0] == 200
    assert [request.service for request in server.requests] == ["addbatchstatus.jsp", "getsystem.jsp"]


@pytest.mark.parametrize(
    ("fault", "status", "text", "is_taken"),
    [
        (Fault.ERROR, 500, "HTTP Status 500", False),
        (Fault.LOADING, 400, BAD + "Load in progress", False),
        (Fault.SLOW, 200, "20260615,10:00,1", True),
        (Answer(200, "<html>Please sign in"), 200, "<html>Please sign in", False),
    ],
)
def test_a_fault_lasts_as_long_as_it_is_set(
    server: PVOutputServer, client: Client, fault: Fault | Answer, status: int, text: str, is_taken: bool
) -> None:
    server.fault, server.slow_s = fault, 0.01
    server.faults.append(None)
    assert client.send("getsystem")[0] == 200
    answer = client.send("addbatchstatus", data="20260615,10:00,100,50")
    assert (answer[0], text in answer[1], bool(server.days(1234))) == (status, True, is_taken)
    server.fault = None
    assert client.send("getsystem")[0] == 200


def test_connections_are_refused_until_it_listens_again(server: PVOutputServer, client: Client) -> None:
    assert client.send("getsystem")[0] == 200
    server.refuse()
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.send("getsystem")
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        client.send("getsystem")
    server.listen()
    assert client.send("getsystem")[0] == 200


def test_a_client_that_leaves_in_the_middle_does_no_harm(server: PVOutputServer, client: Client) -> None:
    port = int(server.url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /service/r2/addstatus.jsp HTTP/1.1\r\nContent-Length: 99\r\n\r\nd=2026")
    assert client.send("getsystem")[0] == 200


FAULTS = st.lists(st.sampled_from([None, Fault.HANG_UP, Fault.LOST, Fault.CUT, Fault.ERROR, Fault.LOADING]), max_size=6)


@given(faults=FAULTS)
@settings(max_examples=25)
def test_who_repeats_until_it_is_held_loses_nothing(faults: list[Fault | None]) -> None:
    with PVOutputServer([DONOR], Clock()) as server:
        client = Client(server)
        server.faults.extend(faults)
        for minute in range(0, 15, 5):
            while f"10:{minute:02}" not in server.day(77, TODAY):
                with suppress(urllib3.exceptions.HTTPError):
                    client.send("addbatchstatus", DONOR, data=f"20260615,10:{minute:02},{minute},0")
        assert [one.energy_wh for one in server.day(77, TODAY).values()] == [0, 5, 10]
        assert server.breaches == {}
        client.http.clear()


@pytest.mark.parametrize(("number", "text"), [(75000, "75000.0"), (10**10, "1.0E10"), (123456789, "1.23456789E8")])
def test_numbers_of_outputs_are_those_of_java(number: int, text: str) -> None:
    assert as_java(number) == text
