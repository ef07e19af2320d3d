"""Programs as row functions: what of their command is the row's, and which files they make."""

from __future__ import annotations

import difflib
import shlex
import string
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from file_dataset.domain.errors import InvalidDatasetError
from file_dataset.domain.names import clashing_names, file_name_fault

PLACEHOLDERS: Final = ("input", "output")


@attrs.frozen
class Command:
    """A command of which parts are the row's directories.

    Args:
        parts: The program and its arguments; or a single text for a shell.
        is_shell: Whether it is that.

    Raises:
        ValueError: If there is nothing in it, for braces that are not closed, and for placeholders
            that there are not.
    """

    parts: tuple[str, ...] = attrs.field()
    is_shell: bool = False

    @parts.validator
    def _is_complete(self, _: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
        if not value or not value[0].strip():
            raise ValueError("the command is empty")
        for part in value:
            list(_pieces(part))

    @classmethod
    def of(cls, command: str | Sequence[str], *, shell: bool) -> Command:
        """The command that a text, or a list of arguments, spells.

        Raises:
            ValueError: If it spells none.
            TypeError: For a list with anything but texts, and for a list for a shell.
        """
        if isinstance(command, str):
            return cls((command,) if shell else _words(command), shell)
        parts = tuple(command)
        if shell or not all(isinstance(part, str) for part in parts):
            raise TypeError("a command is a text or a list of texts; for a shell it is a text")
        return cls(parts)

    @property
    def program(self) -> str | None:
        """What it runs, whichever row it is for; None if that is the row's, or a shell's."""
        parts = list(_pieces(self.parts[0]))
        is_the_rows = self.is_shell or any(name for _, name in parts)
        return None if is_the_rows else "".join(text for text, _ in parts)

    def over(self, directories: Mapping[str, Path]) -> list[str] | str:
        """The arguments for one row; for a shell a text, in which paths are quoted.

        Args:
            directories: The directory that each placeholder stands for.
        """
        quote = shlex.quote if self.is_shell else str
        places = {name: quote(str(path)) for name, path in directories.items()}
        filled = ["".join(places.get(name, text) for text, name in _pieces(p)) for p in self.parts]
        return filled[0] if self.is_shell else filled


def _words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise ValueError(f"the command {line!r} cannot be taken apart: {error}") from None


def _pieces(part: str) -> Iterator[tuple[str, str]]:
    """The literal texts of a part, and between them placeholders, each as (text, its name)."""
    try:
        parsed = list(string.Formatter().parse(part))
    except ValueError as error:
        raise ValueError(f"{part!r}: {error}; braces that mean themselves are doubled") from None
    for text, name, spec, conversion in parsed:
        yield text, ""
        if name is None:
            continue
        if name not in PLACEHOLDERS or spec or conversion:
            near = difflib.get_close_matches(name, PLACEHOLDERS, 1)
            hint = f"; did you mean {{{near[0]}}}" if near else ""
            raise ValueError(
                f"{part!r}: {{{name}}} is no placeholder, there are {{input}} and {{output}}"
                f"{hint}; braces that mean themselves are doubled"
            )
        yield "", name


class Program(ABC):
    """A row function that knows beforehand which files it makes, and can be ended from outside."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """Their names; a row without one of them has failed."""

    @abstractmethod
    def check(self) -> None:
        """Raise ValueError if it cannot be run on this machine, for whatever row."""

    @abstractmethod
    def __call__(self, input_dir: Path, output_dir: Path, /) -> dict[str, Path]:
        """Run it for one row."""

    @abstractmethod
    def for_one_run(self) -> Program:
        """The same, that can be stopped by itself."""

    @abstractmethod
    def stop(self) -> None:
        """End what is running, and what would be run after it; the run is over."""


def output_names(made: Sequence[str], printed: Sequence[str] = ()) -> tuple[str, ...]:
    """The files that are published of a program: those that it makes, then what it prints.

    Raises:
        InvalidDatasetError: For names that cannot be published, twice the same, and none at all.
        TypeError: For a text in the place of a list of them.
    """
    if isinstance(made, str):
        raise TypeError(f"outputs is a list of filenames, as [{made!r}]")
    names = (*made, *printed)
    if not names:
        raise InvalidDatasetError("outputs names no file, so that nothing would be published")
    for name in names:
        if fault := file_name_fault(name):
            raise InvalidDatasetError(f"the output {name!r} {fault}")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if clashes := doubled or clashing_names(names):
        raise InvalidDatasetError(f"the output {clashes[0]!r} is named twice, or is a directory")
    return names
