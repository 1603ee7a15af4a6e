"""What the service says of itself, as it is written and read."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from collector.clock.stamps import NS, to_second
from collector.journal.state import SILENT_NS, RunState

NOW = 1_800_000_000 * NS
RUNS = RunState(version="0.2.0", started_at=NOW - 3600 * NS, beat_at=NOW)

_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda some: st.lists(some, max_size=2))


@given(
    st.builds(
        RunState,
        version=st.text(),
        started_at=st.integers(0),
        stopped_at=st.integers(0),
        journal_error=st.text(),
        unanswered=st.integers(0),
        influxdb_error=st.text(),
        names=st.none() | st.text(),
        failures=st.lists(st.text()).map(tuple),
    )
)
def test_what_was_written_is_read(state: RunState) -> None:
    assert RunState.read(json.loads(json.dumps(state.values())), 0) == state


@given(st.dictionaries(st.sampled_from([*RunState.__dataclass_fields__, "of tomorrow"]), _JSON))
def test_whatever_is_there_in_its_place_is_read_without_an_error(values: dict[str, object]) -> None:
    RunState.read(values, 0).is_alive(NOW)


def test_the_sign_of_life_is_not_written_and_that_of_an_older_service_is_read() -> None:
    assert "beat_at" not in RUNS.values()
    assert RunState.read(RUNS.values(), NOW) == RUNS
    assert RunState.read({"beat_at": NOW}, 0).is_alive(NOW)
    # This one was killed and is gone; the new one's counts.
    assert RunState.read({"beat_at": NOW - SILENT_NS - 1}, NOW).is_alive(NOW)


def test_what_it_noted_tells_until_when_it_ran_at_least() -> None:
    dead = RunState.read({"started_at": NOW - 3600 * NS, "noted_at": NOW - 60}, 0)
    assert not dead.is_alive(NOW)
    assert dead.silence == f"no sign of life, the last note is of {to_second(NOW - 60)}"
    assert RUNS.silence == f"no sign of life since {to_second(NOW)}"
    assert RunState(started_at=NOW).silence == "no sign of life"


def test_nothing_at_all_is_no_service() -> None:
    assert RunState.read({}, 0).is_blank
    assert not RunState.read({}, 0).is_alive(NOW)
    assert not RUNS.is_blank


def test_it_is_alive_as_long_as_its_sign_of_life_is_about_now_by_either_clock() -> None:
    assert RUNS.is_alive(NOW)
    assert RUNS.is_alive(NOW + SILENT_NS)
    assert not RUNS.is_alive(NOW + SILENT_NS + 1)
    assert not RUNS.is_alive(NOW - SILENT_NS - 1)
    assert not replace(RUNS, stopped_at=NOW).is_alive(NOW)


def test_a_service_without_influxdb_differs_from_one_that_has_not_said_yet() -> None:
    assert RunState.read({"names": None}, 0).names == ""
    assert RunState.read({"names": ""}, 0).names == ""
    assert RunState.read({}, 0).names is None
