"""What the commands do not come to by themselves: records in state 2, and an end by a signal."""

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from collector.client.firmware import GENERATIONS
from collector.client.network import Client, Pace, Target
from collector.commands import simulate
from collector.simulate.tally import Tally
from tests.running import Collector
from tests.simulate.peers import Peer, device, rounds
from tests.simulate.test_commands import parsed


async def test_what_another_collector_left_in_state_2_is_settled_with_this_one_by_every_generation(
    tmp_path: Path,
) -> None:
    tally = Tally()
    with Collector(tmp_path) as collector:
        first, second, control = collector.ports
        for name, firmware in GENERATIONS.items():
            gateway = device(name, tally)
            # The shorter records are followed by what the longer ones left in the buffer.
            for inverters, polled in zip((3, 1, 2), rounds(3), strict=True):
                shown = rounds(1, model=firmware.inverter, inverters=inverters)[0].inverters
                gateway.add(type(polled)(polled.at, shown))
            Peer(lambda _frame: b"100").perform(gateway.upload())
            tally.broken_rules.clear()
            client = Client(
                Target("127.0.0.1", (first, second), control), Pace(0.02, 10.0), trio.CapacityLimiter(1), seed=1
            )
            await client.perform(gateway.night())
            assert (name, len(gateway.store), dict(tally.broken_rules)) == (name, 0, {})
    assert tally.unanswered.total() == 0


@pytest.mark.parametrize("left", [0, 1])
async def test_the_last_piece_of_a_message_may_be_its_line_feed_alone_half_a_second_later(
    tmp_path: Path, left: int
) -> None:
    tally = Tally()
    with Collector(tmp_path) as collector:
        first, second, control = collector.ports
        target = Target("127.0.0.1", (first, second), control)
        async with trio.open_nursery() as nursery:
            for name in GENERATIONS:
                gateway = device(name, tally, held=1)
                length = len(gateway.store.records[0].frame)
                gateway.firmware = replace(gateway.firmware, piece_bytes=length - left)
                client = Client(target, Pace(0.5, 10.0), trio.CapacityLimiter(1))
                nursery.start_soon(client.perform, gateway.upload())
    assert (tally.acknowledged, tally.faults) == (len(GENERATIONS), [])


def test_a_signal_ends_it_with_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Collector(tmp_path, arguments=("--verbose",)) as collector:
        first, _, control = map(str, collector.ports)

        def stop_when_something_came() -> None:
            collector.wait_for(" stored ", within_s=30.0)
            os.kill(os.getpid(), signal.SIGTERM)

        watching = threading.Thread(target=stop_when_something_came)
        watching.start()
        chosen = parsed(
            *("simulate", "--config", str(collector.config), "--data-port", first, "--control-port", control),
            *("--steady", "--speed", "300", "--json"),
        )
        code = simulate.run(chosen)
        watching.join()
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["wrong_answers"] == 0
    # Nobody looks at an empty screen and wonders, nor at one that is full.
    assert err.startswith(f"gateway 216099000000 to 127.0.0.1, {first}: every five minutes, with the first record due ")
    assert err.endswith("; Ctrl-C ends it\n")
    assert code == (1 if report["held"] else 0)
