"""What the journal keeps beside records: the names of these values, and what the service says of itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self, get_type_hints

from collector.clock.stamps import NS, to_second

# Keys under which the service keeps what `status` reads: what it says of itself, and the names that InfluxDB was last
# written with.
RUN_STATE, NAMES_STATE = "run", "names"

# The tariffs for which roll-ups were last asked for.
TARIFFS_STATE = "tariffs"

# The spans of time of which a restored journal has no records, though InfluxDB may.
GAPS_STATE = "gaps"

# How often the end of an older record came behind a shorter one (docs/protocol.md, 6.4).
TAILS_STATE = "stale_tails"

# The sign of life comes every two seconds. A machine that has much else to do, or waits for its disk, may miss some.
SILENT_NS = 60 * NS


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputHealth:
    """What an output says of itself; `name` is one word, by which it goes everywhere.

    `connected` is whether the other side is there and takes what it is sent, `last_sent` when it last took something
    (ns, 0 for never), `waiting` how much is to be sent to it, and `waiting_since` from when the oldest of that is (ns,
    0 where nothing waits or that is not told). `refused` is how much of it the other side did not take, and
    `commands_refused` how many commands came from there, which nobody follows. `last_error` is empty while all is well;
    `remedy` says what the owner can do about it. `note` is what is to be known though nothing is wrong, mostly empty.
    """

    name: str
    connected: bool = False
    last_sent: int = 0
    waiting: int = 0
    waiting_since: int = 0
    refused: int = 0
    commands_refused: int = 0
    last_error: str = ""
    remedy: str = ""
    note: str = ""

    @classmethod
    def read(cls, values: object) -> Self | None:
        """Take what a service has written; None for what is none of its."""
        if not isinstance(values, dict) or not isinstance(values.get("name"), str):
            return None
        kinds = get_type_hints(cls)
        return cls(**{name: value for name, value in values.items() if type(value) is kinds.get(name)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What the service says of itself; instants are ns since 1970, and 0 or "" is what was not said.

    `beat_at` is its last sign of life, which only a process that has not ended leaves; the rest it has written into the
    journal, at `noted_at`. `there_since` is `started_at` of the first of those services that came one after the other
    without a pause worth a word. `names` is the fingerprint of the names that it works with: "" without InfluxDB, None
    before it has said so.
    """

    beat_at: int = 0
    noted_at: int = 0
    version: str = ""
    started_at: int = 0
    there_since: int = 0
    stopped_at: int = 0
    journal_error: str = ""
    journal_error_since: int = 0
    unanswered: int = 0
    influxdb_error: str = ""
    influxdb_error_since: int = 0
    rollup_error: str = ""
    names: str | None = None
    failures: tuple[str, ...] = ()
    outputs: tuple[OutputHealth, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, object], beat_at: int) -> Self:
        """Take what a service has written; what is of another type than it writes was not said."""

        def text(name: str) -> str:
            value = values.get(name)
            return value if isinstance(value, str) else ""

        def number(name: str) -> int:
            value = values.get(name)
            return value if isinstance(value, int) else 0

        failures, outputs = values.get("failures"), values.get("outputs")
        return cls(
            # Before 0.2 the service wrote its sign of life into the journal as well.
            beat_at=beat_at or number("beat_at"),
            noted_at=number("noted_at"),
            version=text("version"),
            started_at=number("started_at"),
            there_since=number("there_since"),
            stopped_at=number("stopped_at"),
            journal_error=text("journal_error"),
            journal_error_since=number("journal_error_since"),
            unanswered=number("unanswered"),
            influxdb_error=text("influxdb_error"),
            influxdb_error_since=number("influxdb_error_since"),
            rollup_error=text("rollup_error"),
            names=text("names") if "names" in values else None,
            failures=tuple(map(str, failures)) if isinstance(failures, list) else (),
            outputs=tuple(filter(None, map(OutputHealth.read, outputs))) if isinstance(outputs, list) else (),
        )

    def values(self) -> dict[str, object]:
        """What is to be written: all that is said, but for the sign of life."""
        blank = asdict(RunState(beat_at=self.beat_at))
        return {name: value for name, value in asdict(self).items() if value != blank[name]}

    @property
    def is_blank(self) -> bool:
        """Whether no service has ever said anything."""
        return self == RunState()

    @property
    def silence(self) -> str:
        """What is known of a service that is not alive; one that hangs has left its last sign, one that ended none."""
        if self.beat_at:
            return f"no sign of life since {to_second(self.beat_at)}"
        return (
            f"no sign of life, the last note is of {to_second(self.noted_at)}" if self.noted_at else "no sign of life"
        )

    @property
    def watched_since(self) -> int:
        """Since when gateways were listened to, one service after the other (ns)."""
        return self.there_since or self.started_at

    def is_alive(self, now: int) -> bool:
        """Whether the service runs, as far as its sign of life tells at the instant `now` (ns)."""
        return not self.stopped_at and abs(now - self.beat_at) <= SILENT_NS
