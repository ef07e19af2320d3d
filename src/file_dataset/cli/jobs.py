"""What a run was told: its function, its destination and its options, also for a retry."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import click
from attrs.validators import deep_iterable, in_, instance_of, optional

from file_dataset import HttpStore, Options, Pipeline, Url
from file_dataset import command as row_command

_is_text = instance_of(str)
_is_number = instance_of((int, float))
_LEFT_OUT = "***"


@attrs.frozen(kw_only=True)
class Job:
    """What a run was told, as far as a retry has to know it; paths are absolute.

    Args:
        function: ``module:name`` or ``/path/to/file.py:name``; empty if it is a command.
        directory: Where modules are looked for first.
        into: The destination.
        command: What ``file_dataset.command`` is given instead of a function.
        outputs: The files that it makes.
        workers: As Pipeline has it, as the others.
        isolation: Where the function runs.
        timeout: Seconds.
        commit: How rows are published.
        if_exists: What becomes of rows that are there.
        version: Of the function.
        max_failures: A number, or a share.
        keep_failed: A directory.
        engine: What runs it: this process, or Ray.
        address: Of the Ray cluster; None for the one of the environment, or one of its own.
        allow: Web servers that the table may name, as ``https://data.example/``.
        allow_private: Those that may be at addresses that are not public.
    """

    function: str = attrs.field(validator=_is_text)
    directory: str = attrs.field(validator=_is_text)
    into: str = attrs.field(validator=_is_text)
    command: str = attrs.field(default="", validator=_is_text)
    outputs: Sequence[str] = attrs.field(
        default=(), converter=tuple, validator=deep_iterable(_is_text)
    )
    workers: int = attrs.field(default=1, validator=instance_of(int))
    isolation: Literal["thread", "process"] = attrs.field(
        default="thread", validator=in_(("thread", "process"))
    )
    timeout: float | None = attrs.field(default=None, validator=optional(_is_number))
    commit: Literal["atomic", "plain"] = attrs.field(
        default="atomic", validator=in_(("atomic", "plain"))
    )
    if_exists: Literal["replace", "skip", "error"] = attrs.field(
        default="replace", validator=in_(("replace", "skip", "error"))
    )
    version: str | None = attrs.field(default=None, validator=optional(_is_text))
    max_failures: float | None = attrs.field(default=None, validator=optional(_is_number))
    keep_failed: str | None = attrs.field(default=None, validator=optional(_is_text))
    engine: Literal["local", "ray"] = attrs.field(default="local", validator=in_(("local", "ray")))
    address: str | None = attrs.field(default=None, validator=optional(_is_text))
    allow: Sequence[str] = attrs.field(
        default=(), converter=tuple, validator=deep_iterable(_is_text)
    )
    allow_private: Sequence[str] = attrs.field(
        default=(), converter=tuple, validator=deep_iterable(_is_text)
    )

    @classmethod
    def here(cls, told: Mapping[str, Any]) -> Job:
        """The job that was told in the directory that one is in, where paths may be relative.

        Raises:
            ValueError: For a destination that is no URL and no path.
        """
        if bool(told["function"]) == bool(told.get("command")):
            raise click.UsageError("give either a FUNCTION or a --command to run")
        place, colon, name = told["function"].rpartition(":")
        function = f"{Path(place).absolute() if place.endswith('.py') else place}{colon}{name}"
        kept = told.get("keep_failed")
        absolute = {
            "function": function,
            "into": str(Url.parse(told["into"])),
            "keep_failed": None if kept is None else str(Path(kept).absolute()),
        }
        return cls(directory=str(Path.cwd()), **{**told, **absolute})

    def but(self, told: Mapping[str, Any]) -> Job:
        """This job, with what was told anew; a function that was is looked for here.

        Raises:
            UsageError: If the destination is not told anew, and what is secret in it was left out.
            ValueError: For a destination that is no URL and no path.
        """
        if "into" not in told and _LEFT_OUT in self.into and not Url.parse(self.into).is_local:
            raise click.UsageError("what is secret in the destination was left out; give --into")
        before = attrs.asdict(self)
        directory = before.pop("directory")
        if "function" in told:
            before.update(command="", outputs=())
        job = Job.here({**before, **told})
        return job if "function" in told else attrs.evolve(job, directory=directory)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job that to_json() has written.

        Raises:
            ValueError: If the text is none.
        """
        try:
            return cls(**json.loads(text))
        # What json does not say by itself: a depth that Python does not reach.
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"no description of a run: {error}") from error

    @property
    def without_secrets(self) -> Job:
        """The job as it may be shown and kept."""
        return attrs.evolve(self, into=Url.parse(self.into).redacted)

    def to_json(self) -> str:
        """The job as a text."""
        return json.dumps(attrs.asdict(self))

    @property
    def file(self) -> Path | None:
        """The file that the function is in; None if it is named by its module."""
        place, _, _ = self.function.rpartition(":")
        return Path(place) if place.endswith(".py") else None

    def pipeline(self, *, progress: bool) -> Pipeline:
        """What runs it.

        Raises:
            UsageError: If there is no such function.
            ValueError: For options that are out of bounds.
        """
        return Pipeline(
            self._row_function(),
            into_path=self.into,
            workers=self.workers,
            isolation=self.isolation,
            timeout=None if self._tells_time else self.timeout,
            commit=self.commit,
            if_exists=self.if_exists,
            version=self.version,
            max_failures=self.max_failures,
            keep_failed=self.keep_failed,
            progress=progress,
            options=self._options(),
        )

    def _options(self) -> Options | None:
        stores = {place: HttpStore() for place in self.allow}
        stores |= {place: HttpStore(allow_private=True) for place in self.allow_private}
        return Options(stores=stores) if stores else None

    def _row_function(self) -> Callable[..., Any]:
        if not self.command:
            return load_function(self.function, self.directory)
        timeout = self.timeout if self._tells_time else None
        return row_command(self.command, outputs=self.outputs, timeout=timeout)

    @property
    def _tells_time(self) -> bool:
        """Whether the time of a row is the program's own, which can be ended from any thread."""
        return bool(self.command) and self.isolation == "thread"


def count_or_share(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> float | None:
    """The number that an option names, or the share in percent as a float.

    Raises:
        BadParameter: If it is neither.
    """
    try:
        if text is None:
            return None
        return float(text[:-1]) / 100 if text.endswith("%") else int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no whole number and no share as 5%") from None


def web_servers(
    _context: click.Context, _parameter: click.Parameter, given: Sequence[str]
) -> Sequence[str]:
    """The prefixes that an option names, of web servers.

    Raises:
        BadParameter: If one is none.
    """
    for each in given:
        scheme, found, place = each.partition("://")
        if not found or scheme not in ("http", "https") or "@" in place.partition("/")[0]:
            raise click.BadParameter(f"{each!r} is no web server, as https://data.example/ is one")
    return given


def load_function(named: str, directory: str) -> Callable[..., Any]:
    """The function that ``module:name`` or ``file.py:name`` names.

    Args:
        named: The function.
        directory: Where modules are looked for first.

    Raises:
        UsageError: If there is none.
    """
    place, colon, name = named.rpartition(":")
    if not colon or not place or not name:
        raise click.UsageError(f"{named!r} is not of the form module:function")
    try:
        module = _load_file(Path(place)) if place.endswith(".py") else _import(place, directory)
        function = getattr(module, name)
    # The user's own code, whatever it does when it is loaded.
    except (Exception, SystemExit) as error:
        raise click.UsageError(f"cannot load {named!r}: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise click.UsageError(f"{named!r} is no function but of type {type(function).__name__}")
    loaded: Callable[..., Any] = function
    return loaded


def _import(module: str, directory: str) -> object:
    # As `python -m` does: modules of the directory that one is in.
    sys.path.insert(0, directory)
    return importlib.import_module(module)


def _load_file(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    # As `python file.py` does: what is beside it can be imported, and worker processes find it.
    sys.path.insert(0, str(path.parent.absolute()))
    spec.loader.exec_module(module)
    return module
