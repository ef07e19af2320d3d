"""The user's function: how it wants to be called, and what of its answer can be published."""

from __future__ import annotations

import inspect
import os
import stat
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol, TypeAlias

import attrs

from file_dataset.domain.errors import CommandError, InvalidDatasetError, NotFoundError, StoreError
from file_dataset.domain.files import local_errors
from file_dataset.domain.names import file_name_fault
from file_dataset.domain.programs import Program
from file_dataset.domain.rows import Cause, Row, RowFailure, RowId
from file_dataset.domain.staging import StagedFiles
from file_dataset.domain.url import Url

Outputs: TypeAlias = Mapping[str, object]  # and so a TypedDict too
UserFunction: TypeAlias = Callable[[Path], Outputs] | Callable[[Path, Path], Outputs]

# Columns of a result table that are no files.
_OWN_COLUMNS = frozenset({"id", "error"})


class Caller(Protocol):
    """Where the user's function runs: in the calling thread, or out of everybody's reach."""

    def call(self, staged: StagedFiles, /) -> Row | RowFailure:
        """The row of output files that the function makes of a staged row."""

    def stop(self) -> None:
        """End the calls that are under way, where that can be done; the run is over."""


@attrs.frozen
class RowFunction:
    """A function of a directory, or of an input and an output directory, to filenames and paths.

    Args:
        fn: The user's function.
        takes_output: Whether it is called with two directories.
        columns: The filenames that its return type names, in their order.
        required: Those that it has to return.
    """

    fn: Callable[..., Outputs]
    takes_output: bool
    columns: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()

    @classmethod
    def of(cls, fn: UserFunction) -> RowFunction:
        """Look at a function's parameters and its return type.

        Raises:
            TypeError: If it can be called neither with one nor with two positional arguments.
        """
        if not callable(fn):
            raise TypeError(f"fn must be a function, not {type(fn).__name__}")
        if isinstance(fn, Program):
            return cls(fn, takes_output=True, columns=fn.outputs, required=frozenset(fn.outputs))
        returned = _typed_dict(fn)
        columns = tuple(getattr(returned, "__annotations__", ()))
        return cls(fn, _takes_output(fn), columns, _required(returned))

    def check(self) -> None:
        """Raise ValueError for a program that cannot be run on this machine."""
        if isinstance(self.fn, Program):
            self.fn.check()

    def call(self, staged: StagedFiles, /) -> Row | RowFailure:
        """The row of output files that the function makes of a staged row, in this thread."""
        return self.answer(staged.row.id, staged.directories)

    def for_one_run(self) -> RowFunction:
        """The same, that can be stopped by itself."""
        if isinstance(self.fn, Program):
            return attrs.evolve(self, fn=self.fn.for_one_run())
        return self

    def stop(self) -> None:
        """End a program; anything else that runs in a thread ends by itself."""
        if isinstance(self.fn, Program):
            self.fn.stop()

    def answer(self, row_id: RowId, directories: tuple[Path, ...]) -> Row | RowFailure:
        """The row of output files that the function makes of what is in a row's directories."""
        try:
            outputs: object = self.fn(*directories)
            if isinstance(outputs, Mapping):
                outputs = dict(outputs)
        except CommandError as error:
            return call_failed(row_id, Cause.of(error, file="", url=""))
        except Exception as error:  # noqa: BLE001 - whatever the user's function raises is recorded whole
            return call_failed(row_id, Cause.raised(error))
        return self._checked(row_id, outputs, directories)

    def _checked(
        self, row_id: RowId, outputs: object, directories: tuple[Path, ...]
    ) -> Row | RowFailure:
        if not isinstance(outputs, dict):
            message = f"fn returned {type(outputs).__name__}, not a mapping of filename to path"
            return call_failed(row_id, Cause.of(InvalidDatasetError(message), file="", url=""))
        files: dict[str, Url | None] = dict.fromkeys(self.columns)
        causes: list[Cause] = []
        for name in sorted(self.required - outputs.keys()):
            missing = InvalidDatasetError(f"fn did not return {name!r}, which its type requires")
            causes.append(Cause.of(missing, file=name, url=""))
        for name, path in outputs.items():
            try:
                files[name] = _output(name, path, directories)
            except (InvalidDatasetError, StoreError) as error:
                causes.append(Cause.of(error, file=str(name), url=_told(path)))
        if causes:
            return call_failed(row_id, *causes)
        try:
            return Row(row_id, files)
        except InvalidDatasetError as error:
            return call_failed(row_id, Cause.of(error, file="", url=""))


def call_failed(row_id: RowId, *causes: Cause) -> RowFailure:
    """A row that was lost in the user's function."""
    return RowFailure(row_id, "call", causes)


def _takes_output(fn: Callable[..., object]) -> bool:
    try:
        signature = inspect.signature(fn)
    except ValueError:
        raise TypeError(f"{fn!r} does not tell its parameters; wrap it in a function") from None
    for count in (2, 1):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count == 2
    raise TypeError(
        f"fn must take (input_dir, output_dir) or (working_dir) as positional arguments; "
        f"it takes {signature}"
    )


def _typed_dict(fn: Callable[..., object]) -> type | None:
    """What a function's return type is, if it is a TypedDict that can be made out here."""
    while isinstance(fn, partial):
        fn = fn.func
    hinted = inspect.unwrap(fn if inspect.isroutine(fn) else type(fn).__call__)
    annotations = getattr(hinted, "__annotations__", {})
    # Alone, so that a parameter's type which only type checkers import is in nobody's way.
    alone = SimpleNamespace(__annotations__={k: v for k, v in annotations.items() if k == "return"})
    returned = _hints(alone, names=getattr(hinted, "__globals__", None)).get("return")
    return returned if isinstance(returned, type) and typing.is_typeddict(returned) else None


def _required(typed_dict: type | None) -> frozenset[str]:
    """The keys that a TypedDict requires."""
    required: frozenset[str] = getattr(typed_dict, "__required_keys__", frozenset())
    # Where annotations are kept as text, Python itself overlooks that they say NotRequired.
    marks = {name: typing.get_origin(hint) for name, hint in _hints(typed_dict, whole=True).items()}
    return (required | {name for name, mark in marks.items() if mark is typing.Required}) - {
        name for name, mark in marks.items() if mark is typing.NotRequired
    }


def _hints(
    thing: object, *, names: dict[str, object] | None = None, whole: bool = False
) -> dict[str, object]:
    """The type hints of something; none if they cannot be made out here."""
    try:
        return typing.get_type_hints(thing, names, include_extras=whole)
    except Exception:  # noqa: BLE001 - a hint is the user's code, and no reason not to run a function
        return {}


def _output(name: object, path: object, directories: tuple[Path, ...]) -> Url | None:
    """The URL of a file that may be published.

    Raises:
        InvalidDatasetError: If the name or the path is of a kind that cannot be published.
        StoreError: If the file is not there or cannot be looked at.
    """
    if fault := file_name_fault(name):
        raise InvalidDatasetError(f"fn returned the filename {name!r}, which {fault}")
    if name in _OWN_COLUMNS:
        raise InvalidDatasetError(
            f"fn returned the filename {name!r}, which the result table needs"
        )
    if path is None:
        return None
    if _is_url(path):
        raise InvalidDatasetError(
            f"fn returned the URL {_told(path)} for {name!r}, where it must be a local path"
        )
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise InvalidDatasetError(
            f"fn returned {path!r} ({type(path).__name__}) for {name!r}, neither a path nor None"
        )
    if _is_right_inside(os.fspath(path), directories):
        return Url.local(path)
    found = next(_candidates(Path(path), directories), None)
    if found is None:
        raise NotFoundError(f"output not found: fn returned {os.fspath(path)!r} for {name!r}")
    url = Url.local(found)
    with local_errors(url):
        mode = os.stat(url.path).st_mode
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise InvalidDatasetError(f"fn returned {kind} for {name!r}, not a file: {url}")
    if _leads_outward(Path(url.path), directories):
        raise InvalidDatasetError(
            f"fn returned a link for {name!r} that leads out of the row's directory: {url}"
        )
    return url


def _is_url(path: object) -> bool:
    return isinstance(path, Url) or (isinstance(path, str) and "://" in path)


def _told(path: object) -> str:
    """What was returned for a file, as a message may hold it: a URL's query may be a secret."""
    return str(path).partition("?")[0] if _is_url(path) else str(path or "")


def _is_right_inside(path: str, directories: tuple[Path, ...]) -> bool:
    """Whether it is a file, and no link, right in one of a row's directories, as most are."""
    place = os.path.dirname(path)
    if not path.startswith("/") or all(place != str(each) for each in directories):
        return False
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def _candidates(path: Path, directories: tuple[Path, ...]) -> Iterator[Path]:
    """Where a returned path may be; a relative one is looked for in the output directory first."""
    for place in (*reversed(directories), Path()) if not path.is_absolute() else (Path(),):
        if os.path.lexists(place / path):
            yield place / path


def _leads_outward(path: Path, directories: tuple[Path, ...]) -> bool:
    # The temporary directory of some systems is a link, and functions may know it by either name.
    places = {*directories, *(directory.resolve() for directory in directories)}

    def is_inside(path: Path) -> bool:
        return any(path.is_relative_to(place) for place in places)

    return is_inside(path) and not is_inside(path.resolve())
