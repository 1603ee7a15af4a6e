"""A journal whose ledger is kept by hand, and its account in a form that can be compared."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

from collector.config.model import Config
from collector.config.names import Names
from collector.journal.reading import JournalReader
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.ledger.keeping import Keeper
from collector.ledger.reading import Layout, Ledger
from tests.samples import arrival, config, ns

RECEIVED = ns("2027-01-10T10:00:00Z")

# By gateway, inverter, channel and day: AC, DC, refused, mended, readings, peak, time and power of the last reading.
Days = dict[tuple[str, str, int, str], tuple[object, ...]]
# By gateway, inverter, channel, day and hour: AC, DC and readings.
Hours = dict[tuple[str, str, int, str, int], tuple[object, ...]]
# By gateway, inverter and channel: place, AC, DC and peak.
Places = dict[tuple[str, str, int], tuple[object, ...]]


@dataclass
class Books:
    """`zone` is the site's, `ecus` and `inverters` are those of the configuration."""

    path: Path
    zone: str = "Europe/Amsterdam"
    ecus: tuple[dict[str, object], ...] = ()
    inverters: tuple[dict[str, object], ...] = ()

    @property
    def config(self) -> Config:
        site = {"name": "Home", "timezone": self.zone}
        return config(self.path, site=site, ecu=self.ecus, inverter=self.inverters)

    def store(self, *frames: bytes, received_at: int = RECEIVED) -> None:
        with contextlib.closing(Journal(self.path)) as journal:
            journal.append([arrival(raw, received_at + order) for order, raw in enumerate(frames)])

    def count(self, steps: int = 100_000) -> int:
        """Let the ledger do what is to be done, or so many steps of it; returns how many it did."""

        async def work() -> int:
            journal = ThreadedJournal(Journal(self.path), trio.CapacityLimiter(1))
            keeper = Keeper(journal, Names(self.config))
            await journal.write(Journal.open)
            done = 0
            while done < steps and await keeper.step():
                done += 1
            await journal.close()
            return done

        return trio.run(work)

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with JournalReader(self.path) as reader:
            yield Ledger(reader, Layout(self.config))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            return db.execute(query).fetchall()

    def account(self) -> tuple[Days, Hours, Places]:
        """All that is in the ledger, but for numbers of its own and for what is gone."""
        days: Days = {
            tuple(row[:4]): tuple(row[4:])  # type: ignore[misc]
            for row in self.rows(
                "select ecu, inverter, channel, day, d.ac_mwh, d.dc_mwh, refused_mwh, mended_mwh, readings, d.peak_w,"
                " last_time, last_power_w from energy_day as d join energy_place as p on p.id = d.place"
                " where readings > 0"
            )
        }
        hours: Hours = {
            tuple(row[:5]): tuple(row[5:])  # type: ignore[misc]
            for row in self.rows(
                "select ecu, inverter, channel, day, hour, h.ac_mwh, h.dc_mwh, readings from energy_hour as h"
                " join energy_place as p on p.id = h.place where readings > 0"
            )
        }
        places: Places = {
            tuple(row[:3]): tuple(row[3:])  # type: ignore[misc]
            for row in self.rows("select ecu, inverter, channel, place, ac_mwh, dc_mwh, peak_w from energy_place")
            if any(row[4:])
        }
        return days, hours, places

    def rebuilt_with_imports(self) -> tuple[Days, Hours, Places]:
        """As `rebuilt`, also of days that were brought along."""
        return self.rebuilt(marks="insert into energy_mark (ecu, day, mark) select ecu, day, 1 from imported_day")

    def rebuilt(self, marks: str = "") -> tuple[Days, Hours, Places]:
        """What a ledger says that begins with this journal."""
        other = Books(self.path.with_name("rebuilt.db"), self.zone, self.ecus, self.inverters)
        for file in other.path.parent.glob(f"{other.path.name}*"):
            file.unlink()
        with contextlib.closing(sqlite3.connect(self.path)) as db, db:
            db.execute("vacuum into ?", (str(other.path),))
        with contextlib.closing(sqlite3.connect(other.path)) as db, db:
            for table in ("energy_place", "energy_hour", "energy_day", "energy_account", "energy_mark", "energy_late"):
                db.execute(f"delete from {table}")  # noqa: S608
            db.execute("update ledger set cursor = 0, change = 0, basis = ''")
            db.execute(marks)
        other.count()
        return other.account()

    def copied(self, to: Path) -> "Books":
        """The same with a copy of the files, log included, as a process that is killed leaves them."""
        for file in self.path.parent.glob(f"{self.path.name}*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, to.with_name(file.name.replace(self.path.name, to.name)))
        return Books(to, self.zone, self.ecus, self.inverters)


def total_mwh(rows: Iterable[tuple[object, ...]], column: int) -> int:
    """The sum of a column of the account."""
    return sum(row[column] or 0 for row in rows)  # type: ignore[misc]
