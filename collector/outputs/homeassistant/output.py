"""The output to Home Assistant's statistics: some minutes after each hour, what the ledger has got since."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from collector.clock.stamps import HOUR_S, NS
from collector.config.model import Config
from collector.config.names import Names
from collector.config.values import token_in
from collector.errors import JournalError
from collector.journal.reading import JournalReader
from collector.journal.state import OutputHealth
from collector.journal.threaded import ThreadedJournal
from collector.ledger.reading import Layout, Ledger
from collector.outputs.homeassistant._faults import HomeAssistantError, TokenError
from collector.outputs.homeassistant._sending import Progress, bring_up_to_date
from collector.outputs.homeassistant._series import Cursor, Series, closed_before, is_due, next_round, series_of
from collector.outputs.homeassistant._session import Session, converse

_log = logging.getLogger(__name__)

NAME: Final = "homeassistant"
STATE: Final = "homeassistant"
# After a failure; a token that was refused is tried again when its file has changed, or an hour has passed.
FIRST_DELAY_S, LONGEST_DELAY_S = 30.0, 600.0
# How often the clock is looked at, which may be set, and the ledger, while its first account is made.
LOOK_S: Final = 20.0


def configured(config: Config, _names: Names, journal: Callable[[], ThreadedJournal]) -> Sequence["StatisticsOutput"]:
    """The output, if there is a Home Assistant."""
    return [StatisticsOutput(config, journal())] if config.homeassistant else []


class StatisticsOutput:
    """Keeps Home Assistant's statistics as the ledger is."""

    def __init__(self, config: Config, journal: ThreadedJournal, now: Callable[[], int] = time.time_ns) -> None:
        if config.homeassistant is None:
            raise ValueError("no Home Assistant is configured")
        self._config = config
        self._settings = config.homeassistant
        self._journal = journal
        self._layout = Layout(config)
        self._now = now
        self._token: str | None = None
        self._connected = False
        self._last_sent = 0
        self._waiting = 0
        self._error: HomeAssistantError | None = None

    @property
    def health(self) -> OutputHealth:
        """How it goes; what waits are series."""
        return OutputHealth(
            name=NAME,
            connected=self._connected,
            last_sent=self._last_sent,
            waiting=self._waiting,
            last_error=self._error.reason if self._error else "",
            remedy=self._error.remedy if self._error else "",
        )

    def wake(self) -> None:
        """Something was stored: it is sent when its hour is over."""

    async def run(self) -> None:
        """Send until cancelled."""
        await self._wait_for_the_ledger()
        delay_s = FIRST_DELAY_S
        while True:
            self._token = await self._read_token()
            try:
                await self.round()
            except JournalError as exc:
                _log.debug("nothing read for Home Assistant reason=%s", exc)
            except HomeAssistantError as exc:
                self._note_error(exc)
            else:
                self._note_well()
                delay_s = FIRST_DELAY_S
                await self._sleep_until(next_round(self._now()))
                continue
            if isinstance(self._error, TokenError):
                # Home Assistant tells its owner of each refusal, and may shut out who tries again and again.
                await self._sleep_until(next_round(self._now()), until_new_token=True)
            else:
                await trio.sleep(delay_s)
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    async def round(self) -> None:
        """Send what is to be sent now. Raises HomeAssistantError and JournalError."""
        before = closed_before(self._now())
        noted = await self._journal.state(STATE)
        cursors = {name: cursor for name, values in noted.items() if (cursor := Cursor.read(values))}
        due = await self._journal.read(partial(self._due, cursors=cursors, before=before))
        self._waiting = len(due)
        if self._connected and not due:
            return
        reached = dict(cursors)
        try:
            await converse(self._settings, partial(self._send, due=due, reached=reached, before=before))
        finally:
            if reached != cursors:
                await self._journal.put_state(STATE, {name: cursor.values() for name, cursor in reached.items()})

    async def _send(self, session: Session, due: Sequence[Series], reached: dict[str, Cursor], before: int) -> None:
        for series in due:

            def note(progress: Progress, name: str = series.statistic_id) -> None:
                reached[name] = progress.cursor
                self._last_sent = self._now()

            await bring_up_to_date(
                session, self._journal.read, self._layout, series, reached.get(series.statistic_id), before, note
            )
            self._waiting -= 1

    def _due(self, reader: JournalReader, cursors: Mapping[str, Cursor], before: int) -> list[Series]:
        return [
            series
            for series in series_of(reader, self._layout, self._config)
            if is_due(reader, self._layout, series, cursors.get(series.statistic_id), before)
        ]

    async def _wait_for_the_ledger(self) -> None:
        """While the first account is made, each day of it would have all hours from there on sent again."""
        now = self._now()
        deadline = trio.current_time() + (next_round(now) - now) / NS
        while trio.current_time() < deadline:
            try:
                state = await self._journal.read(lambda reader: Ledger(reader, self._layout).state())
            except JournalError as exc:
                _log.debug("nothing read for Home Assistant reason=%s", exc)
            else:
                if state.is_complete:
                    return
            await trio.sleep(1.0)

    async def _sleep_until(self, at: int, *, until_new_token: bool = False) -> None:
        """Sleep until a round. None is more than an hour away: that would be one of a clock that was ahead."""
        while 0 < (left_s := (at - self._now()) / NS) <= HOUR_S:
            await trio.sleep(min(LOOK_S, left_s))
            if until_new_token and await self._read_token() != self._token:
                return

    async def _read_token(self) -> str | None:
        return await trio.to_thread.run_sync(_token_or_none, self._settings.token_file, abandon_on_cancel=True)

    def _note_well(self) -> None:
        if self._error or not self._connected:
            _log.info("Home Assistant has the energy of all hours url=%s", self._settings.url)
        self._connected, self._error = True, None

    def _note_error(self, error: HomeAssistantError) -> None:
        if self._error is None or self._error.reason != error.reason:
            _log.warning("no statistics for Home Assistant for now reason=%s: %s", error.reason, error.remedy)
        self._connected, self._error = False, error


def _token_or_none(path: Path) -> str | None:
    try:
        return token_in(path)
    except (OSError, ValueError):
        return None
