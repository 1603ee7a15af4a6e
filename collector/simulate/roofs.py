"""Ready roofs: a small one for any gateway, and the one of the demonstration.

Both are near Utrecht, unless the small one is given another place. The demonstration's panels carry the names and
places that `demo.toml` gives them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta, tzinfo
from zoneinfo import ZoneInfo

from collector.client.firmware import GENERATIONS, Firmware
from collector.protocol.models import dialect
from collector.simulate._losses import AS_IN_THE_FIELD
from collector.simulate._site import SolarSite
from collector.simulate.equipment import INVERTERS, UNREADABLE, Obstacle, Panel, RoofInverter, Shadow
from collector.simulate.mishaps import AS_ON_A_REAL_ROOF, NONE, Mishaps
from collector.simulate.sky import Place
from collector.simulate.weather import Outlook

UTRECHT = Place(52.09, 5.12)

_SOUTH, _WEST = 180.0, 262.0
_TILT = 38.0
_PEAK_W = 400.0
_CHIMNEY, _TREE = Shadow(195, 260, 38), Shadow(185, 300, 60)

# What shades a roof with losses, as the panel sees it that is nearest; the next sees it further to the west.
_BY_CHIMNEY = Obstacle(Shadow(190, 218, 36), (5, 0))
_BY_HOUSE = Obstacle(Shadow(230, 310, 17), (0, 2.5))
_BY_TREE = Obstacle(Shadow(225, 275, 40), (3, 2), is_tree=True)
_NEXT_PANEL_DEG, _MOST_SHADED = 8.0, 4
_LARGE_SHARE = 1.45

DEMO_ECU = "215099999901"
DEMO_FIRMWARE: Firmware = GENERATIONS["linux-2017"]
DEMO_ZONE = ZoneInfo("Europe/Amsterdam")
_DEMO_SEED = 52
_SMALL, _LARGE = INVERTERS["YC600"], INVERTERS["QS1"]
_POLLED_LESS = timedelta(days=731)


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a roof. Of its first inverter the last panel has a tree beside it, and the first panel is dead
    from a day on; from another day on the last inverter is.
    """

    shaded_panel: bool = False
    dead_panel: date | None = None
    dead_inverter: date | None = None


def solar_site(
    firmware: Firmware,
    inverters: int = 4,
    seed: int = 0,
    *,
    models: Sequence[str] = (),
    zone: tzinfo = UTC,
    installed: date = date(2015, 1, 1),
    place: Place = UTRECHT,
    outlook: Outlook = Outlook.CHANGING,
    faults: Faults = Faults(),
    mishaps: Mishaps = NONE,
    with_losses: bool = False,
) -> SolarSite:
    """A roof for a gateway of this generation, half of it to the noon sun and half to the west.

    `models` recur over the inverters; without any they are those that such a gateway usually has. Where `mishaps` have
    a block that nobody knows, it is the last inverter's. `with_losses` each panel has its own noise, age, dust, snow
    and faults, some are in the shade, and every other inverter has panels that are too large for it; `faults` are then
    those of fate alone. Raises KeyError for an unknown model.
    """
    names = models or (firmware.inverter,)
    roof = []
    for number in range(1, inverters + 1):
        is_unreadable = mishaps.unknown_block and number == inverters
        model = UNREADABLE if is_unreadable else INVERTERS[names[(number - 1) % len(names)]]
        azimuth_deg = _facing(_SOUTH if number * 2 <= inverters else _WEST, place)
        peak_w = 0.8 * model.rated_w / model.channels + 60
        if with_losses:
            peak_w = (_LARGE_SHARE if number % 2 == 0 else 1.0) * model.rated_w / model.channels
        panels = [Panel(peak_w, azimuth_deg, _TILT)] * model.channels
        if number == 1 and not with_losses:
            panels = _spoilt(panels, faults, place)
        roof.append(
            RoofInverter(
                uid=f"{model.uid_prefix}0{seed % 10_000:04d}{number:04d}",
                model=model,
                panels=tuple(panels),
                line_v=number / inverters * 4,
                dead_from=faults.dead_inverter if number == inverters else None,
            )
        )
    form = dialect(firmware.version, firmware.system)
    return SolarSite(
        place,
        _behind_obstacles(roof, place) if with_losses else roof,
        dialect=form,
        fills_up=firmware.late_groups,
        zone=zone,
        installed=installed,
        seed=seed,
        outlook=outlook,
        mishaps=mishaps,
        sends_ac_energy=firmware.ac_energy,
        losses=AS_IN_THE_FIELD if with_losses else None,
    )


def _behind_obstacles(roof: Sequence[RoofInverter], place: Place) -> list[RoofInverter]:
    """The same roof with a chimney before the last panels of its first half; of the second, a house stands before the
    first and a tree before the last.
    """
    places = [(number, channel) for number, one in enumerate(roof) for channel in range(len(one.panels))]
    halves = [[at for at in places if (2 * (at[0] + 1) <= len(roof)) is first] for first in (True, False)]
    found: dict[tuple[int, int], Obstacle] = {}
    for half, obstacles in zip(halves, ((_BY_CHIMNEY,), (_BY_TREE, _BY_HOUSE)), strict=True):
        for obstacle in obstacles:
            order = half if obstacle is _BY_HOUSE else half[::-1]
            for step, at in enumerate(order[: min(_MOST_SHADED, len(half) // 4)]):
                found[at] = _seen_from(obstacle, step, place)
    return [
        replace(
            one,
            panels=tuple(
                replace(panel, obstacles=(found[number, channel],)) if (number, channel) in found else panel
                for channel, panel in enumerate(one.panels)
            ),
        )
        for number, one in enumerate(roof)
    ]


def _seen_from(obstacle: Obstacle, step: int, place: Place) -> Obstacle:
    """An obstacle as a panel sees it that is so many panels further away from it."""
    outline = obstacle.outline
    first_deg, last_deg = sorted(
        _facing(edge_deg + step * _NEXT_PANEL_DEG, place) for edge_deg in (outline.from_deg, outline.to_deg)
    )
    return replace(obstacle, outline=Shadow(first_deg, last_deg, outline.below_deg))


def _facing(azimuth_deg: float, place: Place) -> float:
    """The direction that is to this place what `azimuth_deg` is north of the equator."""
    return azimuth_deg if place.latitude >= 0 else (180 - azimuth_deg) % 360


def _spoilt(panels: list[Panel], faults: Faults, place: Place) -> list[Panel]:
    first, *others = panels
    if faults.dead_panel:
        first = replace(first, dead=(faults.dead_panel, date.max))
    panels = [first, *others]
    if faults.shaded_panel:
        first_deg, last_deg = sorted(_facing(edge_deg, place) for edge_deg in (_TREE.from_deg, _TREE.to_deg))
        panels[-1] = replace(panels[-1], shadow=Shadow(first_deg, last_deg, _TREE.below_deg))
    return panels


def demo_roof(installed: date) -> tuple[RoofInverter, ...]:
    """Eight panels to the south on four small inverters and eight to the west on two large ones.

    A chimney stands beside the last southern panel; one western panel was dead for some months of the second year; the
    gateway often fails to hear the fourth inverter, and the sixth is at the end of a long line.
    """
    south, west = Panel(_PEAK_W, _SOUTH, _TILT), Panel(_PEAK_W, _WEST, _TILT)
    by_the_chimney = Panel(_PEAK_W, _SOUTH, _TILT, shadow=_CHIMNEY)
    died, replaced = installed + timedelta(days=500), installed + timedelta(days=640)
    broken = Panel(_PEAK_W, _WEST, _TILT, dead=(died, replaced))
    small = [(south, south), (south, south), (south, south), (south, by_the_chimney)]
    large = [(west, west, west, west), (west, broken, west, west)]
    return (
        *(
            RoofInverter(
                uid=f"40809999990{number}",
                model=_SMALL,
                panels=panels,
                line_v=1.0,
                radio_loss=0.08 if number == 4 else 0.01,
            )
            for number, panels in enumerate(small, 1)
        ),
        *(
            RoofInverter(uid=f"80609999990{number}", model=_LARGE, panels=panels, line_v=3.0 if number == 1 else 5.0)
            for number, panels in enumerate(large, 1)
        ),
    )


def demo_site(installed: date) -> SolarSite:
    """The demonstration's site: 16 panels in two directions, 6.4 kWp.

    In its first two years the gateway polls every ten minutes only, which brings the history in two thirds of the time.
    What the firmware does wrong by itself it does as often as on a real roof.
    """
    return SolarSite(
        UTRECHT,
        demo_roof(installed),
        dialect=dialect(DEMO_FIRMWARE.version, DEMO_FIRMWARE.system),
        zone=DEMO_ZONE,
        installed=installed,
        every_other_until=installed + _POLLED_LESS,
        seed=_DEMO_SEED,
        mishaps=AS_ON_A_REAL_ROOF,
    )
