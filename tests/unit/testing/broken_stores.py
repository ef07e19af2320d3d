"""Stores that each break one law, and as far as that allows keep the others."""

import copyreg
import os
import pickle
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs

from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors
from file_dataset.domain.objects import CREATE, OVERWRITE, IfMatch, ObjectInfo, Prefix, Span
from file_dataset.domain.outcomes import Done, Failed
from file_dataset.domain.requests import Copy, Delete, Pending, Prepared, Read
from file_dataset.domain.url import Url

# Law 1: exactly one outcome per request.


class LosesAnOutcome(MemoryStore):
    def run(self, requests, /):
        outcomes = list(super().run(requests))
        yield from outcomes[:-1] if len(outcomes) > 1 else outcomes


class RepeatsAnOutcome(MemoryStore):
    def run(self, requests, /):
        outcomes = list(super().run(requests))
        yield from outcomes[:1] * 2 + outcomes[1:] if len(outcomes) > 1 else outcomes


class AnswersOnlyOnceWhatIsAskedTwice(MemoryStore):
    def run(self, requests, /):
        return super().run([r for n, r in enumerate(requests) if r not in requests[:n]])


class MixesUpIndexes(MemoryStore):
    def run(self, requests, /):
        for outcome in super().run(requests):
            yield attrs.evolve(outcome, index=len(requests) - 1 - outcome.index)


class AnswersWhatNobodyAsked(MemoryStore):
    def run(self, requests, /):
        yield from super().run(requests)
        if not requests:
            yield Done(0, None)


class TellsNothingOfDownloads(MemoryStore):
    def _download(self, url, path):
        super()._download(url, path)


class AnswersWithBareValues(MemoryStore):
    def run(self, requests, /):
        for outcome in super().run(requests):
            yield outcome.value if isinstance(outcome, Done) else outcome


# Law 2: failures stay inside.


class RaisesOutOfRun(MemoryStore):
    def run(self, requests, /):
        for outcome in super().run(requests):
            if isinstance(outcome, Failed):
                raise outcome.error
            yield outcome


class StopsAtTheFirstFailure(MemoryStore):
    def run(self, requests, /):
        failed = None
        for outcome in super().run(requests):
            failed = failed or (outcome.error if isinstance(outcome, Failed) else None)
            yield Failed(outcome.index, failed) if failed else outcome


class FailsWithForeignErrors(MemoryStore):
    def run(self, requests, /):
        for outcome in super().run(requests):
            if isinstance(outcome, Failed) and isinstance(outcome.error, NotFoundError):
                foreign: Any = FileNotFoundError(str(outcome.error))
                yield Failed(outcome.index, foreign)
            else:
                yield outcome


class ForgetsTheUrl(MemoryStore):
    def run(self, requests, /):
        for outcome in super().run(requests):
            if isinstance(outcome, Failed) and isinstance(outcome.error, StoreError):
                outcome.error.url = None
            yield outcome


class ForgetsTheVerb(MemoryStore):
    def run(self, requests, /):
        for outcome in super().run(requests):
            if isinstance(outcome, Failed) and isinstance(outcome.error, StoreError):
                outcome.error.operation = ""
            yield outcome


class TripsOverForeignTokens(MemoryStore):
    def _complete(self, prepared: tuple[Prepared, ...]) -> None:
        if not prepared[0].token.isalnum():
            raise ValueError("no token of this store")
        super()._complete(prepared)


class TellsNoKindsApart(MemoryStore):
    def run(self, requests, /):
        for outcome in super().run(requests):
            if isinstance(outcome, Failed):
                url, operation = requests[outcome.index].url, requests[outcome.index].operation
                yield Failed(outcome.index, StoreError("no", url=url, operation=operation))
            else:
                yield outcome


# Law 3: nothing is left running.


class LeavesAThread(LocalStore):
    def run(self, requests, /):
        pool = ThreadPoolExecutor(2)
        for index, outcome in enumerate(pool.map(self._outcome, enumerate(requests))):
            yield attrs.evolve(outcome, index=index)


class LeavesAThreadOnlyWhenClosed(LocalStore):
    def run(self, requests, /):
        going_on = threading.Event()
        helper = threading.Thread(target=going_on.wait, args=(20,), daemon=True)
        helper.start()
        yield from super().run(requests)
        going_on.set()
        helper.join()


class LeavesAThreadWhenListing(LocalStore):
    def list(self, prefix, /, *, recursive=True):
        threading.Thread(target=threading.Event().wait, args=(20,), daemon=True).start()
        return super().list(prefix, recursive=recursive)


class WorksOffTheRestLater(MemoryStore):
    rest: Iterator[object] = iter(())

    def run(self, requests, /):
        list(self.rest)
        self.rest = super().run(requests)
        for outcome in self.rest:  # noqa: UP028 - `yield from` would close it
            yield outcome


# Law 4: whole or nothing.


def write_in_pieces(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        for start in range(0, len(data), 1 << 14):
            file.write(data[start : start + (1 << 14)])
            file.flush()


class WritesInPieces(LocalStore):
    def _write(self, url, data, mode):
        if mode is OVERWRITE and Path(url.path).exists():
            write_in_pieces(Path(url.path), data)
        else:
            super()._write(url, data, mode)


class DownloadsInPieces(LocalStore):
    def _download(self, url, path):
        data = self._read(url, None)
        with local_errors(url):
            write_in_pieces(path, data)
        return self._stat(url)


class LeavesAnEmptyFile(LocalStore):
    def _download(self, url, path):
        if path.parent.is_dir() and not path.exists():
            path.touch()
        return super()._download(url, path)


class LeavesATemporaryFile(MemoryStore):
    def _download(self, url, path):
        if path.parent.is_dir():
            path.with_suffix(".part").touch()
        found = super()._download(url, path)
        path.with_suffix(".part").unlink()
        return found


class EmptiesBeforeItUploads(MemoryStore):
    def _upload(self, path, url, mode):
        self._delete(url)
        super()._upload(path, url, mode)


class PreparesInPublic(MemoryStore):
    def _prepare(self, source, url, draft):
        prepared = super()._prepare(source, url, draft)
        super()._complete((prepared,))
        return super()._prepare(url, url, draft)


class CompletesWhatWasAborted(MemoryStore):
    def _abort(self, prepared):
        pass


class AbortsOnlyOnce(MemoryStore):
    def _abort(self, prepared):
        if not any((each.url, each.token) in self._prepared for each in prepared):
            raise NotFoundError("nothing is prepared")
        super()._abort(prepared)


class AbortsTheAttemptsOfOthers(LocalStore):
    def _abort(self, prepared):
        super()._abort(prepared)
        for each in prepared:
            self._delete(each.url)


class EmptiesWhenItFails(MemoryStore):
    def _upload(self, path, url, mode):
        try:
            super()._upload(path, url, mode)
        except NotFoundError:
            self._delete(url)
            raise


class DeletesTheOldFile(MemoryStore):
    def _download(self, url, path):
        if url not in self._objects:
            path.unlink(missing_ok=True)
        return super()._download(url, path)


class CompletesBesideWhatIsThere(MemoryStore):
    def _complete(self, prepared):
        if prepared[0].url in self._objects:
            self._forget(prepared)
        else:
            super()._complete(prepared)


class RefusesToPrepareFiles(MemoryStore):
    def _prepare(self, source, url, draft):
        missing = Url("memory", "", "none")
        return super()._prepare(missing if source.is_local else source, url, draft)


# Law 4, as far as it is about drafts.


class PreparesWithoutTheDraft(MemoryStore):
    def _prepare(self, source, url, draft):
        return super()._prepare(source, url, None)


class LiesAboutTheSize(MemoryStore):
    def _prepare(self, source, url, draft):
        prepared = super()._prepare(source, url, draft)
        return attrs.evolve(prepared, size=(prepared.size or 0) + 1)


class ShowsEachFileOfADraftByItself(MemoryStore):
    def _prepare(self, source, url, draft):
        prepared = super()._prepare(source, url, draft)
        if draft is not None and self.list_names(draft.root):
            super()._complete((prepared,))
        return prepared

    def list_names(self, root):
        return [each for each in self._prepared.values() if root.contains(each.url)][1:]


class CompletesTheFirstOfADraft(MemoryStore):
    def _complete(self, prepared):
        super()._complete(prepared[:1])
        self._forget(prepared)


class CompletesOnlyOnce(MemoryStore):
    def _complete(self, prepared):
        if not any((each.url, each.token) in self._prepared for each in prepared):
            raise PreconditionFailedError("complete already")
        super()._complete(prepared)


class CompletesOnlyItsOwn(LocalStore):
    def __init__(self):
        super().__init__()
        self.own = set()

    def _prepare(self, source, url, draft):
        prepared = super()._prepare(source, url, draft)
        self.own.add(prepared)
        return prepared

    def _complete(self, prepared):
        if prepared[0].draft and not self.own.issuperset(prepared):
            raise PreconditionFailedError("prepared by somebody else")
        super()._complete(prepared)


class CompletesOneAtATimeOrFails(MemoryStore):
    def __init__(self):
        super().__init__()
        self.busy = threading.Lock()

    def _complete(self, prepared):
        if not self.busy.acquire(blocking=False):
            raise StoreError("somebody else is at it")
        try:
            threading.Event().wait(0.01)
            super()._complete(prepared)
        finally:
            self.busy.release()


class AbortsAllAttempts(MemoryStore):
    def _abort(self, prepared):
        for each in list(self._prepared.values()):
            if each.prepared.draft and prepared[0].draft:
                self._forget((each.prepared,))
        super()._abort(prepared)


class AbortsWhatIsComplete(MemoryStore):
    def _abort(self, prepared):
        for each in prepared:
            held = self._objects.get(each.url)
            if each.draft and held and held.token == each.token:
                self._delete(each.url)
        super()._abort(prepared)


class TakesAnythingForComplete(MemoryStore):
    def _complete(self, prepared):
        if prepared[0].draft is None or all(each.url not in self._objects for each in prepared):
            super()._complete(prepared)
        else:
            super()._complete(
                tuple(each for each in prepared if (each.url, each.token) in self._prepared)
            )


class BringsOldBytesBack(MemoryStore):
    def __init__(self):
        super().__init__()
        self.kept = {}

    def _complete(self, prepared):
        for each in prepared:
            key = each.url, each.token
            if each.draft and key in self._prepared:
                self.kept[key] = self._prepared[key]
            elif key in self.kept:
                self._prepared[key] = self.kept[key]
        super()._complete(prepared)


class ReplacesWhatTheDraftDoesNotName(MemoryStore):
    def _complete(self, prepared):
        draft = prepared[0].draft
        if draft is not None and (prepared[0].url, prepared[0].token) in self._prepared:
            for url in [url for url in self._objects if draft.root.contains(url)]:
                self._delete(url)
        super()._complete(prepared)


class NamesNothingPending(MemoryStore):
    def pending(self, prefix, /):
        return iter(())


class RefusesToNameWhatIsPending(MemoryStore):
    def pending(self, prefix, /):
        raise UnsupportedError("nobody can know")


class NamesWhatIsComplete(MemoryStore):
    def pending(self, prefix, /):
        yield from super().pending(prefix)
        for url, held in list(self._objects.items()):
            if held.token and prefix.contains(url):
                yield Pending(Prepared(url, held.token))


class NamesWhatBeginsAlike(MemoryStore):
    def pending(self, prefix, /):
        everything = super().pending(Url(prefix.scheme, prefix.authority, ""))
        return (each for each in everything if str(each.prepared.url).startswith(str(prefix)))


class NamesWhatNobodyCanAbort(MemoryStore):
    def pending(self, prefix, /):
        for each in super().pending(prefix):
            yield attrs.evolve(each, prepared=attrs.evolve(each.prepared, token="lost"))


class BeginsInNoTimeZone(MemoryStore):
    def pending(self, prefix, /):
        for each in super().pending(prefix):
            yield attrs.evolve(each, begun=datetime.now())  # noqa: DTZ005


# Law 5: later reads see it.


class ReadsFromAStaleCache(LocalStore):
    def __init__(self):
        super().__init__()
        self.cache = {}

    def _read(self, url, span):
        if url not in self.cache:
            self.cache[url] = super()._read(url, None)
        data = self.cache[url]
        return data[span.start : span.stop] if span else data


class RemembersWhatWasMissing(LocalStore):
    def __init__(self):
        super().__init__()
        self.missing = set()

    def _read(self, url, span):
        if url in self.missing:
            raise NotFoundError("not found, and remembered")
        try:
            return super()._read(url, span)
        except NotFoundError:
            self.missing.add(url)
            raise


class ListsFromAStaleCache(LocalStore):
    def __init__(self):
        super().__init__()
        self.cache = {}

    def list(self, prefix, /, *, recursive=True):
        key = prefix, recursive
        if key not in self.cache:
            self.cache[key] = list(super().list(prefix, recursive=recursive))
        yield from self.cache[key]


class DeletesLater(MemoryStore):
    late: Url | None = None

    def _delete(self, url):
        late, self.late = self.late, url
        if late is not None:
            super()._delete(late)


class ListsLater(MemoryStore):
    listed: frozenset[Url] = frozenset()

    def list(self, prefix, /, *, recursive=True):
        known, self.listed = self.listed, frozenset(self._objects)
        for item in super().list(prefix, recursive=recursive):
            if isinstance(item, Prefix) or item.url in known or item.url.name != "seen":
                yield item


# Law 6: deleting what is missing.


class FailsToDeleteWhatIsMissing(MemoryStore):
    def _delete(self, url):
        self._find(url)
        super()._delete(url)


class DeletesWhatBeginsAlike(MemoryStore):
    def _delete(self, url):
        for other in [each for each in list(self._objects) if str(each).startswith(str(url))]:
            super()._delete(other)


# Law 7: one creator wins.


class CreatesOverWhatIsThere(MemoryStore):
    def _write(self, url, data, mode):
        super()._write(url, data, OVERWRITE if mode is CREATE else mode)


class LooksBeforeItCreates(LocalStore):
    def _write(self, url, data, mode):
        if mode is CREATE:
            if Path(url.path).exists():
                raise AlreadyExistsError("exists already")
            # So that others look meanwhile, however busy the machine is.
            time.sleep(0.01)
            mode = OVERWRITE
        super()._write(url, data, mode)


class TellsLosersSomethingElse(MemoryStore):
    def _write(self, url, data, mode):
        try:
            super()._write(url, data, mode)
        except AlreadyExistsError as error:
            raise PreconditionFailedError(str(error)) from None


class RefusesAndCreatesAllTheSame(MemoryStore):
    def _write(self, url, data, mode):
        if mode is CREATE and url in self._objects:
            super()._write(url, data, OVERWRITE)
        super()._write(url, data, mode)


class CreatesOnlyOnce(MemoryStore):
    def __init__(self):
        super().__init__()
        self.created = set()

    def _write(self, url, data, mode):
        if mode is CREATE and url in self.created:
            raise AlreadyExistsError("was there once")
        self.created.add(url)
        super()._write(url, data, mode)


# Law 8: stale etags are refused.


class IgnoresEtags(MemoryStore):
    def _write(self, url, data, mode):
        super()._write(url, data, OVERWRITE if isinstance(mode, IfMatch) else mode)


class LooksBeforeItReplaces(LocalStore):
    def _write(self, url, data, mode):
        if isinstance(mode, IfMatch):
            if self._stat(url).etag != mode.etag:
                raise PreconditionFailedError("stale")
            mode = OVERWRITE
        super()._write(url, data, mode)


class TagsBySize(MemoryStore):
    def _stat(self, url):
        info = super()._stat(url)
        return attrs.evolve(info, etag=str(info.size))

    def _write(self, url, data, mode):
        if isinstance(mode, IfMatch):
            if mode.etag != self._stat(url).etag:
                raise PreconditionFailedError("stale")
            mode = OVERWRITE
        super()._write(url, data, mode)


class ReplacesWhatIsDeleted(MemoryStore):
    def _write(self, url, data, mode):
        deleted = isinstance(mode, IfMatch) and url not in self._objects
        super()._write(url, data, OVERWRITE if deleted else mode)


class RefusesAndReplacesAllTheSame(MemoryStore):
    def _write(self, url, data, mode):
        try:
            super()._write(url, data, mode)
        except PreconditionFailedError:
            if url in self._objects:
                super()._write(url, data, OVERWRITE)
            raise


class RefusesEveryEtag(MemoryStore):
    def _write(self, url, data, mode):
        super()._write(url, data, IfMatch("another") if isinstance(mode, IfMatch) else mode)


class HasNoEtagsAndWritesAnyway(IgnoresEtags):
    def _stat(self, url):
        return attrs.evolve(super()._stat(url), etag=None)

    def list(self, prefix, /, *, recursive=True):
        for item in super().list(prefix, recursive=recursive):
            yield attrs.evolve(item, etag=None) if isinstance(item, ObjectInfo) else item


# Law 9: spans are clipped.


class ReadsOneByteTooMany(MemoryStore):
    def _read(self, url, span):
        if span and span.length:
            span = Span(span.start, span.length + 1)
        return super()._read(url, span)


class RefusesToClip(MemoryStore):
    def _read(self, url, span):
        if span and (span.stop or 0) > len(self._find(url).data):
            raise RangeNotSatisfiableError("the span ends past the end")
        return super()._read(url, span)


class ReadsNothingPastTheEnd(MemoryStore):
    def _read(self, url, span):
        try:
            return super()._read(url, span)
        except RangeNotSatisfiableError:
            return b""


class CannotReadWhatIsEmpty(MemoryStore):
    def _read(self, url, span):
        return super()._read(url, span or Span(0))


# Law 10: listing is by segments.


class ListsWhatBeginsAlike(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        alike = {url for url in list(self._objects) if str(url).startswith(str(prefix))}
        yield from super().list(prefix, recursive=recursive)
        if recursive:
            for url in alike:
                if not prefix.contains(url):
                    yield self._stat(url)


class ListsAlwaysToTheBottom(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        return super().list(prefix)


class FailsToListWhatIsMissing(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        found = list(super().list(prefix, recursive=recursive))
        if not found and prefix.key.count("/"):
            raise NotFoundError("no such prefix")
        yield from found


class ListsDirectoriesAsFiles(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        for item in super().list(prefix, recursive=recursive):
            yield ObjectInfo(item.url, 0) if isinstance(item, Prefix) else item


class ListsADirectoryForEachFile(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        for item in super().list(prefix, recursive=recursive):
            yield from [item] * (2 if isinstance(item, Prefix) else 1)


class PicksWhatContainsTheText(MemoryStore):
    def list_starting(self, prefix, start, /, *, recursive=True):
        found = self.list(prefix, recursive=recursive)
        return (item for item in found if start in item.url.key)


class ListsAllOfItTwice(MemoryStore):
    def list_all(self, prefix, start="", /):
        found = list(self.list_starting(prefix, start))
        return iter(found + found)


# Law 11: sizes agree.


class ShowsWrongSizes(MemoryStore):
    def _stat(self, url):
        info = super()._stat(url)
        return attrs.evolve(info, size=info.size + 1)


class ListsWrongSizes(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        for item in super().list(prefix, recursive=recursive):
            yield attrs.evolve(item, size=0) if isinstance(item, ObjectInfo) else item


class ListsOtherTags(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        for item in super().list(prefix, recursive=recursive):
            yield attrs.evolve(item, etag="tag") if isinstance(item, ObjectInfo) else item


class TellsDownloadsOfOtherSizes(MemoryStore):
    def _download(self, url, path):
        info = super()._download(url, path)
        return attrs.evolve(info, size=info.size + 1)


class TellsDownloadsOfOtherVersions(MemoryStore):
    def _download(self, url, path):
        return attrs.evolve(super()._download(url, path), etag="tag")


# Law 12: keys are opaque.


class Renames(MemoryStore):
    """Gives an object another key than it was told to."""

    def renamed(self, key: str) -> str:
        raise NotImplementedError

    def run(self, requests, /):
        return super().run([self._renamed(request) for request in requests])

    def _renamed(self, request):
        names = [name for name in ("url", "source") if name in attrs.fields_dict(type(request))]
        urls = {name: getattr(request, name) for name in names}
        changed = {name: self._changed(url) for name, url in urls.items()}
        return attrs.evolve(request, **changed)

    def _changed(self, url: Url) -> Url:
        changed = attrs.evolve(url, key=self.renamed(url.key))
        return changed if changed.name else url


class DecodesKeys(Renames):
    def renamed(self, key):
        return unquote(key)


class CollapsesSlashes(Renames):
    def renamed(self, key):
        while "//" in key:
            key = key.replace("//", "/")
        return key


class CutsKeysAtAHash(Renames):
    def renamed(self, key):
        return key.partition("#")[0]


class FoldsCase(Renames):
    def renamed(self, key):
        return key.lower()


class HidesWhatIsHidden(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        for item in super().list(prefix, recursive=recursive):
            if not item.url.name.startswith("."):
                yield item


class RefusesKeysInOtherWords(MemoryStore):
    def _write(self, url, data, mode):
        if "?" in url.key:
            raise UnsupportedError("no question marks")
        super()._write(url, data, mode)


class ReadsInAnyCase(MemoryStore):
    def _find(self, url):
        if url not in self._objects:
            alike = [each for each in list(self._objects) if str(each).lower() == str(url).lower()]
            return super()._find(alike[0] if alike else url)
        return super()._find(url)


class DescribesByAnotherName(MemoryStore):
    def _stat(self, url):
        info = super()._stat(url)
        return attrs.evolve(info, url=attrs.evolve(url, key=unquote(url.key)))


class CopiesToADecodedKey(MemoryStore):
    def _copy(self, source, url, mode):
        super()._copy(source, attrs.evolve(url, key=unquote(url.key)), mode)


class DeletesADecodedKey(MemoryStore):
    def _delete(self, url):
        super()._delete(attrs.evolve(url, key=unquote(url.key)))


class ListsWithoutEmptySegments(MemoryStore):
    def list(self, prefix, /, *, recursive=True):
        for item in super().list(prefix, recursive=recursive):
            if isinstance(item, Prefix):
                yield Prefix(attrs.evolve(item.url, key=item.url.key.rstrip("/")))
            else:
                yield item


class LosesObjectsBesideADirectory(MemoryStore):
    def _write(self, url, data, mode):
        super()._write(url, data, mode)
        for other in [each for each in list(self._objects) if each.contains(url)]:
            self._delete(other)


class LosesWhatIsBelowAnObject(MemoryStore):
    def _write(self, url, data, mode):
        super()._write(url, data, mode)
        for other in [each for each in list(self._objects) if url.contains(each)]:
            self._delete(other)


# Law 13: verbs are true.


class ClaimsToCopy(MemoryStore):
    def _copy(self, source, url, mode):
        raise UnsupportedError("not after all")


class DeletesInSecret(MemoryStore):
    verbs = MemoryStore.verbs - {Delete}

    def _carry_out(self, request):
        if isinstance(request, Delete):
            return self._delete(request.url)
        return super()._carry_out(request)


class RefusesWithoutTheWord(MemoryStore):
    verbs = MemoryStore.verbs - {Copy}

    def _carry_out(self, request):
        if isinstance(request, Copy):
            raise NotFoundError("what is a copy?")
        return super()._carry_out(request)


class NodsAtEverything(MemoryStore):
    def _carry_out(self, request):
        return super()._carry_out(request) if type(request) in self.verbs else None


class SaysItCannot(MemoryStore):
    def can(self, verb, url):
        return verb is not Read and super().can(verb, url)


class DoesWhatItRefuses(MemoryStore):
    verbs = MemoryStore.verbs - {Copy}

    def _carry_out(self, request):
        if isinstance(request, Copy):
            self._copy(request.source, request.url, request.mode)
        return super()._carry_out(request)


class SaysItCanDoAll(MemoryStore):
    def can(self, verb, url):
        return True


# Law 14: pickles do the work.


class PicklesEmpty(MemoryStore):
    def __reduce__(self):
        return MemoryStore, ()


class CannotBePickledByAccident(LocalStore):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def __reduce__(self):
        return copyreg.__newobj__, (type(self),), vars(self)  # type: ignore[attr-defined]


class RefusesWithAnotherError(MemoryStore):
    def __reduce__(self):
        raise pickle.PicklingError("no")


class CannotBeUnpickled(LocalStore):
    def __reduce__(self):
        return int, ("no number",)


class OnlyReads(LocalStore):
    def _write(self, url, data, mode):
        raise PermissionDeniedError("in this process nothing is written")


class PicklesAsALesserStore(LocalStore):
    def __reduce__(self):
        return OnlyReads, ()


# Law 15: forks are safe.


class Forked(LocalStore):
    """Does something else in a process that was forked from the one that made it."""

    def __init__(self):
        super().__init__()
        self.process = os.getpid()

    @property
    def is_forked(self) -> bool:
        return self.process != os.getpid()


class HangsAfterAFork(Forked):
    def _read(self, url, span):
        if self.is_forked:
            threading.Event().wait()
        return super()._read(url, span)


class MixesAnswersAfterAFork(Forked):
    def _read(self, url, span):
        data = super()._read(url, span)
        return data[::-1] if self.is_forked else data


class RaisesAfterAFork(Forked):
    def run(self, requests, /):
        if self.is_forked:
            raise RuntimeError("forked")
        return super().run(requests)


class DiesAfterAFork(Forked):
    def _read(self, url, span):
        if self.is_forked:
            os._exit(1)
        return super()._read(url, span)


class TakesTheConnectionOfItsParent(Forked):
    """Holds one line for all processes; who closes it, closes it for everyone."""

    def __init__(self):
        super().__init__()
        file, path = tempfile.mkstemp()
        os.close(file)
        self.line = Url.local(path)

    def _read(self, url, span):
        super()._stat(self.line)
        return super()._read(url, span)

    def close(self):
        Path(self.line.path).unlink(missing_ok=True)


BROKEN: dict[int, list[type[MemoryStore] | type[LocalStore]]] = {
    1: [
        LosesAnOutcome,
        RepeatsAnOutcome,
        AnswersOnlyOnceWhatIsAskedTwice,
        MixesUpIndexes,
        AnswersWhatNobodyAsked,
        TellsNothingOfDownloads,
        AnswersWithBareValues,
    ],
    2: [
        RaisesOutOfRun,
        StopsAtTheFirstFailure,
        FailsWithForeignErrors,
        ForgetsTheUrl,
        ForgetsTheVerb,
        TripsOverForeignTokens,
        TellsNoKindsApart,
    ],
    3: [
        LeavesAThread,
        LeavesAThreadOnlyWhenClosed,
        LeavesAThreadWhenListing,
        WorksOffTheRestLater,
    ],
    4: [
        WritesInPieces,
        DownloadsInPieces,
        LeavesAnEmptyFile,
        LeavesATemporaryFile,
        EmptiesBeforeItUploads,
        PreparesInPublic,
        CompletesWhatWasAborted,
        AbortsOnlyOnce,
        AbortsTheAttemptsOfOthers,
        EmptiesWhenItFails,
        DeletesTheOldFile,
        CompletesBesideWhatIsThere,
        RefusesToPrepareFiles,
        PreparesWithoutTheDraft,
        LiesAboutTheSize,
        ShowsEachFileOfADraftByItself,
        CompletesTheFirstOfADraft,
        CompletesOnlyOnce,
        CompletesOnlyItsOwn,
        CompletesOneAtATimeOrFails,
        AbortsAllAttempts,
        AbortsWhatIsComplete,
        TakesAnythingForComplete,
        BringsOldBytesBack,
        ReplacesWhatTheDraftDoesNotName,
        NamesNothingPending,
        RefusesToNameWhatIsPending,
        NamesWhatIsComplete,
        NamesWhatBeginsAlike,
        NamesWhatNobodyCanAbort,
        BeginsInNoTimeZone,
    ],
    5: [
        ReadsFromAStaleCache,
        RemembersWhatWasMissing,
        ListsFromAStaleCache,
        DeletesLater,
        ListsLater,
    ],
    6: [FailsToDeleteWhatIsMissing, DeletesWhatBeginsAlike],
    7: [
        CreatesOverWhatIsThere,
        LooksBeforeItCreates,
        TellsLosersSomethingElse,
        RefusesAndCreatesAllTheSame,
        CreatesOnlyOnce,
    ],
    8: [
        IgnoresEtags,
        LooksBeforeItReplaces,
        TagsBySize,
        ReplacesWhatIsDeleted,
        RefusesAndReplacesAllTheSame,
        RefusesEveryEtag,
        HasNoEtagsAndWritesAnyway,
    ],
    9: [ReadsOneByteTooMany, RefusesToClip, ReadsNothingPastTheEnd, CannotReadWhatIsEmpty],
    10: [
        ListsWhatBeginsAlike,
        ListsAlwaysToTheBottom,
        FailsToListWhatIsMissing,
        ListsDirectoriesAsFiles,
        ListsADirectoryForEachFile,
        PicksWhatContainsTheText,
        ListsAllOfItTwice,
    ],
    11: [
        ShowsWrongSizes,
        ListsWrongSizes,
        ListsOtherTags,
        TellsDownloadsOfOtherSizes,
        TellsDownloadsOfOtherVersions,
    ],
    12: [
        DecodesKeys,
        CollapsesSlashes,
        CutsKeysAtAHash,
        FoldsCase,
        HidesWhatIsHidden,
        RefusesKeysInOtherWords,
        ReadsInAnyCase,
        DescribesByAnotherName,
        CopiesToADecodedKey,
        DeletesADecodedKey,
        ListsWithoutEmptySegments,
        LosesObjectsBesideADirectory,
        LosesWhatIsBelowAnObject,
    ],
    13: [
        ClaimsToCopy,
        DeletesInSecret,
        RefusesWithoutTheWord,
        NodsAtEverything,
        SaysItCannot,
        DoesWhatItRefuses,
        SaysItCanDoAll,
    ],
    14: [
        PicklesEmpty,
        CannotBePickledByAccident,
        RefusesWithAnotherError,
        CannotBeUnpickled,
        PicklesAsALesserStore,
    ],
    15: [
        HangsAfterAFork,
        MixesAnswersAfterAFork,
        RaisesAfterAFork,
        DiesAfterAFork,
        TakesTheConnectionOfItsParent,
    ],
}
"""By the law that they break."""
