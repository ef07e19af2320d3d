"""Objects in an SQLite database, under their URLs: ``sqlite://attic/letters/1.txt``."""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator

import file_dataset as fd
from file_dataset import ObjectInfo, PerObjectStore, Url
from file_dataset.domain.objects import CREATE, IfMatch, Prefix, Span, WriteMode
from file_dataset.domain.requests import Data

TABLE = "CREATE TABLE IF NOT EXISTS objects (url TEXT PRIMARY KEY, data BLOB, etag TEXT)"


class SqliteStore(PerObjectStore):
    workers = 1  # a database takes one writer at a time

    def __init__(self, path: str | None = None) -> None:
        self.path = path or os.environ.get("SQLITE_STORE", "objects.db")
        self._process = os.getpid()

    def __reduce__(self) -> tuple[object, ...]:
        return SqliteStore, (self.path,)

    @contextlib.contextmanager
    def _transaction(self, url: Url) -> Iterator[sqlite3.Connection]:
        if os.getpid() != self._process:  # a lock that another thread held stays locked for ever
            raise fd.UnsupportedError("SQLite does not outlive a fork; start workers by spawn")
        try:  # a connection for each: they are cheap, and belong to one thread and one process
            with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as database, database:
                database.execute(TABLE)
                yield database
        except sqlite3.Error as error:
            raise fd.StoreError(f"{url}: {error}", url=url) from error

    def _found(self, url: Url) -> tuple[bytes, str]:
        with self._transaction(url) as database:
            query = "SELECT data, etag FROM objects WHERE url = ?"
            row: tuple[bytes, str] | None = database.execute(query, (str(url),)).fetchone()
        if row is None:
            raise fd.NotFoundError(f"{url}: not found", url=url)
        return row

    def _stat(self, url: Url) -> ObjectInfo:
        data, etag = self._found(url)
        return ObjectInfo(url, len(data), etag)

    def _read(self, url: Url, span: Span | None) -> bytes:
        data, _ = self._found(url)
        if span is not None and span.start >= len(data):
            raise fd.RangeNotSatisfiableError(f"{url}: has {len(data)} bytes", url=url)
        return data if span is None else data[span.start : span.stop]

    def _write(self, url: Url, data: Data, mode: WriteMode) -> None:
        with self._transaction(url) as database:
            database.execute("BEGIN IMMEDIATE")  # from here on nobody else writes
            query = "SELECT etag FROM objects WHERE url = ?"
            there = database.execute(query, (str(url),)).fetchone()
            if mode is CREATE and there:
                raise fd.AlreadyExistsError(f"{url}: exists already", url=url)
            if isinstance(mode, IfMatch) and there != (mode.etag,):
                raise fd.PreconditionFailedError(f"{url}: is no longer {mode.etag}", url=url)
            row = (str(url), bytes(data), hashlib.sha256(data).hexdigest())
            database.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", row)

    def _delete(self, url: Url) -> None:
        with self._transaction(url) as database:
            database.execute("DELETE FROM objects WHERE url = ?", (str(url),))

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        with self._transaction(prefix) as database:
            query = "SELECT url, length(data), etag FROM objects ORDER BY url"
            rows = [(Url.parse(text), *more) for text, *more in database.execute(query)]
        below = [row for row in rows if prefix.contains(row[0])]
        children = [url.key.removeprefix(prefix.stem).partition("/") for url, *_ in below]
        for (url, size, etag), (_, deeper, _) in zip(below, children, strict=True):
            if recursive or not deeper:
                yield ObjectInfo(url, size, etag)
        if not recursive:
            yield from (Prefix(prefix.child(name)) for name in {c[0] for c in children if c[1]})
