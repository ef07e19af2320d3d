"""How rows are taken through a function in this process, as the user says it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import attrs

from file_dataset.api import _wiring
from file_dataset.api._arguments import at_least, one_of, time_limit
from file_dataset.api.committing import Committing
from file_dataset.api.running import Engine
from file_dataset.domain.calling import RowFunction
from file_dataset.domain.objects import Span
from file_dataset.domain.pipeline import Pipelining
from file_dataset.domain.plan import RowResult
from file_dataset.domain.planning import Planned, Planning
from file_dataset.domain.ports import Observer
from file_dataset.domain.reporting import About
from file_dataset.domain.rows import Row
from file_dataset.domain.staging import Staging
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.timeline import Timeline
from file_dataset.domain.url import Url

_LARGEST_SAMPLE = 32 << 20  # bytes of a picture that a report shows

Isolation: TypeAlias = Literal["thread", "process"]


@attrs.frozen
class Execution:
    """How rows are taken through a function in this process; ``Pipeline`` tells of each argument.

    Args:
        function: The function.
        store: Where files are.
        committing: How rows come to their destination.
        workers: How many rows are in the function at a time.
        isolation: Whether it runs in this process or in others.
        timeout: Seconds that it may take for a row; None for as long as it takes.
        prefetch: How many rows may be fetched and not yet be in it.
        max_staging_bytes: How many bytes of fetched files there may be at a time.
        keep_failed: Where the directories of rows are kept that failed in it, or after it.
    """

    function: RowFunction
    store: Store
    committing: Committing
    workers: int
    isolation: Isolation
    timeout: float | None
    prefetch: int
    max_staging_bytes: int | None
    keep_failed: Path | None

    def __attrs_post_init__(self) -> None:
        at_least("workers", self.workers, 1)
        one_of("isolation", self.isolation, ("thread", "process"))
        time_limit(self.timeout, self.isolation)
        at_least("prefetch", self.prefetch, 0)
        if self.max_staging_bytes is not None:
            at_least("max_staging_bytes", self.max_staging_bytes, 1)

    def of_one_run(self) -> Execution:
        """The same for copies that work on parts of the same data."""
        return attrs.evolve(self, committing=self.committing.of_one_run())

    @contextlib.contextmanager
    def here(self, rows: int) -> Iterator[Pipelining]:
        """What takes so many rows through in this process, of which nothing is left in the end."""
        with (
            _wiring.temp_scratch(None) as scratch,
            _wiring.calling(
                self.function,
                isolation=self.isolation,
                workers=max(1, min(self.workers, rows)),
                timeout=self.timeout,
            ) as caller,
        ):
            staging = Staging(
                self.store,
                scratch,
                self.prefetch,
                with_output=self.function.takes_output,
                budget=_wiring.staging_budget(self.max_staging_bytes, None),
            )
            yield Pipelining(
                staging,
                caller,
                self.committing.publisher(),
                self.workers,
                self.keep_failed,
                self.committing.resuming(),
            )

    def results(
        self, rows: Sequence[Row], timeline: Timeline, is_stopped: Callable[[], bool]
    ) -> Iterator[RowResult[Url]]:
        """What becomes of rows in this process, until the run that they are of is over."""
        with (
            self.here(len(rows)) as here,
            closing(here.run(rows, timeline=timeline, is_stopped=is_stopped)) as results,
        ):
            yield from results

    @contextlib.contextmanager
    def parts(
        self,
        rows: int,
        engine: Engine | None,
        progress: Observer | bool | None,  # noqa: FBT001 - it is one value
    ) -> Iterator[tuple[Observer, Engine]]:
        """What one run over so many rows is done with, and who is told of it."""
        with (
            _wiring.observing(progress) as observe,
            self.here(rows) if engine is None else contextlib.nullcontext(engine) as taken,
        ):
            yield observe, taken

    def planned(self, rows: Sequence[Row], outputs: Sequence[str] | None) -> Planned:
        """What would become of rows, of which the function makes files of these names."""
        planning = Planning(
            self.store,
            _wiring.temp_scratch(None),
            _wiring.staging_budget(self.max_staging_bytes, None),
            self.prefetch,
            self.workers,
            outputs,
            publisher=lambda store: self.committing.over(store).publisher(),
            resuming=lambda store: self.committing.over(store).resuming(),
        )
        return planning.run(rows)

    def beginning(self, url: Url) -> bytes:
        """As much of an object, however large it may be, as a report has use for."""
        return self.store.read(url, span=Span(0, _LARGEST_SAMPLE))

    @property
    def name(self) -> str:
        """The function's name, and not its repr(), which may hold secrets as a partial's does."""
        fn = self.function.fn
        return str(getattr(fn, "__qualname__", type(fn).__qualname__))

    def about(self, *, by: str) -> About:
        """What is worth knowing of a run, for who looks at its report."""
        settings: Mapping[str, str] = {
            "workers": str(self.workers),
            "isolation": self.isolation,
            "commit": self.committing.commit,
            "if_exists": self.committing.if_exists,
            "run by": by,
        }
        return _wiring.about(self.name, self.committing.destination.into.redacted, settings)
