"""What a mirror to the vendor's cloud costs gateways: nothing that they could notice, whatever the cloud does."""

import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from benchmarks import service
from benchmarks.result import Options, Row, below
from benchmarks.turns import Turns, take
from tests.outputs.cloud import Answer, Cloud, Wrong
from tests.samples import frame, yc600
from tests.simulate.peers import right_answer

_ZONE = ZoneInfo("Europe/Amsterdam")
_INVERTERS = 20
_GATEWAYS = 20
_MOST_SLOWER = 1.10
_WITHOUT = "without a mirror"
_MIRRORED = "with a mirror"
_WAYS: dict[str, Answer] = {
    _MIRRORED: right_answer,
    "with a cloud that hangs": lambda _: Wrong.HANGS,
    "with a cloud that floods": lambda _: Wrong.FLOODS,
}


def measure(options: Options) -> list[Row]:
    """A row for each way of acknowledging."""
    with TemporaryDirectory(dir=options.folder) as name, ExitStack() as stack:
        collectors, clouds = {}, {}
        for number, way in enumerate((_WITHOUT, *_WAYS)):
            folder = Path(name) / str(number)
            folder.mkdir()
            settings = ""
            if way in _WAYS:
                clouds[way] = stack.enter_context(Cloud(_WAYS[way]))
                settings = clouds[way].settings
            config = service.write_config(folder, settings)
            collectors[way] = Turns(stack.enter_context(service.collector(folder, config, {})))
        sent = take(list(collectors.values()), _record, options)
        mirrored = len(set(clouds[_MIRRORED].records))
    without = collectors[_WITHOUT]
    return [
        {
            "what": f"acknowledgements {way}",
            **one.row(without),
            "mirrored": f"{mirrored} of {sent}" if way == _MIRRORED else None,
            **({} if way == _WITHOUT else below(one.p99_ms / without.p99_ms, _MOST_SLOWER)),
        }
        for way, one in collectors.items()
    ]


def _record(later: int) -> bytes:
    """A record of one gateway of many, so many records before now."""
    at = datetime.fromtimestamp(time.time() - 300.0 * later / _GATEWAYS, UTC).astimezone(_ZONE)
    uids = [f"4080000{inverter:05d}" for inverter in range(_INVERTERS)]
    ecu = f"2160000000{later % _GATEWAYS:02d}"
    return frame(f"{at:%Y%m%d%H%M%S}", *(yc600(uid) for uid in uids), ecu=ecu) + b"\n"
