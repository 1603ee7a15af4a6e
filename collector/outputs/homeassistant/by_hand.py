"""What the owner asks of Home Assistant by hand: whether it takes our statistics, or all of them once more."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import trio

from collector.config.model import Config, HomeAssistant
from collector.errors import ConfigError
from collector.journal.reading import JournalReader
from collector.ledger.reading import Layout
from collector.outputs.homeassistant import _faults
from collector.outputs.homeassistant._sending import Progress, bring_up_to_date
from collector.outputs.homeassistant._series import Series, closed_before, series_of
from collector.outputs.homeassistant._session import Session, converse

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Welcomed:
    """What Home Assistant said: its version, and who we are there."""

    version: str
    user: str


def settings_of(config: Config) -> HomeAssistant:
    """Where Home Assistant is. Raises ConfigError."""
    if config.homeassistant is None:
        raise ConfigError(
            ["homeassistant: the section is missing: [homeassistant] in config.toml, with url and token_file"]
        )
    return config.homeassistant


async def check(config: Config) -> Welcomed:
    """Knock without sending anything. Raises ConfigError and HomeAssistantError."""

    async def look(session: Session) -> Welcomed:
        user, is_admin = await session.user()
        if not is_admin:
            raise _faults.no_admin(session.where, user)
        return Welcomed(session.version, user)

    return await converse(settings_of(config), look)


async def send_all(config: Config, before_each: Callable[[str], Callable[[int, int], None]], now: int) -> list[Series]:
    """Send every closed hour of every series, whatever was sent before. `before_each` is given a name, and returns what
    hears how many rows of how many were sent. Raises ConfigError, HomeAssistantError and JournalError.
    """
    settings, layout = settings_of(config), Layout(config)

    with JournalReader(config.journal.path) as reader:

        async def read(query: Callable[[JournalReader], _T], /) -> _T:
            return await trio.to_thread.run_sync(query, reader)

        found = series_of(reader, layout, config)

        async def send(session: Session) -> None:
            for series in found:
                told = before_each(series.name)

                def note(progress: Progress, told: Callable[[int, int], None] = told) -> None:
                    told(progress.sent, progress.rows)

                await bring_up_to_date(session, read, layout, series, None, closed_before(now), note)

        await converse(settings, send)
    return found


def series(config: Config) -> list[Series]:
    """All series that there are. Raises JournalError."""
    with JournalReader(config.journal.path) as reader:
        return series_of(reader, Layout(config), config)
