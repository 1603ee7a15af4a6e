"""A journal with its ledger, a stand-in of PVOutput and one system, all by one clock that is set by hand."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import trio

from collector.clock.stamps import NS, from_ns
from collector.config.load import load
from collector.journal.reading import JournalReader
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.ledger.keeping import Keeper
from collector.ledger.reading import Layout, Ledger, of_gateway
from collector.outputs.pvoutput import _http
from collector.outputs.pvoutput._budget import Budget
from collector.outputs.pvoutput._sender import Sender
from tests.pvoutput_server import PVOutputServer
from tests.samples import ECU, arrival

SYSTEM = 1234
KEY = "correct-horse"


class Clock:
    """Seconds since 1970 for the stand-in, ns for the collector; `running` is never set, as `ns` may be."""

    def __init__(self, at: int) -> None:
        self.ns = at
        self._passed_ns = 0

    def running(self) -> float:
        return self._passed_ns / NS

    def __call__(self) -> float:
        return self.ns / NS

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * NS)
        self._passed_ns += round(seconds * NS)


class Rig:
    """One system, driven step by step; `settings` are more lines of it, and `more` other sections."""

    def __init__(self, folder: Path, server: PVOutputServer, clock: Clock, settings: str = "", more: str = "") -> None:
        self.server = server
        self.clock = clock
        self.path = folder / "journal.db"
        config = folder / "config.toml"
        zone = server.service.systems[SYSTEM].zone.key
        config.write_text(
            f'[site]\ntimezone = "{zone}"\n[journal]\npath = "{self.path}"\n{more}\n'
            f'[[pvoutput]]\nsystem_id = {SYSTEM}\nurl = "{server.url.rstrip("/")}"\n{settings}\n'
        )
        self.config = load(config, {"PVOUTPUT_KEY": KEY})
        self.sender = self._new_sender()

    def _new_sender(self) -> Sender:
        (settings,) = self.config.pvoutput
        self._service = _http.Service(settings.url, settings.system_id, lambda: KEY)
        budget, lock = Budget(), trio.Lock()
        return Sender(
            self.config, settings, self._journal(), self._service.call, budget, lock, running=self.clock.running
        )

    def _journal(self) -> ThreadedJournal:
        self.journal = ThreadedJournal(Journal(self.path), trio.CapacityLimiter(1))
        return self.journal

    async def store(self, *frames: bytes) -> None:
        """Records come now, and are counted."""
        arrivals = [arrival(raw, self.clock.ns + order) for order, raw in enumerate(frames)]
        await self.journal.write(lambda journal: journal.append(arrivals))
        await self.count()

    async def count(self) -> None:
        """The ledger does what is to be done."""
        keeper = Keeper(self.journal, Layout(self.config).names)
        while await keeper.step():
            pass

    async def start(self) -> None:
        """Make the journal."""
        await self.journal.write(Journal.open)

    async def restart(self) -> None:
        """The collector is killed and starts again."""
        await self.journal.close()
        self.sender = self._new_sender()
        await self.start()

    async def step(self) -> float:
        """Do one thing; returns how long to wait then."""
        return await self.sender.step(self.clock.ns)

    async def settle(self, within_steps: int = 500) -> int:
        """Let time pass until nothing is to be sent; returns after how many steps."""
        for number in range(within_steps):
            wait_s = await self.step()
            if not self.sender.progress.days:
                return number
            self.clock.advance(wait_s)
        raise AssertionError(f"not settled: {self.sender.progress}, {self.sender.error}")

    def ledger_days(self, ecus: Sequence[str] = (ECU,)) -> dict[date, int]:
        """What the ledger says of days, in Wh."""
        sums: dict[date, int] = {}
        with JournalReader(self.path) as reader:
            ledger = Ledger(reader, Layout(self.config))
            for ecu in ecus:
                for day in ledger.days(of_gateway(ecu)):
                    mwh = day.energy.dc_mwh if day.energy.ac_mwh is None else day.energy.ac_mwh
                    key = date.fromisoformat(day.day)
                    sums[key] = sums.get(key, 0) + mwh
        return {day: round(mwh / 1000) for day, mwh in sums.items()}

    def held_days(self) -> dict[date, int]:
        """What the stand-in shows as the sums of days."""
        return {day: output.energy_wh for day, output in self.server.outputs(SYSTEM).items()}

    def today(self) -> date:
        """The day of the clock, in UTC."""
        return from_ns(self.clock.ns).date()


def instant(day: date, minutes: int = 0) -> int:
    """So many minutes after midnight in UTC, in ns."""
    return round((datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)).timestamp()) * NS


def digits(at: int) -> str:
    """A time stamp of a gateway in UTC."""
    return f"{from_ns(at):%Y%m%d%H%M%S}"
