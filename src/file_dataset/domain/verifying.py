"""Whether what the records of a destination say is there, and nothing else than that."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from file_dataset.domain.errors import FileDatasetError, NotFoundError
from file_dataset.domain.objects import ObjectInfo, Prefix
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.plan import windows
from file_dataset.domain.records import Output, Record, record_url, records_url
from file_dataset.domain.requests import Read, Stat
from file_dataset.domain.rows import RowId
from file_dataset.domain.steps import Steps, in_step
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

_AT_ONCE = 256


@attrs.frozen
class Problem:
    """One thing that is not as a record says.

    Args:
        file: Which file of the row; empty for the record itself.
        url: Where that should be.
        message: What is wrong, in words.
    """

    file: str
    url: Url
    message: str


@attrs.frozen
class Verified:
    """One row, as its record and its files are found.

    Args:
        row_id: The row; None if the record does not even say that.
        files: How many files it should have.
        problems: What is wrong; empty if nothing is.
    """

    row_id: RowId | None
    files: int = 0
    problems: tuple[Problem, ...] = ()


@attrs.frozen
class Verifying:
    """Looks at every committed row below one destination; nothing is changed, and no body read.

    Args:
        store: Where it is.
        into: The destination.
    """

    store: Store
    into: Url

    def run(self) -> Iterator[Verified]:
        """Each row that has a record, in the order in which the store lists them.

        Raises:
            StoreError: If the records cannot be listed.
        """
        with closing(self.store.list(records_url(self.into))) as listed:
            urls = (each.url for each in listed if not isinstance(each, Prefix))
            for window in windows(urls, _AT_ONCE):
                checked = in_step(self.store, [self._row(url) for url in window])
                yield from (each for each in checked if each is not None)

    def _row(self, url: Url) -> Steps[Verified | None]:
        (data,) = yield [Read(url)]
        if isinstance(data, Failed):
            return Verified(None, problems=(Problem("", url, str(data.error)),))
        try:
            record = Record.parse(data.value, url)
        except FileDatasetError as error:
            return Verified(None, problems=(Problem("", url, str(error)),))
        if url != record_url(self.into, record.row_id):
            message = f"is the record of row {record.row_id!r}, which belongs elsewhere"
            return Verified(record.row_id, problems=(Problem("", url, message),))
        if not record.attempt:
            return None  # of attempts that were swept; no row was ever committed
        return (yield from self._files(record))

    def _files(self, record: Record) -> Steps[Verified]:
        urls = record.urls(self.into)
        outputs = {name: each for name, each in record.outputs.items() if each is not None}
        asked = {name: url for name, url in urls.items() if url is not None}
        infos = yield [Stat(url) for url in asked.values()]
        found = zip(asked.items(), infos, strict=True)
        problems = tuple(
            Problem(name, url, message)
            for (name, url), info in found
            if (message := _fault(outputs[name], info)) is not None
        )
        return Verified(record.row_id, len(asked), problems)


def _fault(output: Output, info: Outcome[ObjectInfo]) -> str | None:
    if isinstance(info, Failed):
        if isinstance(info.error, NotFoundError):
            return "is missing; recover() shows it, if it was committed and not completed"
        return str(info.error)
    if output.size is not None and output.size != info.value.size:
        return f"has {info.value.size} bytes, and was committed with {output.size}"
    return None
