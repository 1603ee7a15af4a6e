"""Ready roofs: a small one for any gateway, and the one of the demonstration.

Both are near Utrecht. The demonstration's panels carry the names and places that `demo.toml` gives them.
"""

from collections.abc import Sequence
from datetime import UTC, date, timedelta, tzinfo
from zoneinfo import ZoneInfo

from collector.protocol.forms import dialect
from collector.simulate.equipment import INVERTERS, QS1, YC600, Panel, RoofInverter, Shadow
from collector.simulate.firmware import GENERATIONS, Firmware
from collector.simulate.site import SolarSite
from collector.simulate.sky import Place

UTRECHT = Place(52.09, 5.12)

_SOUTH, _WEST = 180.0, 262.0
_TILT = 38.0
_PEAK_W = 400.0

DEMO_ECU = "215099999901"
DEMO_FIRMWARE: Firmware = GENERATIONS["linux-2017"]
DEMO_ZONE = ZoneInfo("Europe/Amsterdam")
_DEMO_SEED = 52
_POLLED_LESS = timedelta(days=731)


def solar_site(
    firmware: Firmware,
    inverters: int = 4,
    seed: int = 0,
    *,
    models: Sequence[str] = (),
    zone: tzinfo = UTC,
    installed: date = date(2015, 1, 1),
) -> SolarSite:
    """A roof for a gateway of this generation, half of it to the south and half to the west.

    `models` recur over the inverters; without any they are those that such a gateway usually has. Raises KeyError for
    an unknown model.
    """
    names = models or (firmware.inverter,)
    roof = []
    for number in range(1, inverters + 1):
        model = INVERTERS[names[(number - 1) % len(names)]]
        panel = Panel(0.8 * model.rated_w / model.channels + 60, _SOUTH if number * 2 <= inverters else _WEST, _TILT)
        uid = f"{model.prefix}{seed % 10_000:04d}{number:04d}"
        roof.append(RoofInverter(uid=uid, model=model, panels=(panel,) * model.channels, line_v=number / inverters * 4))
    form = dialect(firmware.version, firmware.system)
    return SolarSite(
        UTRECHT, roof, dialect=form, fills_up=firmware.late_groups, zone=zone, installed=installed, seed=seed
    )


def demo_roof(installed: date) -> tuple[RoofInverter, ...]:
    """Eight panels to the south on four small inverters and eight to the west on two large ones.

    A chimney stands beside the last southern panel; one western panel was dead for some months of the second year; the
    gateway often fails to hear the fourth inverter, and the sixth is at the end of a long line.
    """
    south, west = Panel(_PEAK_W, _SOUTH, _TILT), Panel(_PEAK_W, _WEST, _TILT)
    by_the_chimney = Panel(_PEAK_W, _SOUTH, _TILT, shadow=Shadow(195, 260, 38))
    died, replaced = installed + timedelta(days=500), installed + timedelta(days=640)
    broken = Panel(_PEAK_W, _WEST, _TILT, dead=(died, replaced))
    small = [(south, south), (south, south), (south, south), (south, by_the_chimney)]
    large = [(west, west, west, west), (west, broken, west, west)]
    return (
        *(
            RoofInverter(
                uid=f"40809999990{number}",
                model=YC600,
                panels=panels,
                line_v=1.0,
                radio_loss=0.08 if number == 4 else 0.01,
            )
            for number, panels in enumerate(small, 1)
        ),
        *(
            RoofInverter(uid=f"80609999990{number}", model=QS1, panels=panels, line_v=3.0 if number == 1 else 5.0)
            for number, panels in enumerate(large, 1)
        ),
    )


def demo_site(installed: date) -> SolarSite:
    """The demonstration's site: 16 panels in two directions, 6.4 kWp.

    In its first two years the gateway polls every ten minutes only, which brings the history in two thirds of the time.
    """
    return SolarSite(
        UTRECHT,
        demo_roof(installed),
        dialect=dialect(DEMO_FIRMWARE.version, DEMO_FIRMWARE.system),
        zone=DEMO_ZONE,
        installed=installed,
        every_other_until=installed + _POLLED_LESS,
        seed=_DEMO_SEED,
    )
