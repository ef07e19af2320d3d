"""The hot functions alone, in microseconds a call: ``python -m benchmarks.micro``."""

from __future__ import annotations

import tempfile
import timeit
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.report import table
from benchmarks.simulated import Simulated
from file_dataset import Url
from file_dataset.adapters.local import LocalStore
from file_dataset.api.frames import RowTable
from file_dataset.domain.files import replacing
from file_dataset.domain.outcomes import Done, Outcome
from file_dataset.domain.plan import run_rows, settle_rows
from file_dataset.domain.requests import Download, Request, Stat
from file_dataset.domain.rows import Row

_REPEATS, _SECONDS = 5, 0.05
_ROWS = 1000

Timed = tuple[str, Callable[[], object], int]
"""What is called, the call, and how many times it does what it is about."""


class Instant(Simulated):
    """A store whose batches cost nothing but their outcomes."""

    def run(self, requests: Sequence[Request[object]], /) -> Iterator[Outcome[object]]:
        return (Done(index, None) for index in range(len(requests)))


def main() -> None:
    """Print the table."""
    print("\n".join(lines()))


def lines() -> list[str]:
    """Each function with the time of its fastest round."""
    with tempfile.TemporaryDirectory() as directory:
        timed = [*_values(), *_rows(), *_files(Path(directory)), *_signing()]
        rows = [[name, f"{_microseconds(call) / times:.2f}"] for name, call, times in timed]
    return table(["", "µs"], rows)


def _microseconds(call: Callable[[], object]) -> float:
    timer = timeit.Timer(call)
    number = max(1, int(_SECONDS / timer.timeit(1)))
    # The fastest: whatever else the machine does only ever adds.
    return min(timer.repeat(_REPEATS, number)) / number * 1e6


def _values() -> Iterator[Timed]:
    url, path = Url.parse("s3://bucket/scans/0017/image.mha"), Path("directory/image.mha")
    yield "Url.parse of an S3 URL", lambda: Url.parse("s3://bucket/scans/0017/image.mha"), 1
    yield "Url.parse of an absolute path", lambda: Url.parse("/data/scans/0017/image.mha"), 1
    yield "Url.joined", lambda: url.joined("0017", "mask.mha"), 1
    yield "str of a Url", lambda: str(url), 1
    yield "a request", lambda: Download(url, path), 1
    yield "an outcome", lambda: Done(17, None), 1


def _rows() -> Iterator[Timed]:
    import pandas as pd

    urls = [f"s3://bucket/scans/{number:04}/image.mha" for number in range(_ROWS)]
    frame = pd.DataFrame({"id": range(_ROWS), "image.mha": urls})
    rows = [Row(number, {"image.mha": Url.parse(url)}) for number, url in enumerate(urls)]
    store = Instant()

    def ask(position: int, name: str, url: Url) -> Request[object]:
        return Stat(url)

    def settle() -> list[object]:
        return list(settle_rows(store, rows, ask))

    def run() -> list[object]:
        return list(run_rows(store, rows, ask, stage="read"))

    yield (
        "a row of a DataFrame, parsed",
        lambda: RowTable.parse(frame, check=lambda url, where: None),
        _ROWS,
    )
    yield "a row through settle_rows(), its request and outcome included", settle, _ROWS
    yield "a row through run_rows(), the same with its result", run, _ROWS


def _files(directory: Path) -> Iterator[Timed]:
    path, body = directory / "file.bin", bytes(4096)

    def plain() -> None:
        path.write_bytes(body)

    def replaced() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(body)

    source, copied = Url.local(path), Url.local(directory / "copy.bin")
    store = LocalStore()
    plain()
    yield "4 KiB into a file", plain, 1
    yield "the same by replacing()", replaced, 1
    yield "a local copy of 4 KiB", lambda: store.copy(source, copied), 1


def _signing() -> Iterator[Timed]:
    try:
        from file_dataset.adapters.s3.curl import signing
    except ImportError:  # without pycurl, or from before there was this engine
        return
    keys, scope = signing.Keys("access-key", "secret-key"), signing.Scope("us-east-1")

    def sign() -> list[str]:
        return signing.signed(
            "GET",
            "s3.example",
            "/bucket/scans/0017/image.mha",
            "",
            payload=signing.EMPTY,
            keys=keys,
            scope=scope,
            now=1_700_000_000,
        )

    yield "quoted() of a plain key", lambda: signing.quoted("scans/0017/image.mha"), 1
    yield "signed() of a GET", sign, 1


if __name__ == "__main__":
    main()
