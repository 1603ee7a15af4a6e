"""The output to PVOutput: one for each system, which sends when there is something and the service may be asked."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import trio
from pydantic_core import PydanticCustomError

from collector.clock.stamps import NS, to_second
from collector.config.model import Config, PvOutput
from collector.config.names import Names
from collector.config.values import token_in
from collector.errors import JournalError
from collector.journal.state import OutputHealth
from collector.journal.threaded import ThreadedJournal
from collector.outputs.pvoutput._budget import Budget
from collector.outputs.pvoutput._http import Service
from collector.outputs.pvoutput._sender import Sender
from collector.outputs.pvoutput._service import Answer, Kind, Request, ServiceError

_log = logging.getLogger(__name__)

# A record is in the ledger soon after it was stored.
_LINGER_S = 3.0
# How often the file of a key that was refused is looked at, and for how long the owner is told of what was set aside.
_LOOK_S: Final = 60.0
_TOLD_FOR_NS: Final = 86_400 * NS


def configured(config: Config, _names: Names, journal: Callable[[], ThreadedJournal]) -> Sequence["PvOutputOutput"]:
    """One for each system. Those of one key share the hour's requests."""
    keys = [_key_place(settings) for settings in config.pvoutput]
    shared = {place: (Budget(), trio.Lock()) for place in keys}
    return [
        PvOutputOutput(config, settings, journal(), *shared[place], keys.count(place))
        for settings, place in zip(config.pvoutput, keys, strict=True)
    ]


def _key_place(settings: PvOutput) -> str:
    try:
        return key_of(settings)
    except ServiceError:
        return str(settings.key_file)


def key_of(settings: PvOutput) -> str:
    """The key, as it is in its file now; raises ServiceError without one."""
    remedy = "name a file with the key of PVOutput's settings as pvoutput.key_file, or set PVOUTPUT_KEY"
    if settings.key_file is None:
        if settings.key is None:
            raise ServiceError(Kind.KEY, "there is no key for PVOutput", remedy)
        return settings.key.get_secret_value()
    try:
        return token_in(settings.key_file)
    except OSError as exc:
        raise ServiceError(Kind.KEY, f"the file with PVOutput's key can't be read: {exc.strerror}", remedy) from None
    except PydanticCustomError as exc:
        raise ServiceError(Kind.KEY, f"PVOutput's key: {exc.message()}", remedy) from None


class PvOutputOutput:
    """Sends the intervals and days of one system."""

    def __init__(
        self,
        config: Config,
        settings: PvOutput,
        journal: ThreadedJournal,
        budget: Budget,
        lock: trio.Lock,
        sharing: int,
    ) -> None:
        self._name = "pvoutput" if len(config.pvoutput) == 1 else f"pvoutput-{settings.system_id}"
        self._settings = settings
        self._service = self._new_service()
        self._sender = Sender(config, settings, journal, self._call, budget, lock, sharing)
        self._unread: ServiceError | None = None
        self._woken = trio.Event()

    @property
    def health(self) -> OutputHealth:
        """How it goes; what waits is counted in days."""
        progress = self._sender.progress
        refusal = progress.last_refusal
        is_told = refusal is not None and time.time_ns() - refusal.at < _TOLD_FOR_NS
        error = self._sender.error or self._unread or (refusal if is_told else None)
        return OutputHealth(
            name=self._name,
            connected=self._sender.is_connected,
            last_sent=progress.last_sent,
            waiting=len(progress.days),
            last_error=error.reason if error else "",
            remedy=error.remedy if error else "",
            note="; ".join(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if self._sender.waits_until:
            yield f"the hour's requests are used up until {to_second(self._sender.waits_until)}"
        progress = self._sender.progress
        if count := len(progress.refused):
            last = f", the last: {progress.last_refusal.reason}" if progress.last_refusal else ""
            yield f"{count} status{'es' * (count > 1)} set aside{last}"

    def wake(self) -> None:
        """Something was stored."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled."""
        self._service = self._new_service()
        try:
            while True:
                self._woken = trio.Event()
                await self._wait(await self._step())
        finally:
            self._service.abort()

    def _new_service(self) -> Service:
        return Service(self._settings.url, self._settings.system_id, partial(key_of, self._settings))

    def _call(self, request: Request) -> Answer:
        return self._service.call(request)

    async def _step(self) -> float:
        try:
            await self._look_at_key()
            return await self._sender.step(time.time_ns())
        except JournalError as exc:
            _log.debug("nothing read for PVOutput reason=%s", exc)
            return _LOOK_S

    async def _look_at_key(self) -> None:
        """A key that can't be read is told of before it is needed, and one that was refused is tried again when it is
        another one.
        """
        error = self._sender.error
        if self._sender.is_connected or (error is not None and error.kind is not Kind.KEY):
            return
        try:
            key = await trio.to_thread.run_sync(key_of, self._settings, abandon_on_cancel=True)
        except ServiceError as exc:
            self._unread = exc
            return
        if error is not None and (self._unread is not None or key != self._service.used_key):
            self._sender.go_on()
        self._unread = None

    async def _wait(self, wait_s: float) -> None:
        if self._sender.error is not None:
            # What was stored mends nothing.
            await trio.sleep(min(wait_s, _LOOK_S))
            return
        with trio.move_on_after(wait_s) as scope:
            await self._woken.wait()
        if not scope.cancelled_caught:
            await trio.sleep(_LINGER_S)
