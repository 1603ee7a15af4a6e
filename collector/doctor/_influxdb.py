"""Whether InfluxDB can be reached, written and read, keeps what it gets, and has what the journal has.

Nothing is written or created: whether lines would be taken is asked with none.
"""

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import trio

from collector.clock import stamps
from collector.clock.stamps import NS, to_second
from collector.config.model import InfluxDB
from collector.delivery.configured import configured
from collector.delivery.influx import Access, InfluxSink
from collector.delivery.influx_answers import told_retention
from collector.doctor._facts import EcuFacts
from collector.doctor.context import Context
from collector.doctor.findings import Finding, Level, failure, listed, ok, skipped, warning
from collector.errors import SinkRejected, SinkUnavailable
from collector.points.schema import SCHEMA

CHECK = "influxdb"
TIMEOUT_S = 4.0
DAY_S = 24 * 3600
# The database's own default, which a bucket has that nobody thought about.
SMALL_SHARD_GROUP_S = 7 * DAY_S
# Delivery takes moments; a record that is not there after this is not on its way.
LATE_NS = 15 * 60 * NS
# Records without points of their own may stand at either end of what the journal has.
_MISSING_PAST_NS = 2 * DAY_S * NS
_MOST_COMPARED = 20
CLOCK_OFF_S = 60
# The keys of the buckets, and what the collector makes them with.
_BUCKETS = {"bucket": "shard groups of 12 weeks", "rollup_bucket": "shard groups of a year"}
_TYPES: Mapping[type, str] = {float: "float", int: "integer", str: "string"}
_RESTART = "A token or an address that was changed counts for the service when it is restarted"
_GIVE_RIGHTS = (
    "give the service a token that reads and writes both buckets, then restart it; with Docker `docker compose up -d`"
    " runs the step `accounts`, which makes one anew"
)


async def check(context: Context) -> list[Finding]:
    """One question after the other; a server that does not answer the first is not asked the next."""
    settings = context.config.influxdb
    if settings is None:
        return [
            skipped(
                CHECK,
                "none is configured: records are kept in the journal alone",
                "add an [influxdb] section when there is one; it then gets everything since the first record",
            )
        ]
    if context.token_faults:
        return [skipped(CHECK, f"{settings.url} was not asked anything, for want of a token", "see configuration")]
    return await trio.to_thread.run_sync(partial(_check, context, settings), abandon_on_cancel=True)


def _check(context: Context, settings: InfluxDB) -> list[Finding]:
    findings: list[Finding] = []
    # Each of its questions is a small one.
    with closing(configured(settings, TIMEOUT_S, deadline_s=TIMEOUT_S)) as sink:
        try:
            greeting = sink.greet()
            findings.append(ok(CHECK, f"version {greeting.version} answers at {settings.url}"))
            findings += _clock(context, greeting.at)
            for key in _BUCKETS:
                findings += _bucket(context, sink, settings, key)
            foreign = [finding for key in _BUCKETS for finding in _foreign(sink, settings, key)]
            findings += foreign
            # Of a bucket or organisation that is not there, the right to read it may be granted all the same.
            is_there = sink.may_write(settings.bucket) is not Access.MISSING
            # What is missing where another program keeps it out was told with its remedy.
            is_ours = all(finding.level is not Level.FAILURE for finding in foreign)
            if is_there and is_ours and sink.may_read(settings.bucket) is Access.GRANTED:
                findings += _contents(context, sink, settings.bucket)
        except (SinkUnavailable, SinkRejected) as exc:
            findings.append(_unusable(exc, settings))
    if context.facts.run.influxdb_error and all(finding.level is not Level.FAILURE for finding in findings):
        findings.append(
            warning(
                CHECK,
                f"the service could not use it: {context.facts.run.influxdb_error}",
                "it tries again within a minute; what waits then drains by itself",
                "if this stays, restart the service: it may have been started with another token or configuration",
            )
        )
    return findings


def _unusable(exc: SinkUnavailable | SinkRejected, settings: InfluxDB) -> Finding:
    return failure(
        CHECK,
        exc.reason,
        "nothing reaches the boards; every record waits in the journal, and drains by itself afterwards",
        f"mend what it names; is that the right place, {settings.url}? With Docker: `docker compose ps influxdb` and"
        f" `docker compose logs influxdb`. {_RESTART}",
    )


def _clock(context: Context, at: datetime | None) -> list[Finding]:
    if at is None:
        return []
    ahead_s = context.now / NS - at.timestamp()
    if abs(ahead_s) < CLOCK_OFF_S:
        return []
    return [
        failure(
            "clock",
            f"this machine's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} InfluxDB's",
            "one of the two is wrong: boards that ask for the last hours then miss points or show an empty end",
            "let a time service set the clocks of both machines: `timedatectl set-ntp true`",
        )
    ]


def _bucket(context: Context, sink: InfluxSink, settings: InfluxDB, key: str) -> list[Finding]:
    """The token's rights and the bucket's rules."""
    bucket: str = getattr(settings, key)
    writing = sink.may_write(bucket)
    if writing is Access.MISSING:
        return [
            failure(
                CHECK,
                f"there is no bucket '{bucket}' in the organisation '{settings.org}', or no such organisation",
                "points have nowhere to go; every record waits in the journal",
                "check influxdb.org and the names of the buckets; the service creates a missing one at its next attempt"
                " if the token may. A bucket that was lost gets its past by `collector replay --all`",
            )
        ]
    findings = []
    if writing is Access.DENIED:
        findings.append(
            failure(
                CHECK,
                f"the token may not write the bucket '{bucket}'",
                "nothing new reaches the boards; every record waits in the journal",
                _GIVE_RIGHTS,
            )
        )
    if sink.may_read(bucket) is not Access.GRANTED:
        findings.append(
            failure(
                CHECK,
                f"the token may not read the bucket '{bucket}'",
                "roll-ups can't be computed, nor anything compared here",
                _GIVE_RIGHTS,
            )
        )
        return findings
    findings += [] if findings else [ok(CHECK, f"bucket '{bucket}': written and read")]
    return [*_rules(context, sink, key, bucket), *findings]


def _foreign(sink: InfluxSink, settings: InfluxDB, key: str) -> list[Finding]:
    """Fields of the collector's measurements that have another type than its own somewhere in the bucket."""
    bucket: str = getattr(settings, key)
    try:
        there = sink.field_types(bucket)
    except SinkUnavailable as exc:
        return [skipped(CHECK, f"the types of the fields in the bucket '{bucket}' are not told: {exc.reason}")]
    foreign = [
        f"{measurement}.{field} is {' and '.join(sorted(others))} (the collector's is {_TYPES[own]})"
        for measurement, known in SCHEMA.items()
        for field, own in known.fields.items()
        if (others := there.get((measurement, field), set()) - {_TYPES[own]})
    ]
    if not foreign:
        return []
    return [
        failure(
            CHECK,
            f"the bucket '{bucket}' holds points of another program: {listed(foreign)}",
            "where they stand InfluxDB refuses the collector's points, whose records the journal keeps. Whose data that"
            " is can't be told from here, and the journal does not have them",
            f"leave that bucket as it is; {_anew(key)}",
        )
    ]


def _anew(key: str) -> str:
    """How the collector gets another bucket, without a loss to anybody."""
    return (
        f"give the collector a bucket of its own by another name in influxdb.{key} (and a token that may use it),"
        " restart it, then `collector replay --all`, which writes there what the journal has; `collector"
        " boards write` makes the boards for that name"
    )


def _rules(context: Context, sink: InfluxSink, key: str, bucket: str) -> list[Finding]:
    rules = sink.rules(bucket)
    if rules is None:
        return []
    findings = []
    if rules.retention_s:
        findings.append(
            warning(
                CHECK,
                f"the bucket '{bucket}' drops points after {told_retention(rules.retention_s)}",
                f"the boards forget what is older; {_kept(context)}",
                "none is needed if that is meant; else `influx bucket update --id ID --retention 0` (ID from `influx"
                f" bucket list --name {bucket}`), then `collector replay --all`",
            )
        )
    if 0 < rules.shard_group_s <= SMALL_SHARD_GROUP_S:
        findings.append(
            warning(
                CHECK,
                f"the bucket '{bucket}' has shard groups of {rules.shard_group_s / DAY_S:g} days",
                "ten years are some 520 shards, each with files and memory of its own: slow boards, and gigabytes when"
                " much is written at once",
                f"{_anew(key)}. The collector makes it with {_BUCKETS[key]}. What only the old bucket has stays there:"
                f" {_kept(context)}",
            )
        )
    return findings


def _kept(context: Context) -> str:
    """What the journal can bring back."""
    days = context.config.journal.retain_days
    return (
        f"the journal has the records of the last {days} days" if days else "the journal has every record it ever got"
    )


def _contents(context: Context, sink: InfluxSink, bucket: str) -> list[Finding]:
    """The journal's oldest and newest record of each gateway against InfluxDB's points."""
    compared = [ecu for ecu in context.facts.ecus if ecu.newest_at is not None and ecu.gateway.ecu][:_MOST_COMPARED]
    if not compared:
        return []
    held = _held(sink, bucket, compared)
    behind = [ecu for ecu in compared if _newest_is_missing(held.get(ecu.gateway.ecu), ecu)]
    short = [ecu for ecu in compared if ecu not in behind and _past_is_missing(held.get(ecu.gateway.ecu), ecu)]
    findings = [_behind(context, held.get(ecu.gateway.ecu), ecu) for ecu in behind]
    findings += [_without_its_past(held[ecu.gateway.ecu], ecu) for ecu in short]
    if not findings:
        newest = max(span.last_at for span in held.values())
        findings.append(ok(CHECK, f"it has the journal's newest record, of {to_second(newest)}, and its oldest"))
    return findings


@dataclass(frozen=True, slots=True)
class _Span:
    first_at: int
    last_at: int


def _held(sink: InfluxSink, bucket: str, ecus: list[EcuFacts]) -> dict[str, _Span]:
    """First and last `ecu` point of each gateway, in ns since 1970."""
    oldest = min(ecu.oldest_at or ecu.newest_at or 0 for ecu in ecus)
    start = datetime.fromtimestamp(max(math.floor(oldest / NS) - DAY_S, 0), UTC)
    chosen = " or ".join(f'r.ecu == "{ecu.gateway.ecu}"' for ecu in ecus)
    points = (
        f'from(bucket: "{bucket}") |> range(start: {start:%Y-%m-%dT%H:%M:%SZ}, stop: 2262-01-01T00:00:00Z)'
        f' |> filter(fn: (r) => r._measurement == "ecu" and r._field == "energy_wh" and ({chosen}))'
    )
    ends: dict[tuple[str, str], int] = {}
    for name in ("first", "last"):
        rows = sink.query(f'{points} |> {name}() |> keep(columns: ["ecu", "_time"])')
        pick = min if name == "first" else max
        for row in rows:
            if isinstance(at := row["_time"], datetime):
                key = (str(row["ecu"]), name)
                ends[key] = pick(ends.get(key, stamps.to_ns(at)), stamps.to_ns(at))
    return {
        ecu: _Span(at, ends[ecu, "last"]) for (ecu, end), at in ends.items() if end == "first" and (ecu, "last") in ends
    }


def _newest_is_missing(held: _Span | None, ecu: EcuFacts) -> bool:
    return held is None or (ecu.newest_at or 0) - held.last_at > LATE_NS


def _past_is_missing(held: _Span | None, ecu: EcuFacts) -> bool:
    return held is not None and ecu.oldest_at is not None and held.first_at - ecu.oldest_at > _MISSING_PAST_NS


def _without_its_past(held: _Span, ecu: EcuFacts) -> Finding:
    return warning(
        CHECK,
        f"of ECU {ecu.names.name} it has nothing before {to_second(held.first_at)}, and the journal begins"
        f" {to_second(ecu.oldest_at or 0)}",
        "the bucket was made anew or dropped points, or older records still wait",
        "wait while `collector status` shows records waiting; then: collector replay --all",
    )


def _behind(context: Context, held: _Span | None, ecu: EcuFacts) -> Finding:
    has = (
        f"its newest point of ECU {ecu.names.name} is of {to_second(held.last_at)}"
        if held
        else (f"it has nothing of ECU {ecu.names.name}")
    )
    found = f"{has}, and the journal's newest record of {to_second(ecu.newest_at or 0)}"
    if context.facts.pending:
        return warning(
            CHECK,
            f"{found}; {context.facts.pending} records wait",
            "the boards are behind",
            "wait a minute and look again: if it stays, `collector status` and the service's log say why",
        )
    return failure(
        CHECK,
        f"{found}, though nothing waits for delivery",
        "the bucket was lost, or is another one than that which the service wrote to",
        "check influxdb.url and influxdb.bucket, then: collector replay --all",
    )
