"""What is below a prefix becomes a set of local files, and again where it has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from file_dataset.domain.errors import AlreadyExistsError, FileDatasetError, IntegrityError
from file_dataset.domain.files import linked, local_errors
from file_dataset.domain.generations import FILES, Generations
from file_dataset.domain.manifests import Entry, LocalManifest
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.outcomes import Failed, Outcome
from file_dataset.domain.plan import windows
from file_dataset.domain.ports import Observer, Progress
from file_dataset.domain.requests import Download
from file_dataset.domain.source_set import Source, SourceSet, check_size, some
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

# In a generation, beside its files.
_MANIFEST: Final = "manifest.json"
_SOURCE_MANIFEST: Final = "source-manifest"


@attrs.frozen(kw_only=True)
class Ingest:
    """Brings a set of files here, and none of them twice.

    Args:
        source: Where they come from.
        generations: Where they go.
        together: How many files are asked for together; None for all at once.
        force: Whether to fetch also what is here already.
        warn: Told what is odd and no error.
        observe: Told how many of the files are there, those included that were there before.
    """

    source: Source
    generations: Generations
    together: int | None = None
    force: bool = False
    warn: Callable[[str], None]
    observe: Observer = lambda _: None

    def run(self) -> list[str]:
        """The names of the files, all of which are there below the base, as at their source.

        Raises:
            FileDatasetError: What ``Source.find`` raises; AlreadyExistsError if there is something
                else where a file is to be; and if files cannot be had, with each of those in
                ``file_errors``. What was here before is unchanged then.
        """
        with local_errors(Url.local(self.generations.base)), self.generations.alone():
            before = self._before()
            found = self.source.find(lambda info: self._known(info, before))
            taken = self.generations.in_the_way(found.files, before.files)
            if taken:
                raise AlreadyExistsError(
                    f"{len(taken)} names below {self.generations.base} are taken by what is not "
                    f"of this data set: {some(map(repr, taken))}; move it away, or give another "
                    f"into= or dataset_id=",
                    url=Url.local(self.generations.base),
                )
            kept = set() if self.force else set(self._kept(found.files, before.files))
            self.observe(Progress(len(found.files), len(kept)))
            if kept == found.files.keys() == before.files.keys() and _is_read(found, before):
                self.generations.show(found.files)
            else:
                self._replace(found, before, kept)
        return list(found.files)

    def _before(self) -> LocalManifest:
        """What is here, as far as that can be told."""
        path = self.generations.current / _MANIFEST
        try:
            return LocalManifest.parse(path.read_bytes())
        except FileNotFoundError:
            pass
        except ValueError as error:
            self.warn(f"{path} is damaged, so that all files are fetched again: {error}")
        return LocalManifest(self.source.prefix.redacted)

    def _known(self, info: ObjectInfo, before: LocalManifest) -> bytes | None:
        """What the manifest at the source says, if it is the one that was read the last time."""
        entry, path = before.manifest, self.generations.current / _SOURCE_MANIFEST
        if entry is None or self.force or not entry.is_version(info):
            return None
        return path.read_bytes() if _is_intact(entry, path) else None

    def _kept(self, files: Mapping[str, ObjectInfo], entries: Mapping[str, Entry]) -> Iterator[str]:
        """The files that are here as they are at the source."""
        for name, info in files.items():
            entry = entries.get(name)
            path = self.generations.current / FILES / name
            if entry is not None and entry.is_version(info) and _is_intact(entry, path):
                yield name

    def _replace(self, found: SourceSet, before: LocalManifest, kept: Collection[str]) -> None:
        """Fill the next generation, and let it be seen."""
        generation = self.generations.begin()
        files = generation / FILES
        for directory in {(files / name).parent for name in found.files}:
            directory.mkdir(parents=True, exist_ok=True)
        for name in kept:
            linked(self.generations.current / FILES / name, files / name)
        wanted = {name: each for name, each in found.files.items() if name not in kept}
        for done in self._fetched(wanted, files):
            self.observe(Progress(len(found.files), len(kept) + done))
        entries = {
            name: before.files[name] if name in kept else _entry(info, files / name)
            for name, info in found.files.items()
        }
        manifest = None
        if found.manifest is not None:
            path = generation / _SOURCE_MANIFEST
            path.write_bytes(found.manifest.text)
            manifest = _entry(found.manifest.info, path)
        local = LocalManifest(self.source.prefix.redacted, entries, manifest)
        (generation / _MANIFEST).write_bytes(local.to_json())
        self.generations.commit(generation, entries)

    def _fetched(self, files: Mapping[str, ObjectInfo], directory: Path) -> Iterator[int]:
        """How many files are there, after each."""
        done = 0
        # Those that are asked for together take about as long.
        names = sorted(files, key=lambda name: files[name].size, reverse=True)
        for batch in windows(names, self.together or len(names)):
            requests = [Download(files[name].url, directory / name) for name in batch]
            with closing(self.source.store.run(requests)) as outcomes:
                for outcome in outcomes:
                    name = batch[outcome.index]
                    if error := _fault(files[name], outcome):
                        raise FileDatasetError(
                            f"{self.source.prefix.redacted} cannot be fetched, and what was here "
                            f"before is unchanged: {error}",
                            file_errors={name: str(error)},
                        ) from error
                    done += 1
                    yield done


def _is_read(found: SourceSet, before: LocalManifest) -> bool:
    """Whether the manifest at the source is the one that was read the last time."""
    if found.manifest is None or before.manifest is None:
        return found.manifest is None and before.manifest is None
    return before.manifest.is_version(found.manifest.info)


def _fault(info: ObjectInfo, outcome: Outcome[ObjectInfo]) -> FileDatasetError | None:
    """Why a file is not what was listed, if it is not."""
    if isinstance(outcome, Failed):
        return outcome.error
    try:
        check_size(info, outcome.value.size, "what arrived has")
    except IntegrityError as error:
        return error
    return None


def _entry(info: ObjectInfo, path: Path) -> Entry:
    """A file that was fetched, with the time of its object where that is told."""
    if info.modified is not None:
        time = _nanoseconds(info.modified)
        os.utime(path, ns=(time, time))
    return Entry.of(info, os.lstat(path))


def _nanoseconds(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000) * 1_000


def _is_intact(entry: Entry, path: Path) -> bool:
    try:
        return entry.is_intact(os.lstat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
