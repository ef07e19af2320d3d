"""Stage, call, publish: rows through the user's function, with the three of them overlapped."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

import attrs

from file_dataset.domain.calling import Caller
from file_dataset.domain.plan import RowResult
from file_dataset.domain.records import Input, Inputs
from file_dataset.domain.resuming import Resuming
from file_dataset.domain.rows import Row, RowFailure, RowId
from file_dataset.domain.staging import StagedFiles, Staging, Unfetched
from file_dataset.domain.threads import behind, closing, unordered
from file_dataset.domain.timeline import Span, Timeline
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")


@attrs.frozen
class _Called:
    """A row that the function has answered: its output files, or what kept it from them."""

    staged: StagedFiles
    answer: Row | RowFailure


_Item: TypeAlias = _Called | Unfetched


class Publisher(Protocol):
    """Puts rows where they go."""

    def publish(self, rows: Sequence[Row], inputs: Inputs) -> Iterator[RowResult[Url]]:
        """Each row with the URLs of its files, or what kept it from that, in order."""


@attrs.frozen
class Pipelining:
    """Rows through a function: downloads run ahead of it, and uploads behind it.

    Args:
        staging: Fetches rows into directories.
        caller: Calls the user's function.
        publishing: Puts its outputs where they go.
        workers: How many rows are in the function at a time; one runs in the calling thread.
        keep_failed: Where the directories of rows that failed in the function, or after it,
            are kept; None keeps none.
        resuming: Tells which rows are done already; None runs all.
    """

    staging: Staging
    caller: Caller
    publishing: Publisher
    workers: int = 1
    keep_failed: Path | None = None
    resuming: Resuming | None = None

    def run(
        self,
        rows: Iterable[Row],
        *,
        is_stopped: Callable[[], bool] = lambda: False,
        late: Callable[[RowResult[Url]], object] = lambda _: None,
        timeline: Timeline | None = None,
    ) -> Iterator[RowResult[Url]]:
        """Each row with the URLs of its outputs, or what kept it from them, as they come.

        Closing it stops the run: what is under way ends, and no more is begun.

        Args:
            rows: The rows.
            is_stopped: Whether the run is to end by itself: the rows that are in the function, or
                behind it, still come out, and all others do not.
            late: Given the rows that were being published when the iterator was closed.
            timeline: Is told when rows were in each stage; None for nobody.
        """
        taken: set[StagedFiles] = set()
        with ExitStack() as stack:
            stack.callback(_release_all, taken)
            wanted = self.resuming.sorted_out(rows) if self.resuming else rows
            staged = stack.enter_context(closing(self.staging.stage(wanted)))
            admitted = _admitted(staged, taken, is_stopped)
            called = stack.enter_context(
                closing(unordered(self._call, admitted, workers=self.workers))
            )
            published = behind(
                partial(self._publish, taken, timeline),
                called,
                depth=max(1, self.staging.prefetch),
                apart=self.workers > 1,
                stop=self._stop,
                late=late,
            )
            yield from stack.enter_context(closing(published))

    def _stop(self) -> None:
        """Let nothing wait for rows that are never going to move on."""
        self.staging.budget.close()
        self.caller.stop()

    def _call(self, staged: StagedFiles | Unfetched) -> _Item:
        if not isinstance(staged, StagedFiles):
            return staged
        begun = time.monotonic()
        answer = self.caller.call(staged)
        staged.spans.append(Span(begun, time.monotonic()))
        return _Called(staged, answer)

    def _publish(
        self, taken: set[StagedFiles], timeline: Timeline | None, items: Sequence[_Item]
    ) -> Iterator[RowResult[Url]]:
        outputs = [
            item.answer
            for item in items
            if isinstance(item, _Called) and isinstance(item.answer, Row)
        ]
        inputs = _Inputs(item.staged for item in items if isinstance(item, _Called))
        begun = time.monotonic()
        published = self.publishing.publish(outputs, inputs)
        for item in items:
            if not isinstance(item, _Called):
                yield item
                continue
            result = item.answer if isinstance(item.answer, RowFailure) else next(published)
            if isinstance(result, RowFailure):
                self._keep(item.staged)
            if timeline is not None:
                ended = time.monotonic()
                # What failed in the function has nothing to publish.
                is_lost = isinstance(item.answer, RowFailure)
                span = Span(ended if is_lost else begun, ended, len(outputs) or 1)
                read, call = item.staged.spans
                timeline.note(item.staged.row.id, (read, call, span), item.staged.size)
            item.staged.release()
            taken.remove(item.staged)
            yield result

    def _keep(self, staged: StagedFiles) -> None:
        if self.keep_failed is None:
            return
        kept = self.keep_failed / str(staged.row.id)
        try:
            for name in ("input", "output"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(kept / name)
            for name, directory in zip(("input", "output"), staged.directories, strict=False):
                # The function may have put a link in its place, to whatever is there.
                if not directory.is_symlink():
                    shutil.copytree(directory, kept / name, symlinks=True)
        except OSError as error:
            # It helps to debug a row, and is no reason to lose the others.
            _log.warning("Could not keep all that row %s left: %s", staged.row.id, error)


class _Inputs(Mapping[RowId, Mapping[str, Input]]):
    """What rows were made of, put together for those of which somebody wants to know."""

    def __init__(self, staged: Iterable[StagedFiles]) -> None:
        self._staged = {each.row.id: each for each in staged}

    def __getitem__(self, row_id: RowId) -> Mapping[str, Input]:
        staged = self._staged[row_id]
        sources = staged.row.sources
        return {
            name: Input.of(sources[name], info)
            for name, info in staged.infos.items()
            if info is not None
        }

    def __iter__(self) -> Iterator[RowId]:
        return iter(self._staged)

    def __len__(self) -> int:
        return len(self._staged)


def rows_at_once(prefetch: int, workers: int) -> int:
    """How many rows may be in directories at a time, from being fetched to being published."""
    fetched = prefetch + 1
    called = 1 if workers == 1 else 2 * workers
    published = 2 * max(1, prefetch)  # some of which wait for the others
    return fetched + called + published


def _admitted(
    staged: Iterator[StagedFiles | Unfetched],
    taken: set[StagedFiles],
    is_stopped: Callable[[], bool],
) -> Iterator[StagedFiles | Unfetched]:
    """The rows that may go on; those in a directory are added to the ones to be released."""
    while not is_stopped():
        each = next(staged, None)
        if each is None:
            return
        if isinstance(each, StagedFiles):
            taken.add(each)
            # It may have been long in coming.
            if is_stopped():
                return
        yield each


def _release_all(taken: set[StagedFiles]) -> None:
    for each in tuple(taken):
        each.release()
