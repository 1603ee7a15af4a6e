"""What is to be made of silence: by the definitions that boards, alerts and `status` go by."""

from collections.abc import Mapping, Sequence
from datetime import date

from collector.analysis import sentences
from collector.analysis.results import latest
from collector.clock.days import day_of
from collector.clock.stamps import NS, to_second
from collector.condition import MISSED_ROUNDS as TOLD_ROUNDS
from collector.condition import SILENT_S, Habit, Heard, State, is_ahead, states
from collector.config.names import Names
from collector.journal.reading import Gateway as Known
from collector.journal.reading import JournalReader
from collector.outputs.mqtt._latest import INTERVAL_S, MISSED_ROUNDS, Gateway, Latest
from collector.outputs.mqtt._states import Light
from collector.status.silence import habit_of, inverters_silent, seen_at

_SILENT_S = MISSED_ROUNDS * INTERVAL_S
# A look at a fortnight takes a while.
_AGAIN_NS = 1800 * NS
_PROBLEMS_AGAIN_NS = 300 * NS


class Judge:
    """`since` is when the collector began (ns): before it, it can't know who was silent, unless one was there that it
    has taken over from. For one thread at a time.
    """

    def __init__(self, names: Names, since: int) -> None:
        self._names = names
        self._since = since
        # By gateway: the day for which it was found, and what it is.
        self._habits: dict[str, tuple[date, Habit]] = {}
        # By gateway: when it was asked last who is silent, and who was.
        self._silent: dict[str, tuple[int, frozenset[str]]] = {}
        self._problems: tuple[int, dict[str, dict[int, str]]] | None = None

    def problems(self, reader: JournalReader, now: int) -> Mapping[str, Mapping[int, str]]:
        """What the analysis has found of each panel, by inverter and channel; "" where nothing is wrong. It finds
        something once a night. Raises JournalError.
        """
        if self._problems is None or not 0 <= now - self._problems[0] < _PROBLEMS_AGAIN_NS:
            found: dict[str, dict[int, str]] = {}
            for panel in latest(reader).panels:
                found.setdefault(panel.inverter, {})[panel.channel] = sentences.problem(panel)
            self._problems = now, found
        return self._problems[1]

    def lights(self, reader: JournalReader, latest: Latest, known: Sequence[Known], now: int) -> dict[str, Light]:
        """What to make of each gateway's silence at the instant `now` (ns), by its root. Raises JournalError."""
        heard = {root: self._heard(reader, gateway, now) for root, gateway in latest.gateways.items()}
        watched_since = min(self._since, reader.run_state().watched_since or self._since)
        contacts = [gateway.last_seen_at for gateway in known if not is_ahead(gateway.last_seen_at, now)]
        is_asked = any(now - at <= SILENT_S * NS for at in contacts)
        found = states(heard, now, watched_since=watched_since, is_asked=is_asked)
        # What they would be, had they been silent for just as long as counts.
        late = {root: one._replace(seen_at=now - (SILENT_S + 1) * NS) for root, one in heard.items()}
        would_be = states(late, now, watched_since=0, is_asked=False)
        of_journal = {one.ecu: one for one in known}
        return {
            root: self._light(
                gateway,
                heard[root],
                found[root],
                would_be[root],
                self._missing(reader, of_journal.get(gateway.id), gateway, latest, now),
                now,
            )
            for root, gateway in latest.gateways.items()
        }

    def _heard(self, reader: JournalReader, gateway: Gateway, now: int) -> Heard:
        today = day_of(now, self._names.ecu(gateway.id).zone)
        found_for, habit = self._habits.get(gateway.id, (None, Habit.of([])))
        if found_for != today:
            habit = habit_of(reader, gateway.id, self._names, now)
            self._habits[gateway.id] = today, habit
        at = seen_at(reader, gateway.id, self._names, gateway.at, gateway.heard_at, now)
        return Heard(at, self._names.place(gateway.id, now), habit)

    def _light(self, gateway: Gateway, heard: Heard, state: State, would_be: State, missing: str, now: int) -> Light:
        # Told of one that reports, too: its inverters may sleep.
        is_dark = heard.place is not None and heard.place.sun_elevation_deg(now) < 0
        is_night = would_be is State.NIGHT and state is not State.SILENT
        if now - heard.seen_at <= _SILENT_S * NS:
            return Light(is_dark=is_dark, is_night=is_night, problem=missing)
        problem = ""
        if state is State.SILENT:
            since = min(gateway.at, gateway.heard_at) or gateway.at
            problem = f"no record since {to_second(since)}" if since else "no record yet"
        return Light(is_silent=True, is_dark=is_dark, is_night=is_night, problem=problem)

    def _missing(self, reader: JournalReader, known: Known | None, gateway: Gateway, latest: Latest, now: int) -> str:
        """Which inverters of a gateway are silent, in a line. The past is asked only where one may be, and seldom."""
        own = {one.id: one for one in latest.inverters.values() if one.ecu == gateway.root}
        absent = {uid for uid, one in own.items() if one.missed >= TOLD_ROUNDS or not one.at}
        asked_at, silent = self._silent.get(gateway.root, (0, frozenset[str]()))
        silent = frozenset(uid for uid in silent if uid in absent or uid not in own)
        if known is not None and absent - silent and now - asked_at >= _AGAIN_NS:
            heard = {uid: one.at for uid, one in own.items() if one.at}
            asked_at, silent = now, frozenset(inverters_silent(reader, known, self._names, heard, now))
        self._silent[gateway.root] = asked_at, silent
        names = sorted(self._names.ecu(gateway.id).inverter_name(uid) for uid in silent)
        return f"silent: {', '.join(names)}" if names else ""
