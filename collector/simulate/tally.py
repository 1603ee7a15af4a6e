"""What a fleet counts: what it sent, what came of it, and what was wrong with the answers.

A fault is something no collector may do; that it could not be reached, closed or stayed silent is none, since a gateway
keeps its records and comes again.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# Of each rule that was broken the first case is kept whole, up to as many as a person reads.
_KEPT_FAULTS = 20
_SHOWN_BYTES = 96


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong answer: which rule it broke, the first bytes that were sent and all that came back."""

    ecu: str
    rule: str
    sent: bytes
    answer: bytes

    @property
    def text(self) -> str:
        """One line for a person."""
        return (
            f"ECU {self.ecu}: {self.rule}; sent {self.sent[:_SHOWN_BYTES]!r}, answered {self.answer[:_SHOWN_BYTES]!r}"
        )


@dataclass(slots=True)
class Tally:
    """Counts of a whole fleet; latencies are seconds from the last piece sent to the accepted answer."""

    produced: int = 0
    sent: int = 0
    acknowledged: int = 0
    resent: int = 0
    dropped: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)
    polls: int = 0
    status_records: int = 0
    queries: int = 0
    bundles: int = 0
    reboots: int = 0
    broken_rules: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    latencies: "array[float]" = field(default_factory=lambda: array("d"))

    def fault(self, ecu: str, rule: str, sent: bytes, answer: bytes) -> None:
        """Note a wrong answer."""
        self.broken_rules[rule] += 1
        if self.broken_rules[rule] == 1 and len(self.faults) < _KEPT_FAULTS:
            self.faults.append(Fault(ecu, rule, sent, answer))

    @property
    def fault_count(self) -> int:
        """How many answers were wrong."""
        return self.broken_rules.total()

    def percentiles(self) -> dict[str, float]:
        """Latencies in milliseconds: p50, p99 and max; empty without any."""
        waits = sorted(self.latencies)
        if not waits:
            return {}
        last = len(waits) - 1
        return {"p50": waits[last // 2] * 1e3, "p99": waits[last * 99 // 100] * 1e3, "max": waits[last] * 1e3}

    def as_json(self, held: int) -> dict[str, Any]:
        """The report; `held` are the records that are still with the gateways."""
        return {
            "produced": self.produced,
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "held": held,
            "resent": self.resent,
            "dropped": self.dropped,
            "unanswered": dict(self.unanswered),
            "latency_ms": self.percentiles(),
            "polls": self.polls,
            "status_records": self.status_records,
            "queries": self.queries,
            "bundles": self.bundles,
            "reboots": self.reboots,
            "wrong_answers": self.fault_count,
            "first_wrong_answers": [
                {
                    "ecu": fault.ecu,
                    "rule": fault.rule,
                    "times": self.broken_rules[fault.rule],
                    "sent": fault.sent.decode("latin-1"),
                    "answer": fault.answer.decode("latin-1"),
                }
                for fault in self.faults
            ],
        }
