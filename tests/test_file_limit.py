"""What a limit on open files means for connections, and how loud it is to reach it."""

import logging

import pytest
import trio

from collector.file_limit import OnceAMinute, room_for_connections


@pytest.mark.parametrize(("files", "room"), [(1, 1), (64, 32), (150, 75), (1024, 924), (1_048_576, 1_048_476)])
def test_the_journal_and_the_way_to_influxdb_keep_files_of_their_own(files: int, room: int) -> None:
    assert room_for_connections(files) == room


async def test_connections_that_cannot_be_accepted_are_one_line_and_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As trio says it, whose listener tries again ten times a second."""

    class Full(trio.abc.Listener[trio.abc.Stream]):
        tried = 0

        async def accept(self) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            self.tried += 1
            if self.tried > 5:
                enough.cancel()
            raise OSError(24, "Too many open files")

        async def aclose(self) -> None:
            await trio.lowlevel.checkpoint()

    logger, once = logging.getLogger("trio.serve_listeners"), OnceAMinute()
    logger.addFilter(once)
    try:
        with trio.CancelScope() as enough:
            await trio.serve_listeners(trio.aclose_forcefully, [Full()])
    finally:
        logger.removeFilter(once)
    (record,) = caplog.records
    assert record.getMessage().startswith("accept returned EMFILE (Too many open files)")
    assert record.exc_info is None
