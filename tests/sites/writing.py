"""From an owner's rounds to points in InfluxDB, with nothing in between that a collector has not."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from collector.client.firmware import GENERATIONS
from collector.clock import stamps
from collector.config.model import Config
from collector.config.names import Names, place_of
from collector.config.tariffs import Tariffs
from collector.delivery.influx import InfluxSink
from collector.points.figures import Figures
from collector.points.lines import LineWriter
from collector.points.record_decoder import RecordDecoder
from collector.points.schema import Point
from collector.protocol.messages import read
from collector.record import Record
from collector.rollup.computing import Buckets, Rollups, plan
from collector.service._report import Sites, report_point, settings_of
from collector.simulate.demo import produced_kwh
from collector.simulate.device import Device
from collector.simulate.tally import Tally
from tests.sites.owner import Gateway, Owner

# So long after a round began its record arrives.
_UNDERWAY_S = 40

_LINES_AT_ONCE = 5000
_REPORTED = timedelta(days=2)


def records(gateway: Gateway, since: datetime) -> Iterator[Record]:
    """What a gateway sent from an instant on, as the journal would give it back."""
    lifetime_kwh, device = 0.0, None
    number = 0
    for polled in gateway.site.rounds(gateway.since, gateway.until):
        if polled.at < since:
            lifetime_kwh += produced_kwh(polled)
            continue
        if device is None:
            firmware = GENERATIONS[gateway.firmware]
            device = Device(firmware, gateway.ecu, Tally(), zone=gateway.zone, lifetime_kwh=lifetime_kwh)
        device.add(polled)
        received_at = stamps.to_ns(polled.at) + _UNDERWAY_S * stamps.NS
        for stored in device.store.records:
            number += 1
            message = read(stored.frame)
            yield Record(
                number, received_at, message.kind, message.ecu, message.time, message.command, message.raw, newest=True
            )
        device.store.clear([stored.time for stored in device.store.records])


def points(owner: Owner, config: Config, now: datetime, since: datetime) -> Iterator[Point]:
    """All that a collector has written by `now` of an owner's records to its first bucket, from an instant on."""
    for gateway in owner.gateways:
        decoder = RecordDecoder(Names(config), {})
        for record in records(gateway, since):
            if record.received_at > stamps.to_ns(now):
                continue
            decoded = decoder.decode(record)
            assert decoded.points, f"{record.raw!r} gives no points: {decoded.problems} {decoded.unreadable}"
            # What is new in the first record after a pause has been told before.
            yield from (point for point in decoded.points if since <= gateway.since or point.measurement != "event")
    yield from _reports(owner, config, now, since)


def write(owner: Owner, config: Config, sink: InfluxSink, now: datetime, since: datetime) -> int:
    """Write the points of an owner from an instant on, and roll up their days. How many points; raises SinkUnavailable
    and SinkRejected.
    """
    line, count = LineWriter().line, 0
    batch: list[str] = []
    for point in points(owner, config, now, since):
        batch.append(line(point))
        count += 1
        if len(batch) == _LINES_AT_ONCE:
            sink.write("\n".join(batch).encode())
            batch.clear()
    sink.write("\n".join(batch).encode())
    assert config.influxdb is not None
    buckets = Buckets(config.influxdb.bucket, config.influxdb.rollup_bucket)
    rollups = Rollups(sink, Names(config), buckets, Tariffs(config.tariff))
    for group in plan(_days(owner, since), Names(config)):
        rollups.compute(group)
    return count


def _days(owner: Owner, since: datetime) -> Iterator[tuple[str, date]]:
    for gateway in owner.gateways:
        day = max(gateway.since, since).astimezone(gateway.zone).date()
        while day <= gateway.until.astimezone(gateway.zone).date():
            yield gateway.ecu, day
            day += timedelta(days=1)


def _reports(owner: Owner, config: Config, now: datetime, since: datetime) -> Iterator[Point]:
    """The collector's words about itself, one a minute."""
    begun = min(gateway.since for gateway in owner.gateways)
    at = max(begun, since, now - _REPORTED).astimezone(UTC).replace(second=0, microsecond=0)
    names, place, tariffs = Names(config), place_of(config.site), Tariffs(config.tariff)
    sites, ecus = Sites(config, names), [gateway.ecu for gateway in owner.gateways]
    instance, settings = config.collector.instance, settings_of(config, tariffs)
    while at <= now:
        minutes = (at - begun) // timedelta(minutes=1)
        figures = Figures(
            records_received=minutes // 5,
            records_acknowledged=minutes // 5,
            records_pending=0,
            records_set_aside=0,
            write_errors=0,
            connections=len(owner.gateways),
            journal_bytes=4_000_000 + 200 * minutes,
            disk_free_bytes=20_000_000_000 - 200 * minutes,
            fsync_ms=4.0 + at.minute % 5,
        )
        instant = stamps.to_ns(at)
        yield report_point(instance, instant, figures, place, (), tariffs.currency, settings)
        yield from sites.points(ecus, instant)
        at += timedelta(minutes=1)
