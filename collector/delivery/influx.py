"""InfluxDB 2 as a sink: line protocol in, one of three outcomes out. The only importer of influxdb_client.

Promises: a call that returns was carried out by an InfluxDB; one that raises SinkUnavailable may be repeated for
ever; one that raises SinkRejected is about what was sent, so that its parts can be tried, or says what else keeps it
out. Nothing else is raised for anything the network or a server can do. Every call ends by its deadline, however slowly
an answer comes. No text holds the token.

Refuses: to work in the background. The client's own batching mode takes lines, returns at once and loses them with a
line in the log; here a call is one request, and its outcome is the call's.

| outcome         | answer                                                                                             |
|-----------------|----------------------------------------------------------------------------------------------------|
| delivered       | 204                                                                                                |
| SinkRejected    | 400, 422 in InfluxDB's own words; 413, which a proxy before it may say as well                     |
| SinkUnavailable | 401, 403, 404, 429, any 5xx, any other status, no answer                                           |

A wrong token, organisation or bucket is for the owner to mend and costs no record, so 401, 403 and 404 are kept. So
is a 200, which is no answer of InfluxDB to a write: something else answers there, as the sign-in page of a network
does. And so is a 400 that is not InfluxDB's: a server that wants https says it to every request.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz
from enum import StrEnum
from pathlib import Path

from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ProtocolError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from collector.config import authority
from collector.delivery import influx_answers
from collector.delivery._without import without
from collector.delivery.deadline import CallEnded, Calls
from collector.errors import SinkRejected, SinkUnavailable, TokenRefused

# The client takes numpy along for data frames where the analysis has brought it, which costs 12 MB of memory here.
with without("numpy"):
    from influxdb_client.client.exceptions import InfluxDBError
    from influxdb_client.client.flux_csv_parser import (
        FluxCsvParser,
        FluxCsvParserException,
        FluxQueryException,
        FluxSerializationMode,
    )
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
    from influxdb_client.domain.delete_predicate_request import DeletePredicateRequest
    from influxdb_client.rest import ApiException
    from influxdb_client.service.delete_service import DeleteService
    from influxdb_client.service.write_service import WriteService

_log = logging.getLogger(__name__)

_WEEK_S = 7 * 24 * 3600

# InfluxDB's default of 7 days makes some 520 shards of ten years of records, each with files and memory of its own.
SHARD_GROUP_S = 12 * _WEEK_S
ROLLUP_SHARD_GROUP_S = 52 * _WEEK_S

# An InfluxDB that is busy answers late, but then as a whole; the table of a long query comes as it is computed.
_WAITS = 3

_DELIVERED = 204
_REJECTED = frozenset({400, 413, 422})
_REJECTED_BY_ANYONE = 413
_MISSING = 404
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_ALLOWED = frozenset({_UNAUTHORIZED, _FORBIDDEN})
_CONFLICT = 422

_REMEDIES = {
    0: "the encrypted connection failed; check influxdb.url and the server's certificate, and name the file with the"
    " authority that signed it in influxdb.ca_file or INFLUXDB_CA_FILE if it is one of your own",
    400: "that is not how InfluxDB 2 answers; check influxdb.url (http or https, host, port)",
    401: "InfluxDB does not know this token; check influxdb.token, token_file or INFLUXDB_TOKEN",
    403: "the token lacks a right; it must read and write both buckets",
    404: "check influxdb.org and the names of the buckets",
    429: "InfluxDB asks for fewer requests",
    503: "InfluxDB is starting or overloaded",
}

_NO_SUCH_BUCKET = re.compile(r'could not find bucket "(.+)"')

# An answer may quote a whole line of the request; this much of it tells what was wrong.
_SHOWN_CHARACTERS = 300


class Access(StrEnum):
    """What a token may do with a bucket; one that it may not read looks missing to it when it asks for points."""

    GRANTED = "granted"
    DENIED = "denied"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Greeting:
    """What InfluxDB says of itself; `at` is its clock, in whole seconds, None if it does not tell."""

    version: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class BucketRules:
    """For how long a bucket keeps points, 0 for ever, and what its shard groups span; both in seconds."""

    retention_s: int
    shard_group_s: int


class InfluxSink:
    """One InfluxDB and the two buckets in it. Every call blocks for up to `timeout_s` for each wait on the network, and
    for `deadline_s` in all, which is three times as long unless it is given.

    Only the certificates in `ca_file` vouch for the server's, if it is given, and else the system's. Calls may come
    from any thread; `close` when no other runs.
    """

    def __init__(
        self,
        url: str,
        org: str,
        token: str,
        bucket: str,
        rollup_bucket: str,
        timeout_s: float = 10.0,
        *,
        deadline_s: float | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._url = url
        self._org = org
        self._token = token
        self._bucket = bucket
        self._rollup_bucket = rollup_bucket
        self._timeout_s = timeout_s
        self._deadline_s = _WAITS * timeout_s if deadline_s is None else deadline_s
        self._client = InfluxDBClient(
            url=url,
            org=org,
            token=token,
            timeout=round(timeout_s * 1000),
            ssl_ca_cert=ca_file and str(ca_file),
            ssl_context=ca_file and authority.trusting(),
        )
        self._calls = Calls(self._client.api_client.rest_client.pool_manager)
        self._write_service = WriteService(self._client.api_client)
        self._delete_service = DeleteService(self._client.api_client)

    def connect(self) -> None:
        """Make sure that an InfluxDB answers and takes lines for both buckets, of which missing ones are created.

        Worth repeating before the first write after SinkUnavailable: someone may have deleted a bucket. A token that
        can neither list nor create buckets is enough where they exist. Raises SinkUnavailable with what the owner can
        do.
        """
        with self._translated(nothing_sent=True):
            self._check_health()
            self._ensure_bucket(self._bucket, SHARD_GROUP_S)
            self._ensure_bucket(self._rollup_bucket, ROLLUP_SHARD_GROUP_S)

    def write(self, lines: bytes, *, bucket: str | None = None) -> None:
        """Write line protocol with time stamps in nanoseconds, into the bucket of records unless another is named.

        After SinkRejected some of the lines may be in the database nevertheless; writing them again changes nothing.
        """
        if lines:
            with self._translated(written=bucket or self._bucket):
                self._send(bucket or self._bucket, lines)

    def delete(self, start: datetime, stop: datetime, predicate: str, *, bucket: str | None = None) -> None:
        """Delete what `predicate` (in InfluxDB's syntax) selects from `start` to `stop`, aware and both included."""
        request = DeletePredicateRequest(start=start, stop=stop, predicate=predicate)
        with self._translated():
            _, status, _ = self._delete_service.post_delete_with_http_info(
                request, org=self._org, bucket=bucket or self._bucket
            )
            self._check_status(status)

    def query(self, flux: str) -> list[dict[str, object]]:
        """The rows of all result tables, in the order sent; times are aware datetimes in UTC, cut to microseconds.

        SinkRejected means that InfluxDB does not accept the query, or can't compute with the points it is about.
        """
        with self._translated(), closing(self._asked(flux)) as response:
            if not response.headers.get("Content-Type", "").startswith("text/csv"):
                raise self._stranger("a query with no table")
            try:
                records = FluxCsvParser(response, FluxSerializationMode.stream).generator()
                return [record.values for record in records]
            except (FluxCsvParserException, IndexError, ValueError):
                raise self._stranger("a query with a broken table") from None

    def measurements(self, ecu: str, start: datetime, stop: datetime) -> set[str]:
        """Of which measurements a gateway has points in the bucket of records, from `start` to before `stop`."""
        rows = self.query(
            f'from(bucket: "{self._bucket}") |> range(start: {start.isoformat()}, stop: {stop.isoformat()})'
            f' |> filter(fn: (r) => r.ecu == "{ecu}") |> first()'
            ' |> keep(columns: ["_measurement"]) |> group() |> distinct(column: "_measurement")'
        )
        return {str(row["_value"]) for row in rows}

    def greet(self) -> Greeting:
        """Ask who answers; raises SinkUnavailable unless it is an InfluxDB that says it is healthy."""
        with self._translated(nothing_sent=True):
            version, date = self._check_health()
        return Greeting(self._plain(version), date)

    def may_write(self, bucket: str) -> Access:
        """Whether lines for a bucket would be taken; writes none and creates nothing."""
        with self._translated(nothing_sent=True):
            return self._right_to_write(bucket)

    def may_read(self, bucket: str) -> Access:
        """Whether a bucket's points can be asked for."""
        with self._translated(nothing_sent=True):
            try:
                flux = f'from(bucket: "{bucket}") |> range(start: -1s) |> limit(n: 1)'
                self._client.query_api().query_raw(flux).close()
            except ApiException as exc:
                if exc.status not in (_FORBIDDEN, _MISSING):
                    raise
                return Access.DENIED if exc.status == _FORBIDDEN else Access.MISSING
        return Access.GRANTED

    def rules(self, bucket: str) -> BucketRules | None:
        """How a bucket was made; None where there is none that the token may read."""
        with self._translated(nothing_sent=True):
            try:
                found = self._client.buckets_api().find_buckets(name=bucket, org=self._org).buckets or []
            except ApiException as exc:
                if exc.status != _MISSING:
                    raise
                found = []
        if not found:
            return None
        # A bucket that keeps everything may come without a rule.
        rules = [rule for rule in found[0].retention_rules or [] if rule.type == "expire"]
        seconds = [(rule.every_seconds or 0, rule.shard_group_duration_seconds or 0) for rule in rules]
        return BucketRules(*(seconds[0] if seconds else (0, 0)))

    def retention_s(self, bucket: str) -> int:
        """For how long a bucket keeps points; 0 for ever, or if the token may not know."""
        try:
            rules = self.rules(bucket)
        except SinkUnavailable:
            return 0
        return rules.retention_s if rules else 0

    def field_types(self, bucket: str) -> dict[tuple[str, str], set[str]]:
        """The types that each (measurement, field) of a bucket has anywhere in it, in InfluxDB's words: float, integer,
        unsigned, string, boolean. Answered from its index, so it costs next to nothing; empty where the token may not
        read the bucket.
        """
        with self._translated(nothing_sent=True):
            query = [("db", bucket), ("q", "SHOW FIELD KEYS")]
            answer = self._client.api_client.call_api(
                "/query", "GET", query_params=query, response_type="object", _return_http_data_only=True
            )
            try:
                found: dict[tuple[str, str], set[str]] = {}
                for series in answer["results"][0].get("series", []):
                    for field, kind in series["values"]:
                        found.setdefault((series["name"], field), set()).add(kind)
            except (LookupError, TypeError, ValueError, AttributeError):
                raise self._stranger("a question about fields with something else") from None
        return found

    @contextmanager
    def client(self) -> Iterator[InfluxDBClient]:
        """The library's own client, for what no method here asks. Whatever its calls, or reading their answers, raise
        becomes SinkUnavailable; all of the block has one deadline.
        """
        with self._translated(nothing_sent=True):
            try:
                yield self._client
            except (LookupError, TypeError, ValueError, AttributeError):
                # The client makes objects of any JSON, with None for what is missing.
                raise self._stranger("with something else than what was asked for") from None

    def abort(self) -> None:
        """End every call that is under way, and each later one, with SinkUnavailable. For any thread; all that is left
        to do is `close`.
        """
        self._calls.end("the collector stops")

    def close(self) -> None:
        """Close the connections; no call may follow."""
        # The client merely forgets its pools, whose connections then stay open until the garbage is collected.
        pools = self._client.api_client.rest_client.pool_manager.pools
        for key in pools.keys():  # noqa: SIM118 - it can't be iterated over
            pools[key].close()
        self._client.close()

    def _check_health(self) -> tuple[object, datetime | None]:
        """The version it tells, and its clock."""
        health, _, headers = self._client.api_client.call_api(
            "/health", "GET", response_type="object", _return_http_data_only=False
        )
        if not isinstance(health, dict) or health.get("name") != "influxdb":
            raise self._stranger("what should be its health")
        if health.get("status") != "pass":
            raise SinkUnavailable(f"InfluxDB at {self._url} says of itself: {self._plain(health.get('message'))}")
        said = parsedate_tz(headers.get("Date"))
        return health.get("version", "unknown"), datetime.fromtimestamp(mktime_tz(said), UTC) if said else None

    def _ensure_bucket(self, bucket: str, shard_group_s: int) -> None:
        """Probe with a write of no lines, which InfluxDB answers as it would answer lines, by any token's rights."""
        try:
            self._send(bucket, b"\n")
        except ApiException as exc:
            if exc.status != _MISSING:
                raise
            self._create_bucket(bucket, shard_group_s, self._plain(exc.message))

    def _create_bucket(self, bucket: str, shard_group_s: int, missing: str) -> None:
        # The rule's default in the client is a retention of 30 days.
        rule = BucketRetentionRules(type="expire", every_seconds=0, shard_group_duration_seconds=shard_group_s)
        try:
            self._client.buckets_api().create_bucket(bucket_name=bucket, org=self._org, retention_rules=rule)
        except ApiException as exc:
            if exc.status == _CONFLICT:
                return  # someone else was quicker
            if exc.status not in _NOT_ALLOWED:
                raise
            raise self._no_bucket(bucket, missing) from None
        except InfluxDBError:  # without a status: the token does not see the organisation, or there is none
            raise self._no_bucket(bucket, missing) from None
        _log.info("bucket made bucket=%s org=%s", bucket, self._org)

    def _no_bucket(self, bucket: str, missing: str) -> SinkUnavailable:
        if "organization" in missing:
            return SinkUnavailable(f"InfluxDB at {self._url}: {missing}; check influxdb.org")
        return SinkUnavailable(
            f"InfluxDB at {self._url}: {missing}, and the token may not create it; create the bucket '{bucket}' in the"
            f" organisation '{self._org}', or use a token that may"
        )

    def _send(self, bucket: str, lines: bytes) -> None:
        _, status, _ = self._write_service.post_write_with_http_info(
            org=self._org, bucket=bucket, body=lines, precision="ns"
        )
        self._check_status(status)

    def _asked(self, flux: str) -> HTTPResponse:
        """The answer to a query, of which the body has still to be read."""
        try:
            answer: HTTPResponse = self._client.query_api().query_raw(flux)
        except ApiException as exc:
            missing = _NO_SUCH_BUCKET.search(str(exc.message)) if exc.status == _MISSING else None
            # A bucket that the token may not read is told of in the same words as one that is not there.
            writing = self._right_to_write(missing[1]) if missing else Access.MISSING
            if missing is None or writing is Access.MISSING:
                raise
            rights = "write, but not read" if writing is Access.GRANTED else "neither read nor write"
            raise SinkUnavailable(
                f"InfluxDB at {self._url}: the token may {rights} the bucket '{self._plain(missing[1])}'; give the"
                " collector one that reads and writes both buckets, and restart it"
            ) from None
        return answer

    def _right_to_write(self, bucket: str) -> Access:
        try:
            self._send(bucket, b"\n")
        except ApiException as exc:
            if exc.status not in (_FORBIDDEN, _MISSING):
                raise
            return Access.DENIED if exc.status == _FORBIDDEN else Access.MISSING
        return Access.GRANTED

    def _check_status(self, status: int) -> None:
        if status != _DELIVERED:
            raise self._stranger(f"with HTTP {status} where {_DELIVERED} is due")

    def _stranger(self, what: str) -> SinkUnavailable:
        return SinkUnavailable(
            f"{self._url} answered {what}, as InfluxDB 2 never does; check influxdb.url, and whether a proxy or the"
            " sign-in page of a network answers there"
        )

    @contextmanager
    def _translated(self, *, nothing_sent: bool = False, written: str | None = None) -> Iterator[None]:
        """The one place where what others raise becomes ours, within the deadline; nothing above this module knows of
        their exceptions. `written` is the bucket that lines are for.
        """
        try:
            with self._calls.limited(self._deadline_s):
                yield
        except CallEnded as exc:
            raise SinkUnavailable(f"InfluxDB at {self._url}: {exc}") from None
        except ApiException as exc:
            raise self._outcome(exc, nothing_sent, written) from None
        except HTTPError as exc:
            raise SinkUnavailable(f"InfluxDB at {self._url}: {self._network_fault(exc)}") from None
        except FluxQueryException as exc:
            # The query was accepted and its answer begun, so this is no verdict on the query.
            said = self._plain(exc.message)
            raise influx_answers.query_rejection(said) or SinkUnavailable(
                f"InfluxDB broke off a query: {said}"
            ) from None
        except UnicodeDecodeError:
            raise self._stranger("with something unreadable") from None

    def _outcome(self, exc: ApiException, nothing_sent: bool, written: str | None) -> SinkRejected | SinkUnavailable:
        message = self._plain(exc.message if exc.status else exc.reason)
        said = f"HTTP {exc.status}: {message}" if exc.status else message
        own_words = exc.status == _REJECTED_BY_ANYONE or influx_answers.is_influxdb_error(exc.body)
        if exc.status in _REJECTED and own_words and not nothing_sent:
            key = "influxdb.rollup_bucket" if written == self._rollup_bucket else "influxdb.bucket"
            by_kind = influx_answers.rejection(str(exc.message), written, key) if written else None
            return by_kind or SinkRejected(f"InfluxDB refused what was sent ({said})")
        if own_words and (unfit := influx_answers.query_rejection(message)):
            return unfit
        if exc.status == _MISSING and not own_words:
            return self._stranger(f"with HTTP {exc.status}")
        remedy = _REMEDIES.get(exc.status, "")
        reason = f"InfluxDB at {self._url} can't be used ({said})" + (f"; {remedy}" if remedy else "")
        kind = TokenRefused if exc.status == _UNAUTHORIZED and own_words else SinkUnavailable
        return kind(reason, influx_answers.retry_after_s(exc.retry_after))

    def _network_fault(self, exc: HTTPError) -> str:
        match exc:
            case NameResolutionError():
                return "the name of the host can't be resolved; check influxdb.url and the DNS of this machine"
            case NewConnectionError():
                return f"no connection ({self._plain(exc.__cause__ or exc)}); is it running, is influxdb.url right?"
            case HTTPTimeoutError():
                return f"no answer within {self._timeout_s:g} s"
            case ProtocolError():
                return f"the connection broke ({self._plain(exc.args[-1])})"
            case _:
                return self._plain(exc)

    def _plain(self, text: object) -> str:
        """One line of printable characters that is not too long and does not hold the token."""
        text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        line = " ".join(text.replace(self._token, "[token]").split())
        line = "".join(character if character.isprintable() else "?" for character in line)
        return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"
