"""What gateways send, built digit by digit from docs/protocol.md and without the program's own encoder.

A frame keeps what it says as plain figures, from which `expected` tells what InfluxDB has to hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

_TWO_CHANNELS, _THREE_PHASES = "07", "04"

# What an inverter makes in five minutes of one watt, in mWh.
_MWH_A_WATT = 83
_AC_SHARE = 0.94
_DC_VOLTS = 34.0


@dataclass(frozen=True, slots=True)
class Device:
    """One inverter; `kind` is its type code on the wire."""

    uid: str
    kind: str

    @property
    def model(self) -> str:
        """As the tag has it."""
        return {_TWO_CHANNELS: "YC600", _THREE_PHASES: "YC1000"}[self.kind]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one inverter measured: whole watts of each channel, and the grid's volts at each phase."""

    device: Device
    watts: tuple[int, ...]
    volts: tuple[int, ...]
    celsius: int
    hundredths_of_var: int

    @property
    def dc_w(self) -> int:
        """All channels together."""
        return sum(self.watts)

    @property
    def ac_hundredths(self) -> tuple[int, ...]:
        """AC power at each phase, in 0.01 W."""
        if self.device.kind == _TWO_CHANNELS:
            return (round(_AC_SHARE * self.dc_w * 100),)
        return tuple(round(_AC_SHARE * self.dc_w * 100 / 3) for _ in self.volts)

    @property
    def ac_mwh(self) -> tuple[int, ...]:
        """AC energy of the interval at each phase."""
        return tuple(round(power / 100 * _MWH_A_WATT) for power in self.ac_hundredths)

    @property
    def mwh(self) -> tuple[int, ...]:
        """DC energy of the interval on each channel."""
        return tuple(watts * _MWH_A_WATT for watts in self.watts)

    @property
    def tenths_of_ampere(self) -> tuple[int, ...]:
        """DC current on each channel."""
        return tuple(round(watts / _DC_VOLTS * 10) for watts in self.watts)

    @property
    def dc_volts(self) -> float:
        """The same on all channels."""
        return _DC_VOLTS

    def block(self) -> str:
        """As it stands on the wire, without what closes it."""
        head = f"{self.device.uid}{self.device.kind}"
        dc = list(zip(self.tenths_of_ampere, self.mwh, self.watts, strict=True))
        if self.device.kind == _TWO_CHANNELS:
            head += f"{self.volts[0]:03d}00500{self.celsius + 100:03d}{self.hundredths_of_var:05d}"
            head += f"{self.ac_hundredths[0]:05d}{self.ac_mwh[0]:010d}"
            return head + "".join(
                f"{number}{round(_DC_VOLTS * 10):05d}{tenths:03d}{mwh:06d}{watts * 100:05d}"
                for number, (tenths, mwh, watts) in enumerate(dc, 1)
            )
        head += f"{round(_DC_VOLTS * 10):05d}00500{self.celsius + 100:03d}"
        ac = zip(self.volts, self.ac_hundredths, self.ac_mwh, strict=True)
        for number, ((tenths, mwh, watts), (volts, power, energy)) in enumerate(zip(dc, ac, strict=False), 1):
            head += f"{number}{tenths:03d}{volts:03d}{self.hundredths_of_var:05d}{power:05d}{energy:06d}"
            head += f"{mwh:06d}{watts * 100:05d}"
        tenths, mwh, watts = dc[3]
        return head + f"4{tenths:03d}{mwh:06d}{watts * 100:05d}"


def measure(device: Device, rng: Random) -> Reading:
    """Some reading of an inverter by day."""
    channels, phases = (2, 1) if device.kind == _TWO_CHANNELS else (4, 3)
    return Reading(
        device,
        tuple(rng.randrange(5, 260) for _ in range(channels)),
        tuple(rng.randrange(220, 245) for _ in range(phases)),
        rng.randrange(-8, 70),
        rng.randrange(0, 900),
    )


Round = tuple[str, tuple[Reading, ...]]


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `own` is its round, `late` are those of other times; `event` is the (time, inverter) of a report,
    `version` the firmware that one tells. `answer` is all that a gateway accepts; b"" where silence is right.
    """

    ecu: str
    raw: bytes
    answer: bytes
    own: Round | None = None
    late: tuple[Round, ...] = ()
    lifetime_tenths: int = 0
    event: tuple[str, str] | None = None
    version: str = ""

    @property
    def is_upload(self) -> bool:
        """Whether it belongs on a data port."""
        return self.event is None and not self.version


def upload(ecu: str, time: str, readings: Sequence[Reading], lifetime_tenths: int, late: Sequence[Round] = ()) -> Frame:
    """A round, perhaps with late ones behind it."""
    power_w = sum(reading.dc_w for reading in readings)
    mwh = sum(sum(reading.mwh) for reading in readings)
    text = f"APS1800000AAAAAAA1{ecu}{power_w:010d}{mwh:010d}{lifetime_tenths:010d}{time}{len(readings):03d}000000END"
    text += "".join(f"{reading.block()}END" for reading in readings)
    text += _tail(late)
    own = (time, tuple(readings))
    return Frame(ecu, _measured(text), f"101{time}".encode(), own, tuple(late), lifetime_tenths)


def fill_up(ecu: str, key: str, late: Sequence[Round]) -> Frame:
    """Late rounds alone, under a key that is a time a thousand years ahead."""
    text = f"APS180000000020001{ecu}{key}END{_tail(late)}"
    return Frame(ecu, _measured(text), f"101{key}".encode(), late=tuple(late))


def states(ecu: str, time: str, device: Device) -> Frame:
    """An inverter's abnormal states, which the gateway keeps until they are answered."""
    text = f"APS1300000A123AAA1{ecu}0001{time}END{device.uid}{device.kind}1000{'0' * 10}1END"
    answer = f"APS13AAA38A123AAA0101{time}END".encode()
    return Frame(ecu, _measured(text), answer, event=(time, device.uid))


def firmware(ecu: str, version: str) -> Frame:
    """The report of the firmware, which gets no answer."""
    text = f"APS1300000A102AAA0{ecu}00{version}00020240601120000END"
    return Frame(ecu, _measured(text), b"", version=version)


def _tail(late: Sequence[Round]) -> str:
    if not late:
        return ""
    groups = (
        f"{time}{len(readings):03d}UND{''.join(f'{reading.block()}UND' for reading in readings)}END"
        for time, readings in late
    )
    return f"ADD{''.join(groups)}"


def _measured(text: str) -> bytes:
    return f"{text[:5]}{len(text):05d}{text[10:]}".encode()
