"""What is kept of a committed row: which attempt it is from, of what it was made, and its files.

A record is an object of JSON at ``{into}/.file_dataset/rows/{id}.json``. It names neither the
destination nor its files' URLs, so that a dataset can be moved as a whole; nothing in it is
secret, and whatever is read from a store is checked before it is believed.
"""

from __future__ import annotations

import hashlib
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeAlias, cast

import attrs

from file_dataset.domain.errors import FileDatasetError, IntegrityError, UnsupportedError
from file_dataset.domain.names import RECORDS
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.requests import Draft, Prepared
from file_dataset.domain.rows import Row, RowId
from file_dataset.domain.url import Url

FORMAT: Final = 1
_LONGEST_NAME: Final = 200
# A record of a row with a thousand files has some hundred kilobytes.
_LARGEST: Final = 64 << 20
# Who was replaced more often than this, while it waited for one answer, may replace others again.
_PAST: Final = 32
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@attrs.frozen
class Input:
    """One file that a row was made of, as it was then.

    Args:
        url: Where it was, without secrets.
        size: Its length in bytes.
        etag: The tag of its version; None where the store has none.
        modified: When it was written, in ISO format; None where there is an etag instead.
    """

    url: str
    size: int
    etag: str | None = None
    modified: str | None = None

    def is_still(self, now: Input) -> bool:
        """Whether a file is known to be the one that it was; of its size alone that is not."""
        return self == now and (self.etag, self.modified) != (None, None)

    def to_dict(self) -> dict[str, object]:
        """It as a record keeps it."""
        return {"url": self.url, "size": self.size, "etag": self.etag, "modified": self.modified}

    @classmethod
    def of(cls, source: Url, info: ObjectInfo) -> Input:
        """A row's source as a store describes it."""
        written = None if info.etag or info.modified is None else info.modified.isoformat()
        return cls(source.redacted, info.size, info.etag, written)


Inputs: TypeAlias = Mapping[RowId, Mapping[str, Input]]
"""What rows were made of, by their ids; for those of which it is known."""

NO_INPUTS: Final[Inputs] = {}


@attrs.frozen
class Output:
    """One file of a committed row.

    Args:
        token: The store's handle on it until it was completed; empty if it was written at once.
        receipt: What else the store needed to complete it.
        size: Its length in bytes; None where that was not known.
    """

    token: str
    receipt: str
    size: int | None

    def to_dict(self) -> dict[str, object]:
        """It as a record keeps it."""
        return {"token": self.token, "receipt": self.receipt, "size": self.size}


@attrs.frozen
class Record:
    """A committed row; or, with no attempt, a row of which attempts were swept and none committed.

    Args:
        row_id: The row.
        attempt: Which attempt at the row this is; empty if none is committed.
        run: The run that the attempt belongs to.
        version: What the user calls the version of the function.
        inputs: What the row was made of; None if nobody took note of it.
        outputs: Its files; None for one that the row does not have.
        swept: The tokens of what was cleared away here, which therefore can never be committed.
        past: The last attempts that were committed before this one, and that it replaced.
    """

    row_id: RowId
    attempt: str = ""
    run: str = ""
    version: str | None = None
    inputs: Mapping[str, Input] | None = None
    outputs: Mapping[str, Output | None] = attrs.field(factory=dict)
    swept: frozenset[str] = frozenset()
    past: tuple[str, ...] = ()

    def over(self, other: Record | None) -> Record:
        """The record as it is to be written in the place of another."""
        if other is None:
            return attrs.evolve(self, swept=frozenset(), past=())
        past = (*other.past, other.attempt) if other.attempt else other.past
        return attrs.evolve(self, swept=other.swept, past=past[-_PAST:])

    @property
    def tokens(self) -> frozenset[str]:
        """The handles of all its files."""
        return frozenset(each.token for each in self.outputs.values() if each and each.token)

    def draft(self, into: Url) -> list[Prepared]:
        """Its files as they were before they were completed."""
        if not self.attempt:
            return []
        root = into.joined(str(self.row_id))
        draft = Draft(root, self.attempt)
        return [
            Prepared(root.joined(name), output.token, draft, output.receipt, output.size)
            for name, output in self.outputs.items()
            if output is not None and output.token
        ]

    def urls(self, into: Url) -> dict[str, Url | None]:
        """Where its files are."""
        root = into.joined(str(self.row_id))
        return {
            name: None if output is None else root.joined(name)
            for name, output in self.outputs.items()
        }

    def to_json(self) -> bytes:
        """The record as it is kept."""
        # By hand, which takes a quarter of what it takes to ask attrs for all there is below it.
        inputs = self.inputs
        content = {
            "format": FORMAT,
            "row_id": self.row_id,
            "attempt": self.attempt,
            "run": self.run,
            "version": self.version,
            "inputs": inputs if inputs is None else {n: inputs[n].to_dict() for n in inputs},
            "outputs": {n: each and each.to_dict() for n, each in self.outputs.items()},
            "swept": sorted(self.swept),
            "past": self.past,
        }
        return _encode(content).encode()

    @classmethod
    def parse(cls, data: bytes, url: Url) -> Record:
        """The record that bytes say, each part of it checked.

        Args:
            data: What was read.
            url: Where; for the error.

        Raises:
            IntegrityError: If it is no record.
            UnsupportedError: If it is of a later format.
        """
        if len(data) > _LARGEST:
            raise IntegrityError(f"{url.redacted}: is no record: it has {len(data)} bytes", url=url)
        try:
            return _parsed(json.loads(data, parse_constant=_refused))
        # What json does not say by itself: a depth that Python does not reach.
        except (ValueError, TypeError, KeyError, RecursionError, FileDatasetError) as error:
            if isinstance(error, UnsupportedError):
                raise UnsupportedError(f"{url.redacted}: is {error}", url=url) from None
            raise IntegrityError(
                f"{url.redacted}: is no record, or a damaged one ({error})", url=url
            ) from error


def record_url(into: Url, row_id: RowId) -> Url:
    """Where the record of a row is.

    >>> str(record_url(Url.parse("s3://bucket/out"), "case 7"))
    's3://bucket/out/.file_dataset/rows/case%207.json'
    """
    quoted = urllib.parse.quote(str(row_id), safe="", errors="surrogatepass")
    if len(quoted) > _LONGEST_NAME:
        # No quoted id begins so, and no other id ends in the same way.
        quoted = f"~{hashlib.sha256(quoted.encode()).hexdigest()}"
    return records_url(into).joined(f"{quoted}.json")


def records_url(into: Url) -> Url:
    """What the records of a destination lie below."""
    return into.joined(RECORDS, "rows")


def _parsed(content: object) -> Record:
    found = _fields(content)
    if isinstance(found.get("format"), int) and found["format"] > FORMAT:
        raise UnsupportedError(
            f"a record of format {found['format']}, which only a newer file_dataset can read"
        )
    _expect(found.get("format") == FORMAT, "its format is unknown")
    outputs = _fields(found["outputs"])
    record = Record(
        # Its id and its names are held to what a table's are held to.
        Row(found["row_id"], dict.fromkeys(outputs)).id,
        _text(found["attempt"]),
        _text(found["run"]),
        _text_or_none(found["version"]),
        None if found["inputs"] is None else _inputs(_fields(found["inputs"])),
        {name: None if each is None else _output(_fields(each)) for name, each in outputs.items()},
        frozenset(_texts(found["swept"])),
        tuple(_texts(found["past"])),
    )
    _expect(bool(record.attempt) or not outputs, "it has files of no attempt")
    record.draft(_ANYWHERE)
    return record


# What cannot be prepared for one destination cannot be for any.
_ANYWHERE: Final = Url.parse("file:///")


def _inputs(found: dict[str, Any]) -> dict[str, Input]:
    return {name: _input(_fields(each)) for name, each in found.items()}


def _input(found: dict[str, Any]) -> Input:
    return Input(
        _text(found["url"]),
        _size(found["size"]),
        _text_or_none(found["etag"]),
        _text_or_none(found["modified"]),
    )


def _output(found: dict[str, Any]) -> Output:
    size = found["size"]
    return Output(
        _text(found["token"]), _text(found["receipt"]), None if size is None else _size(size)
    )


def _fields(value: object) -> dict[str, Any]:
    _expect(isinstance(value, dict), f"{value!r:.80} should be an object")
    return cast("dict[str, Any]", value)


def _text(value: object) -> str:
    _expect(isinstance(value, str), f"{value!r:.80} should be a text")
    return cast(str, value)


def _texts(value: object) -> list[str]:
    _expect(isinstance(value, list), f"{value!r:.80} should be a list")
    return [_text(each) for each in cast("list[object]", value)]


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _size(value: object) -> int:
    _expect(type(value) is int and value >= 0, f"{value!r:.80} should be a size")
    return cast(int, value)


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - as assert has it
    if not holds:
        raise ValueError(otherwise)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
