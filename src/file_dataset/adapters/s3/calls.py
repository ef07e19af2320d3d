"""A call of the engine, as far as its errors depend on it."""

from __future__ import annotations

import re

import attrs

from file_dataset.adapters.s3.meanings import Meaning
from file_dataset.domain.errors import FileDatasetError, StoreError
from file_dataset.domain.objects import OVERWRITE, WriteMode
from file_dataset.domain.url import Url

_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")


@attrs.frozen
class Call:
    """A call of the engine, as far as its errors depend on it.

    Args:
        url: The object, or the prefix, that it is about.
        operation: The verb, where no request says it.
        mode: The condition under which it writes.
        source: What it copies.
        retried: Whether the client makes all the attempts that were asked for by itself.
    """

    url: Url
    operation: str = ""
    mode: WriteMode = OVERWRITE
    source: Url | None = None
    retried: bool = False

    def failed(
        self, meaning: Meaning, words: dict[str, object], *, detail: str, attempts: int = 1
    ) -> FileDatasetError:
        """The error with a meaning, whose blanks are filled with the words."""
        subject = self.url.redacted
        if self.source is not None:
            subject = f"{self.source.redacted} to {subject}"
        text = _redacted(f"{subject}: {meaning.words.format_map(_Words(words))}")
        if not issubclass(meaning.kind, StoreError):
            return meaning.kind(text)
        error = meaning.kind(
            text,
            url=self.url,
            operation=self.operation,
            attempts=attempts,
            detail=_redacted(detail),
        )
        if meaning.again is not None:
            error.transient = meaning.again
        if meaning.systemic:
            error.systemic = True
        return error


class _Words(dict[str, object]):
    """What the words of a meaning are filled with, or a sign that it is not known."""

    def __missing__(self, key: str) -> str:
        return "?"


def _redacted(text: str) -> str:
    return _USERINFO.sub("***@", text)
