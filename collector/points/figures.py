"""What the collector counts and measures of itself: each figure once, for InfluxDB and for Prometheus."""

from dataclasses import dataclass, field, fields

# The keys of a figure's metadata.
TOLD, COUNTS = "told", "counts"


def _count(told: str) -> dict[str, object]:
    return {TOLD: told, COUNTS: True}


def _of_now(told: str) -> dict[str, object]:
    return {TOLD: told, COUNTS: False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts are since the start of the process, the rest is of the moment. A field of InfluxDB has the same name."""

    records_received: int = field(metadata=_count("Messages of gateways that were received and stored."))
    records_acknowledged: int = field(metadata=_count("Records whose answer was sent."))
    records_pending: int = field(metadata=_of_now("Records that wait for InfluxDB."))
    records_set_aside: int = field(metadata=_of_now("Records that were not understood or that InfluxDB refused."))
    write_errors: int = field(metadata=_count("Attempts to reach InfluxDB that failed."))
    connections: int = field(metadata=_count("Connections that were accepted."))
    journal_bytes: int = field(metadata=_of_now("Size of the journal with its log."))
    disk_free_bytes: int = field(metadata=_of_now("Room left beside the journal."))
    fsync_ms: float = field(metadata=_of_now("Time that the last synced commit took."))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFigures:
    """What is told of each output, in the words of its health. The age is no number where nothing was ever sent."""

    connected: int = field(metadata=_of_now("1 while the other side takes what the output sends, else 0."))
    waiting: int = field(metadata=_of_now("What the output has to send."))
    waiting_age_s: float = field(metadata=_of_now("Age of the oldest of that; no number where nothing waits."))
    refused: int = field(metadata=_of_now("How much of it the other side did not take so far."))
    commands_refused: int = field(
        metadata=_of_now("Commands that came from the other side and were followed by nobody.")
    )
    last_sent_age_s: float = field(metadata=_of_now("Time since the other side last took something."))


FIGURES, OUTPUT_FIGURES = fields(Figures), fields(OutputFigures)
