"""The collector's reports: one `collector` point a minute, and what boards and alerts have to know of the settings."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import count

import trio

from collector import disk
from collector.clock.stamps import NS
from collector.clock.sun import Place
from collector.config.model import Config
from collector.config.names import Names, place_of
from collector.config.tariffs import Tariffs
from collector.delivery.writer import Writer
from collector.errors import JournalError
from collector.gateway.server import Counters
from collector.journal.mirroring import VendorCommand, vendor_commands
from collector.journal.reading import JournalReader
from collector.journal.state import OutputHealth
from collector.journal.threaded import ThreadedJournal
from collector.outputs.outputs import report_points
from collector.points.decoding import vendor_command_event
from collector.points.figures import Figures
from collector.points.schema import Point
from collector.points.settings import Settings
from collector.protocol.commands import meaning

_log = logging.getLogger(__name__)

REPORT_S = 60.0
_NOTHING_SET = Settings()
_REPORTS_AN_HOUR, _GATEWAYS_AT_ONCE = 60, 30
# What the vendor's cloud tried is told with the next report, and then once an hour for a day: nothing else brings it to
# InfluxDB where that was away. With a start it is told of so long, for the same reason.
_TOLD_FOR_NS, _TOLD_AT_A_START_NS = 86_400 * NS, 30 * 86_400 * NS
_COMMANDS_AT_ONCE = 30


def report_point(
    instance: str,
    at: int,
    figures: Figures,
    place: Place | None,
    replaced: Iterable[tuple[str, str]] = (),
    currency: str = "",
    settings: Settings = _NOTHING_SET,
) -> Point:
    """Build the report of one moment (ns); `replaced` are retired devices, each with the one that does its work now.

    They, the currency and the settings are in every report, since boards and alerts know nothing of the configuration,
    and the first two also where there are none, since the latest report counts.
    """
    fields = {
        **asdict(figures),
        "sun_elevation_deg": place.sun_elevation_deg(at) if place else None,
        "replaced": " ".join(f"{old}>{living}" for old, living in replaced),
        "currency": currency,
        **asdict(settings),
    }
    return Point("collector", (instance,), fields, at)


class Sites:
    """What the owner says of single gateways, and where each one is: told once an hour, of a new one with the next
    report, and of so many with each that few points wait for InfluxDB.
    """

    def __init__(self, config: Config, names: Names) -> None:
        self._names = names
        self._prices = {ecu.id: ecu.purchase_price for ecu in config.ecu if ecu.purchase_price is not None}
        self._configured = [ecu.id for ecu in config.ecu]
        self._number = 0
        # By gateway: with which report it was told last.
        self._told: dict[str, int] = {}

    def points(self, heard: Iterable[str], at: int) -> Iterator[Point]:
        """Those to be told with the report of a moment (ns), of the gateways in the configuration and those that were
        heard.
        """
        self._number += 1
        before = self._number - _REPORTS_AN_HOUR
        due = [ecu for ecu in dict.fromkeys([*self._configured, *heard]) if self._told.get(ecu, before) <= before]
        # Those that wait for the longest come first.
        for ecu in sorted(due, key=lambda ecu: self._told.get(ecu, -_REPORTS_AN_HOUR))[:_GATEWAYS_AT_ONCE]:
            self._told[ecu] = self._number
            fields: dict[str, float] = {}
            # One that was replaced is where the one after it is.
            if not self._names.successor(ecu, at) and (place := self._names.place(ecu, at)):
                fields |= asdict(place)
            if ecu in self._prices:
                fields["purchase_price"] = self._prices[ecu]
            if fields:
                yield Point("site", (ecu,), fields, at)


def vendor_point(command: VendorCommand) -> Point:
    """What the vendor's cloud tried last by a message; the same each time that it is told."""
    told = f"{meaning(command.command)} ({command.command or 'no number'}, port {command.port})"
    return vendor_command_event(command.ecu, command.last_at, command.command, told, command.raw)


def settings_of(config: Config, tariffs: Tariffs) -> Settings:
    """What boards and alerts have to know."""
    return Settings(**config.grid.model_dump(), **tariffs.first._asdict(), co2_g_per_kwh=config.site.co2_g_per_kwh)


class Reports:
    """Reads the figures of the service that runs; `writer` is None without InfluxDB."""

    def __init__(
        self,
        config: Config,
        names: Names,
        tariffs: Tariffs,
        journal: ThreadedJournal,
        counters: Counters,
        writer: Writer | None,
        outputs: Callable[[], Sequence[OutputHealth]] = tuple,
    ) -> None:
        self._config = config
        self._place = place_of(config.site)
        self._names = names
        self._sites = Sites(config, names)
        self._currency = tariffs.currency
        self._settings = settings_of(config, tariffs)
        self._journal = journal
        self._counters = counters
        self._writer = writer
        self._outputs = outputs
        self._told = 0

    async def figures(self) -> Figures:
        """What is to be told now; raises JournalError."""
        pending, set_aside, journal_bytes = await self._journal.counts()
        return Figures(
            records_received=self._counters.received,
            records_acknowledged=self._counters.acknowledged,
            records_pending=pending,
            records_set_aside=set_aside,
            write_errors=self._writer.health.write_errors if self._writer else 0,
            connections=self._counters.connections,
            journal_bytes=journal_bytes,
            disk_free_bytes=disk.free_bytes(self._config.journal.path),
            fsync_ms=self._journal.fsync_s * 1000,
        )

    async def run(self, writer: Writer) -> None:
        """Send a report every REPORT_S until cancelled."""
        for number in count():
            try:
                figures = await self.figures()
                gateways = await self._journal.read(JournalReader.gateways)
            except JournalError as exc:
                _log.debug("no report reason=%s", exc)
            else:
                now = time.time_ns()
                instance, replaced = self._config.collector.instance, self._names.replaced(now)
                writer.offer(
                    report_point(instance, now, figures, self._place, replaced, self._currency, self._settings)
                )
                for point in self._sites.points((gateway.ecu for gateway in gateways), now):
                    writer.offer(point)
                for point in report_points(instance, self._outputs(), now):
                    writer.offer(point)
                for command in await self._vendor_commands(number, now):
                    writer.offer(vendor_point(command))
            await trio.sleep(REPORT_S)

    async def _vendor_commands(self, number: int, now: int) -> list[VendorCommand]:
        """What the vendor's cloud tried and is to be told with the report of this number."""
        if number == 0:
            self._told = now - _TOLD_AT_A_START_NS
        elif number % _REPORTS_AN_HOUR == 0:
            self._told = min(self._told, now - _TOLD_FOR_NS)
        query = partial(vendor_commands, after=self._told, limit=_COMMANDS_AT_ONCE, latest_first=False)
        try:
            found = await self._journal.read(query)
        except JournalError as exc:
            _log.debug("nothing of the vendor's commands reason=%s", exc)
            return []
        self._told = max([self._told, *(command.last_at for command in found)])
        return found
