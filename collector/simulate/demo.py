"""A site that is none, for looking at the boards: `collector demo --config demo.toml`.

Promises: three years of history that end now, delivered over the wire as a gateway would, and a live gateway from then
on, until it is stopped. Started again it goes on with the same site and sends only what the journal lacks. Refuses: a
configuration that is not the demonstration's, and a journal that holds any other gateway; it sends nothing before it
has seen that journal.

The collector is a process of its own, with the same configuration: `collector run --config demo.toml`. The order of
the history is the newest day first, but for the first record of all: by it the site is known again, and its age.
"""

import logging
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

import trio

from collector import renamed
from collector.client.network import Client, Pace, Target, unreachable
from collector.clock import stamps
from collector.config.model import Config, InfluxDB
from collector.errors import CollectorError, JournalError
from collector.journal.reading import JournalReader
from collector.simulate import fleet
from collector.simulate._site import SolarSite
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from collector.simulate.roofs import DEMO_ECU, DEMO_FIRMWARE, DEMO_ZONE, demo_site
from collector.simulate.rounds import Round
from collector.simulate.store import RECEIVED
from collector.simulate.tally import Tally

_log = logging.getLogger(__name__)

HISTORY_YEARS = 3

# So many days of the history travel at once, which share the journal's commits.
_DAYS_AT_ONCE = 8
_PROGRESS_S = 10.0
_RETRY_S = 1.0
_JOURNAL_WITHIN_S = 120.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the history: first and last round, how many have a record, and the counter before the first."""

    first: datetime
    last: datetime
    rounds: int
    lifetime_kwh: float


async def run(config: Config, host: str, now: datetime, *, years: int = HISTORY_YEARS) -> None:
    """Bring the history and live on from `now` (UTC), until SIGTERM or SIGINT. Raises CollectorError."""
    refuse_real_settings(config)
    path = config.journal.path
    known = await wait_for_journal(path)
    installed = known or _years_before(now, years)
    _log.info("making up the weather since %s, which takes some seconds", installed)
    site = demo_site(installed)
    days, lifetime_kwh = survey(site, installed, now)
    missing = days if known is None else lacking(path, days)
    _log.info("site installed=%s days=%d days_to_send=%d", installed, len(days), len(missing))
    target = Target(host, config.listen.data_ports, config.listen.control_port)
    if reason := await trio.to_thread.run_sync(partial(unreachable, target, control=True), abandon_on_cancel=True):
        _log.warning("%s Nothing is lost, everything waits for it", reason)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(live, site, lifetime_kwh, target, now)
            nursery.start_soon(bring, site, missing, target)
            await anext(signals)
            _log.info("stopped")
            nursery.cancel_scope.cancel()


def refuse_real_settings(config: Config) -> None:
    """Raise CollectorError unless the configuration is the demonstration's own."""
    if [ecu.id for ecu in config.ecu] != [DEMO_ECU]:
        raise CollectorError(
            f"not the configuration of the demonstration, which knows the ECU {DEMO_ECU} and no other; use demo.toml"
        )
    for name in ("bucket", "rollup_bucket"):
        default = InfluxDB.model_fields[name].default
        if config.influxdb and default in (config.influxdb.bucket, config.influxdb.rollup_bucket):
            raise CollectorError(
                f"the bucket {default!r} is where a real site's data would be; the demonstration has buckets of its"
                " own, see demo.toml"
            )


async def wait_for_journal(path: Path, within_s: float = _JOURNAL_WITHIN_S) -> date | None:
    """The day of the site's first record, None when there is none yet. Waits until the collector has made the journal.

    Raises CollectorError for a journal with other gateways than the demonstration's, or when there is none in time.
    """
    tried_until = trio.current_time() + within_s
    is_told = False
    while True:
        try:
            return _first_day(path)
        except JournalError as exc:
            if trio.current_time() >= tried_until:
                raise CollectorError(f"{exc}; the collector starts first, with the same configuration") from exc
            if not is_told:
                is_told = True
                _log.info("waiting for the journal %s: start `collector run` with the same configuration", path)
        await trio.sleep(_LOOK_S)


def _first_day(path: Path) -> date | None:
    with JournalReader(path) as journal:
        strangers = [gateway.ecu for gateway in journal.gateways() if gateway.ecu != DEMO_ECU]
        if strangers:
            raise CollectorError(
                f"{path} holds records of ECU {', '.join(strangers)}, which is not the demonstration's: nothing was"
                " sent. Give the demonstration a journal of its own: stop the collector, move this one away, with the"
                " -wal and -shm beside it, and start both again"
            )
        first = journal.first_time(DEMO_ECU)
    return stamps.parse(first).date() if first else None


def _years_before(now: datetime, years: int) -> date:
    today = now.astimezone(DEMO_ZONE).date()
    # The 29th of February has no anniversary in other years.
    return today.replace(year=today.year - years, day=min(today.day, 28))


def survey(site: SolarSite, installed: date, now: datetime) -> tuple[list[Day], float]:
    """The days up to now in order, and the lifetime counter at their end: a gateway never counts backwards."""
    since = datetime(installed.year, installed.month, installed.day, tzinfo=DEMO_ZONE)
    days = []
    lifetime_kwh = 0.0
    for _, polled in groupby(site.rounds(since, now), lambda polled: polled.at.astimezone(DEMO_ZONE).date()):
        rounds = list(polled)
        days.append(Day(rounds[0].at, rounds[-1].at, sum(map(_records, rounds)), lifetime_kwh))
        lifetime_kwh += sum(map(produced_kwh, rounds))
    return days, lifetime_kwh


def _records(polled: Round) -> int:
    return bool(polled.inverters) + len(polled.missed)


def produced_kwh(polled: Round) -> float:
    """What a gateway adds to its counter in one round."""
    return sum(inverter.energy_wh or 0.0 for inverter in polled.inverters) / 1000


def lacking(path: Path, days: Sequence[Day]) -> list[Day]:
    """The days of which the journal has fewer rounds than there were."""
    with JournalReader(path) as journal:
        return [day for day in days if len(_stored_times(journal, day)) < day.rounds]


def _stored_times(journal: JournalReader, day: Day) -> set[str]:
    digits = f"{day.first.astimezone(DEMO_ZONE):%Y%m%d}"
    return {record.time for record in journal.records_between(DEMO_ECU, f"{digits}000000", f"{digits}999999")}


async def live(site: SolarSite, lifetime_kwh: float, target: Target, now: datetime) -> None:
    """One gateway in real time, without end."""
    device = Device(DEMO_FIRMWARE, DEMO_ECU, Tally(), zone=DEMO_ZONE, lifetime_kwh=lifetime_kwh)
    client = Client(target, Pace(), trio.CapacityLimiter(1))
    gateway = fleet.Gateway(device, ControlPort(device), site, client)
    await fleet.run([gateway], fleet.Plan(start=now, stop=None, speed=1.0))


async def bring(site: SolarSite, days: Sequence[Day], target: Target) -> None:
    """Deliver these days, the newest first, however long the collector is away meanwhile."""
    tally, began = Tally(), trio.current_time()
    if days:
        # The oldest record goes first: it tells a later start how old the site is.
        await _deliver(_device(site, days[0], tally, only_first=True), target)
    travelling = trio.CapacityLimiter(_DAYS_AT_ONCE)
    told_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        for left, day in zip(range(len(days) - 1, -1, -1), reversed(days), strict=True):
            device = _device(site, day, tally)
            await travelling.acquire_on_behalf_of(device)
            nursery.start_soon(_travel, device, target, travelling)
            if trio.current_time() - told_at > _PROGRESS_S:
                told_at = trio.current_time()
                _log.info("history records=%d days_left=%d", tally.acknowledged, left)
    if tally.faults:
        _log.warning("wrong answers=%d first=%s", tally.fault_count, tally.faults[0].text)
    seconds = trio.current_time() - began
    _log.info("history is complete records=%d seconds=%.0f; live from now on", tally.acknowledged, seconds)


def _device(site: SolarSite, day: Day, tally: Tally, *, only_first: bool = False) -> Device:
    """A gateway that holds the records of a day, or only the first of them."""
    device = Device(DEMO_FIRMWARE, DEMO_ECU, tally, zone=DEMO_ZONE, lifetime_kwh=day.lifetime_kwh)
    for polled in site.rounds(day.first, (day.first if only_first else day.last) + timedelta(seconds=1)):
        device.add(polled)
    if due := device.fill_up_after(day.last):
        device.fill_up(due)
    return device


async def _travel(device: Device, target: Target, travelling: trio.CapacityLimiter) -> None:
    try:
        await _deliver(device, target)
    finally:
        travelling.release_on_behalf_of(device)


async def _deliver(device: Device, target: Target) -> None:
    client = Client(target, Pace(), trio.CapacityLimiter(1))
    while len(device.store):
        await client.perform(device.upload())
        if device.store.in_state(RECEIVED):
            await client.perform(device.night())
        if len(device.store):
            await trio.sleep(_RETRY_S)


if __name__ == "__main__":
    renamed.go_on_as("demo")
