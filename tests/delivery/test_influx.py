"""The sink against a fake for each single fault, and against a real InfluxDB for what only that can prove."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest

from collector.clock.days import BEGINNING, END
from collector.clock.stamps import to_ns
from collector.delivery.influx import ROLLUP_SHARD_GROUP_S, SHARD_GROUP_S, InfluxSink
from collector.delivery.influx_answers import told_retention
from collector.errors import FOREIGN_POINTS, Rejection, SinkRejected, SinkUnavailable
from tests.conftest import Influx
from tests.fake_influx import Answer, FakeInflux, error, json_answer, page
from tests.influxdb_server import Api, InfluxServer

TOKEN = "a-token-that-nobody-may-see"
LINE = b"m f=1 1700000000000000000"
THEN = datetime(2023, 11, 14, tzinfo=UTC)

CALLS: dict[str, Callable[[InfluxSink], object]] = {
    "connect": lambda sink: sink.connect(),
    "write": lambda sink: sink.write(LINE),
    "delete": lambda sink: sink.delete(THEN, THEN + timedelta(days=1), ""),
    "query": lambda sink: sink.query("buckets()"),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())

UNAVAILABLE = {
    "200": Answer(200),
    "202": Answer(202),
    "a sign-in page": page(200),
    "a redirection": Answer(302, headers={"Location": "/login"}),
    "304": Answer(304),
    "400 not of InfluxDB": page(400, "Client sent an HTTP request to an HTTPS server."),
    "400 in other JSON": json_answer(400, ["no", "code"]),
    "401": error(401, "unauthorized access"),
    "403": error(403, "insufficient permissions for write"),
    "404": error(404, 'bucket "solar" not found'),
    "404 of something else": page(404),
    "405": error(405, "no"),
    "422 not of InfluxDB": page(422),
    "429": error(429, "slow down"),
    "500": error(500, "internal error"),
    "500 without a word": Answer(500),
    "503": error(503, "starting"),
    "503 in Latin-1": page(503, "d\xe9sol\xe9"),
    "what does not unpack": Answer(503, b"busy", {"Content-Encoding": "gzip"}),
    "an error without a text": json_answer(500, {"code": "x", "message": None}),
    "a hang": Answer(hang=True),
    "a hang-up": Answer(hang_up=True),
}
REJECTED = {
    "400": error(400, "unable to parse"),
    "413": error(413, "too large"),
    "413 of a proxy": page(413),
    "422": error(422, "field type conflict"),
}


@contextmanager
def sink_to(url: str, *, timeout_s: float = 5.0) -> Iterator[InfluxSink]:
    sink = InfluxSink(url, "home", TOKEN, "solar", "solar_daily", timeout_s)
    try:
        yield sink
    finally:
        sink.close()


@contextmanager
def real_sink(influx: Influx, *, token: str | None = None, org: str | None = None) -> Iterator[InfluxSink]:
    sink = InfluxSink(influx.url, org or influx.org, token or influx.token, influx.bucket, influx.rollup_bucket)
    try:
        yield sink
    finally:
        sink.close()


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    with FakeInflux() as server:
        yield server


# Outcomes


@every_call
@pytest.mark.parametrize("answer", UNAVAILABLE.values(), ids=UNAVAILABLE.keys())
def test_what_the_world_or_the_owner_must_mend_is_unavailable(
    fake: FakeInflux, answer: Answer, call: Callable[[InfluxSink], object]
) -> None:
    fake.answer = answer
    with sink_to(fake.url, timeout_s=0.1 if answer.hang else 5.0) as sink, pytest.raises(SinkUnavailable):
        call(sink)


@pytest.mark.parametrize("call", [CALLS["write"], CALLS["delete"], CALLS["query"]], ids=["write", "delete", "query"])
@pytest.mark.parametrize("answer", REJECTED.values(), ids=REJECTED.keys())
def test_what_was_sent_can_be_rejected(fake: FakeInflux, answer: Answer, call: Callable[[InfluxSink], object]) -> None:
    fake.answer = answer
    with sink_to(fake.url) as sink, pytest.raises(SinkRejected):
        call(sink)


@pytest.mark.parametrize("answer", REJECTED.values(), ids=REJECTED.keys())
def test_connecting_sends_no_record_and_so_rejects_none(fake: FakeInflux, answer: Answer) -> None:
    fake.answer = answer
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable):
        sink.connect()


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    with sink_to("http://influxdb.invalid:8086") as sink, pytest.raises(SinkUnavailable, match="can't be resolved"):
        sink.write(LINE)


@every_call
def test_a_closed_port_is_unavailable(call: Callable[[InfluxSink], object]) -> None:
    with FakeInflux() as gone:
        url = gone.url
    with sink_to(url) as sink, pytest.raises(SinkUnavailable, match="refused"):
        call(sink)


@every_call
def test_https_to_a_server_without_it_is_unavailable(fake: FakeInflux, call: Callable[[InfluxSink], object]) -> None:
    with sink_to(fake.url.replace("http:", "https:")) as sink, pytest.raises(SinkUnavailable, match="encrypted"):
        call(sink)


def test_a_write_is_one_request_with_the_lines_as_given(fake: FakeInflux) -> None:
    with sink_to(fake.url) as sink:
        sink.write(LINE)
        sink.write(LINE, bucket="other")
    first, second = fake.requests
    assert (first.method, first.path, first.token, first.body) == ("POST", "/api/v2/write", TOKEN, LINE)
    assert first.query == {"org": "home", "bucket": "solar", "precision": "ns"}
    assert second.query["bucket"] == "other"


def test_nothing_to_write_is_no_request(fake: FakeInflux) -> None:
    with sink_to(fake.url) as sink:
        sink.write(b"")
    assert fake.requests == []


def test_a_table_that_breaks_off_is_unavailable(fake: FakeInflux) -> None:
    fake.answer = Answer(200, b"#datatype,string,long\r\n,x\r\n", {"Content-Type": "text/csv; charset=utf-8"})
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable, match="broken table"):
        sink.query("buckets()")


def test_an_error_inside_the_table_of_a_query_is_unavailable(fake: FakeInflux) -> None:
    fake.answer = Answer(200, b",error,reference\r\n,memory limit reached,897\r\n", {"Content-Type": "text/csv"})
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable, match="memory limit reached"):
        sink.query("buckets()")


def test_close_ends_the_connection_even_while_an_outcome_of_it_is_held(fake: FakeInflux) -> None:
    fake.answer = error(503, "busy")
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable) as held:
        sink.write(LINE)
    assert fake.disconnected.wait(10), held


# Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("99999999999", 3600.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("\xb2", None),
        ("", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_reason(fake: FakeInflux, header: str, seconds: float | None) -> None:
    fake.answer = error(503, "busy", {"Retry-After": header})
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable) as caught:
        sink.write(LINE)
    assert caught.value.retry_after == seconds


def test_retry_after_a_date_is_the_time_until_then(fake: FakeInflux) -> None:
    fake.answer = error(429, "busy", {"Retry-After": formatdate(time.time() + 600, usegmt=True)})
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable) as caught:
        sink.write(LINE)
    assert caught.value.retry_after == pytest.approx(600, abs=30)


# What the owner reads


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(86_400, "1 day"), (30 * 86_400, "30 days"), (3600, "1 hour"), (36 * 3600, "36 hours"), (5400, "1.5 hours")],
)
def test_a_retention_is_told_as_owners_set_it(seconds: int, told: str) -> None:
    assert told_retention(seconds) == told


@every_call
def test_no_text_holds_the_token(fake: FakeInflux, call: Callable[[InfluxSink], object]) -> None:
    fake.answer = error(401, f"what is {TOKEN}?")
    with sink_to(fake.url) as sink:
        with pytest.raises(SinkUnavailable) as caught:
            call(sink)
        assert TOKEN not in f"{caught.value!r} {caught.value} {sink!r}"
    assert "what is [token]?" in caught.value.reason
    assert caught.value.__cause__ is None


def test_a_long_text_of_the_server_is_cut_to_one_line(fake: FakeInflux) -> None:
    fake.answer = error(400, "unable to parse '" + "x" * 70_000 + "'\n\x1b[31m")
    with sink_to(fake.url) as sink, pytest.raises(SinkRejected) as caught:
        sink.write(LINE)
    assert len(caught.value.reason) < 400
    assert caught.value.reason.isprintable()


@pytest.mark.parametrize(
    ("answer", "health", "told"),
    [
        (Answer(), page(200), "sign-in page"),
        (Answer(), page(404), r"HTTP 404, as InfluxDB 2 never does; check influxdb\.url"),
        (Answer(), json_answer(200, {"status": "ok"}), "as InfluxDB 2 never does"),
        (Answer(), json_answer(200, {"name": "influxdb", "status": "fail", "message": "disk gone"}), "disk gone"),
        (Answer(), error(503, "starting"), "HTTP 503: starting"),
        (error(401, "unauthorized access"), None, "check influxdb.token"),
        (error(403, "insufficient permissions for write"), None, "read and write both buckets"),
    ],
)
def test_connect_says_what_to_do(fake: FakeInflux, answer: Answer, health: Answer | None, told: str) -> None:
    fake.answer = answer
    if health is not None:
        fake.answers["/health"] = health
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable, match=told):
        sink.connect()
    assert fake.writes == []


def test_a_bucket_that_someone_else_created_meanwhile_is_no_fault(fake: FakeInflux) -> None:
    fake.answer = error(404, 'bucket "solar" not found')
    fake.answers["/api/v2/orgs"] = json_answer(200, {"orgs": [{"id": "0123456789abcdef", "name": "home"}]})
    fake.answers["/api/v2/buckets"] = error(422, "bucket with name solar already exists", code="conflict")
    with sink_to(fake.url) as sink:
        sink.connect()
    assert [request.path for request in fake.requests].count("/api/v2/buckets") == 2


def test_a_token_that_sees_the_organisation_but_may_create_nothing_is_told(fake: FakeInflux) -> None:
    fake.answer = error(404, 'bucket "solar" not found')
    fake.answers["/api/v2/orgs"] = json_answer(200, {"orgs": [{"id": "0123456789abcdef", "name": "home"}]})
    fake.answers["/api/v2/buckets"] = error(401, "write:orgs/0123456789abcdef/buckets is unauthorized")
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable, match="create the bucket 'solar' in"):
        sink.connect()


def test_a_server_that_fails_while_a_bucket_is_created_is_unavailable(fake: FakeInflux) -> None:
    fake.answer = error(404, 'bucket "solar" not found')
    fake.answers["/api/v2/orgs"] = json_answer(200, {"orgs": [{"id": "0123456789abcdef", "name": "home"}]})
    fake.answers["/api/v2/buckets"] = error(500, "disk full")
    with sink_to(fake.url) as sink, pytest.raises(SinkUnavailable, match="disk full"):
        sink.connect()


# The real InfluxDB


def rows(influx: Influx, bucket: str) -> list[tuple[str, str]]:
    found = influx.query(
        f'from(bucket: "{bucket}") |> range(start: 0) |> group() |> sort(columns: ["_time", "_value"])'
    )
    return [(row["_time"], row["_value"]) for row in found]


def shard_group_s(api: Api, bucket: str) -> tuple[int, int]:
    found = api.bucket(bucket)
    assert found is not None
    (rule,) = found["retentionRules"]
    return rule["everySeconds"], rule["shardGroupDurationSeconds"]


def test_missing_buckets_are_created_for_decades(influx: Influx) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        sink.connect()
    assert shard_group_s(influx.api, influx.bucket) == (0, 12 * 7 * 86400) == (0, SHARD_GROUP_S)
    assert shard_group_s(influx.api, influx.rollup_bucket) == (0, 52 * 7 * 86400) == (0, ROLLUP_SHARD_GROUP_S)


def test_a_bucket_that_exists_is_left_as_it_is(influx: Influx) -> None:
    influx.api.create_bucket(influx.bucket)
    with real_sink(influx) as sink:
        sink.connect()
    assert shard_group_s(influx.api, influx.bucket) == (0, 7 * 86400)
    assert rows(influx, influx.bucket) == []


def test_what_is_written_is_there_once_however_often_it_is_sent(influx: Influx) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        for _ in range(3):
            sink.write(b"m,t=x f=1.5 1700000000000000000\nm,t=x f=2.5 1700000000000000001")
        sink.write(b"m f=9 1700000000000000000", bucket=influx.rollup_bucket)
    assert rows(influx, influx.bucket) == [
        ("2023-11-14T22:13:20Z", "1.5"),
        ("2023-11-14T22:13:20.000000001Z", "2.5"),
    ]
    assert rows(influx, influx.rollup_bucket) == [("2023-11-14T22:13:20Z", "9")]


def test_a_query_gives_typed_rows_of_all_tables(influx: Influx) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        sink.write(b'm,t=x f=1.5,i=3i,s="a,\xc3\xa9\\"b\\"",b=true 1700000000000000000')
        found = sink.query(f'from(bucket: "{influx.bucket}") |> range(start: 0)')
        assert sink.query(f'from(bucket: "{influx.bucket}") |> range(start: -1m)') == []
    assert {row["_field"]: row["_value"] for row in found} == {"f": 1.5, "i": 3, "s": 'a,\xe9"b"', "b": True}
    assert {row["_time"] for row in found} == {datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}
    assert {row["t"] for row in found} == {"x"}


def test_the_measurements_of_a_gateway_are_those_with_points_of_it_in_the_time_asked_for(influx: Influx) -> None:
    end = datetime(2023, 11, 15, 12, 0, 0, 500, tzinfo=UTC)
    at_end = to_ns(end)
    with real_sink(influx) as sink:
        sink.connect()
        assert sink.measurements("1", BEGINNING, END) == set()
        sink.write(
            f'first,ecu=1 f=1,i=2i,s="text" {to_ns(THEN)}\n'
            f"last,ecu=1,t=x f=1 {at_end - 1000}\n"
            f"last,ecu=1,t=y f=1 {at_end}\n"
            f"before,ecu=1 f=1 {to_ns(THEN) - 1}\n"
            f"after,ecu=1 f=1 {at_end}\n"
            f"other,ecu=2 f=1 {to_ns(THEN)}".encode()
        )
        assert sink.measurements("1", THEN, end) == {"first", "last"}
        assert sink.measurements("1", BEGINNING, END) == {"first", "last", "before", "after"}
        sink.delete(THEN, end - timedelta(microseconds=1), 'ecu="1" AND _measurement="last"')
        assert sink.measurements("1", THEN, end) == {"first"}
        sink.delete(THEN, end - timedelta(microseconds=1), 'ecu="1" AND _measurement="first"')
        assert sink.measurements("1", THEN, end) == set()
        assert sink.measurements("1", end, END) == {"last", "after"}


def test_delete_takes_what_the_predicate_selects_and_no_more(influx: Influx) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        for bucket in (influx.bucket, influx.rollup_bucket):
            sink.write(b"m,t=x f=1 1700000000000000000\nm,t=y f=2 1700000000000000000\nm,t=x f=3 1", bucket=bucket)
        sink.delete(THEN, THEN + timedelta(days=1), 't="x"')
    assert [value for _, value in rows(influx, influx.bucket)] == ["3", "2"]
    assert [value for _, value in rows(influx, influx.rollup_bucket)] == ["3", "1", "2"]


def test_a_query_that_does_not_compile_is_rejected(influx: Influx) -> None:
    with real_sink(influx) as sink, pytest.raises(SinkRejected, match="compilation failed"):
        sink.query("from(bucket:")


def test_one_bad_line_rejects_a_batch_and_spoils_nothing(influx: Influx) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        sink.write(b"m f=1 1")
        with pytest.raises(SinkRejected, match="type float there and integer here"):
            sink.write(b"m f=2 2\nm f=3i 3\nm f=4 4")
        with pytest.raises(SinkRejected, match=r"HTTP 400.*unable to parse 'nonsense'"):
            sink.write(b"m f=5 5\nnonsense\nm f=6 6")
        for line in (b"m f=2 2", b"m f=4 4", b"m f=5 5", b"m f=6 6"):
            sink.write(line)
    assert [value for _, value in rows(influx, influx.bucket)] == ["1", "2", "4", "5", "6"]


NOW_NS = time.time_ns()
DAY_NS = 86_400 * 10**9
# What another program may have written into a bucket of this name.
FOREIGN = b'inverter,inverter=abc energy_wh=12i,dc_power_w=5i\necu power_w="12 W"'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("inverter,ecu=1 energy_wh=1.5", "field energy_wh of measurement inverter is of type integer there and float"),
        ("ecu,ecu=1 power_w=3.0,energy_wh=2.0", "field power_w of measurement ecu is of type string there and float"),
    ],
)
def test_what_points_of_another_program_keep_out_is_told_alike_for_every_record(
    influx: Influx, line: str, told: str
) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        sink.write(FOREIGN)
        reasons = set()
        for time_ns in range(NOW_NS, NOW_NS + 3):
            with pytest.raises(SinkRejected, match=told) as caught:
                sink.write(f"fine f={time_ns} {time_ns}\n{line} {time_ns}".encode())
            assert caught.value.kind is Rejection.FOREIGN_POINTS
            reasons.add(str(caught.value))
        (reason,) = reasons
        assert reason.startswith(f"{FOREIGN_POINTS} in the bucket '{influx.bucket}'")
        assert "(influxdb.bucket), restart it, and run `collector replay --all`" in reason
        assert (
            len(
                sink.query(
                    f'from(bucket: "{influx.bucket}") |> range(start: -1d) |> filter(fn: (r) => r._field == "f")'
                )
            )
            == 3
        )


def test_a_bucket_of_roll_ups_with_points_of_another_program_is_told_by_its_key(influx: Influx) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        sink.write(b"ecu_day energy_wh=1i 1", bucket=influx.rollup_bucket)
        with pytest.raises(SinkRejected, match=r"\(influxdb\.rollup_bucket\)"):
            sink.write(b"ecu_day energy_wh=1 2", bucket=influx.rollup_bucket)


def test_what_the_bucket_would_drop_at_once_is_told_with_its_retention_and_the_rest_is_written(influx: Influx) -> None:
    rules = [{"type": "expire", "everySeconds": 30 * 86_400}]
    influx.api.call(
        "POST", "/api/v2/buckets", {"orgID": influx.api.org_id(), "name": influx.bucket, "retentionRules": rules}
    )
    with real_sink(influx) as sink:
        old_ns = NOW_NS - 40 * DAY_NS
        with pytest.raises(SinkRejected) as caught:
            sink.write(f"m f=1 {old_ns}\nm f=2 {NOW_NS}\nm f=3 {old_ns + 1}".encode())
        with pytest.raises(SinkRejected) as alone:
            sink.write(f"other g=1 {old_ns - DAY_NS}".encode())
        assert (caught.value.kind, caught.value.retention_s) == (Rejection.RETENTION, 30 * 86_400)
        told = f"older than the retention of the bucket '{influx.bucket}' (30 days): InfluxDB drops it"
        assert str(caught.value) == str(alone.value) == told
        found = sink.rules(influx.bucket)
        assert found is not None
        assert found.retention_s == 30 * 86_400
    assert [value for _, value in rows(influx, influx.bucket)] == ["2"]


@pytest.mark.parametrize("line", [b"nonsense", b"m f=1 99999999999999999999"])
def test_what_is_wrong_with_the_lines_themselves_is_of_that_kind(influx: Influx, line: bytes) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        with pytest.raises(SinkRejected, match="unable to parse") as caught:
            sink.write(line)
    assert caught.value.kind is Rejection.LINES


def test_a_bucket_tells_the_types_of_its_fields(influx: Influx) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        assert sink.field_types(influx.bucket) == {}
        sink.write(FOREIGN)
        # Years before, in a shard of its own, where it is no conflict.
        sink.write(b"inverter,ecu=1 energy_wh=1.5 1")
        assert sink.field_types(influx.bucket) == {
            ("inverter", "energy_wh"): {"integer", "float"},
            ("inverter", "dc_power_w"): {"integer"},
            ("ecu", "power_w"): {"string"},
        }
        assert sink.field_types(influx.rollup_bucket) == {}
        assert sink.field_types("nobody's") == {}


def test_a_token_that_may_write_but_not_read_is_told_so(influx: Influx) -> None:
    both = (influx.bucket, influx.rollup_bucket)
    for name in both:
        influx.api.create_bucket(name)
    with real_sink(influx, token=influx.api.create_token(write=both)) as sink:
        for name in both:
            with pytest.raises(SinkUnavailable, match=f"may write, but not read the bucket '{name}'"):
                sink.query(f'from(bucket: "{name}") |> range(start: -1d)')
        with pytest.raises(SinkUnavailable, match="could not find bucket") as caught:
            sink.query('from(bucket: "nobody") |> range(start: -1d)')
        assert "not read" not in str(caught.value)
        assert sink.field_types(influx.bucket) == {}


def test_a_wrong_token_is_told(influx: Influx) -> None:
    with real_sink(influx, token="wrong") as sink:
        for call in CALLS.values():
            with pytest.raises(SinkUnavailable, match=r"HTTP 401: unauthorized access.*check influxdb.token"):
                call(sink)


def test_a_wrong_organisation_is_told(influx: Influx) -> None:
    with (
        real_sink(influx, org="nobody") as sink,
        pytest.raises(SinkUnavailable, match=r'"nobody" not found; check influxdb\.org'),
    ):
        sink.connect()


def test_a_token_for_the_two_buckets_alone_is_enough(influx: Influx) -> None:
    both = (influx.bucket, influx.rollup_bucket)
    for name in both:
        influx.api.create_bucket(name)
    with real_sink(influx, token=influx.api.create_token(read=both, write=both)) as sink:
        sink.connect()
        sink.write(LINE)
        assert len(sink.query(f'from(bucket: "{influx.bucket}") |> range(start: 0)')) == 1
        sink.delete(THEN, THEN + timedelta(days=1), '_measurement="m"')
    assert rows(influx, influx.bucket) == []


def test_a_token_that_may_only_write_is_enough_to_write(influx: Influx) -> None:
    both = (influx.bucket, influx.rollup_bucket)
    for name in both:
        influx.api.create_bucket(name)
    with real_sink(influx, token=influx.api.create_token(write=both)) as sink:
        sink.connect()
        sink.write(LINE)
    assert len(rows(influx, influx.bucket)) == 1


def test_a_token_that_may_only_read_is_told(influx: Influx) -> None:
    influx.api.create_bucket(influx.bucket)
    token = influx.api.create_token(read=[influx.bucket])
    with real_sink(influx, token=token) as sink, pytest.raises(SinkUnavailable, match=r"HTTP 403.*lacks a right"):
        sink.connect()


def test_a_missing_bucket_that_the_token_may_not_create_is_told(influx: Influx) -> None:
    influx.api.create_bucket(influx.bucket)
    token = influx.api.create_token(read=[influx.bucket], write=[influx.bucket])
    with real_sink(influx, token=token) as sink:
        with pytest.raises(SinkUnavailable, match=f"create the bucket '{influx.rollup_bucket}' in the organisation"):
            sink.connect()
        sink.write(LINE)
    assert len(rows(influx, influx.bucket)) == 1


def test_a_bucket_deleted_under_way_keeps_the_records_and_comes_back(influx: Influx) -> None:
    with real_sink(influx) as sink:
        sink.connect()
        sink.write(LINE)
        influx.api.drop_bucket(influx.bucket)
        with pytest.raises(SinkUnavailable, match=r"HTTP 404: bucket .* not found"):
            sink.write(LINE)
        sink.connect()
        sink.write(LINE)
    assert len(rows(influx, influx.bucket)) == 1
    assert shard_group_s(influx.api, influx.bucket) == (0, SHARD_GROUP_S)


def test_a_server_that_was_away_takes_the_same_lines_again(own_influx_server: InfluxServer) -> None:
    api = own_influx_server.api
    sink = InfluxSink(api.url, api.org, api.token, "solar", "solar_daily")
    sink.connect()
    sink.write(b"m f=1 1")
    own_influx_server.stop()
    with pytest.raises(SinkUnavailable):
        sink.write(b"m f=2 2")
    with pytest.raises(SinkUnavailable, match="refused"):
        sink.connect()
    own_influx_server.start()
    sink.connect()
    sink.write(b"m f=2 2")
    assert [row["_value"] for row in sink.query('from(bucket: "solar") |> range(start: 0)')] == [1.0, 2.0]
    sink.close()
