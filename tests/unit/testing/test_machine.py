"""The state machine finds what single checks might overlook."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.testing import broken_stores as broken

from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.domain.errors import NotFoundError
from file_dataset.domain.outcomes import Failed
from file_dataset.domain.requests import Read, Write
from file_dataset.domain.url import Url
from file_dataset.testing import StoreMachine, store_state_machine

ROOT = Url.parse("memory://kit/root")
# Always the same examples, and no time spent on making them small: here it counts that one fails.
THOROUGH = settings(
    max_examples=400,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    print_blob=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


# Where nothing is to be found, looking for it need not take as long.
QUICK = settings(THOROUGH, max_examples=25)


class ForgetsOneInFive(MemoryStore):
    written = 0

    def _write(self, url, data, mode):
        super()._write(url, data, mode)
        self.written += 1
        if self.written % 5 == 0:
            self._delete(url)


class CompletesWithOldBytes(MemoryStore):
    def _complete(self, prepared):
        old = {each.url: self._objects.get(each.url) for each in prepared}
        super()._complete(prepared)
        self._objects.update({url: held for url, held in old.items() if held is not None})


class KeepsATemporaryFile(MemoryStore):
    def _download(self, url, path):
        path.with_name(".part").touch()
        return super()._download(url, path)


FOUND = [
    broken.LosesAnOutcome,
    broken.MixesUpIndexes,
    broken.PreparesInPublic,
    broken.AbortsOnlyOnce,
    broken.FailsToDeleteWhatIsMissing,
    broken.DeletesWhatBeginsAlike,
    broken.CreatesOverWhatIsThere,
    broken.IgnoresEtags,
    broken.ReplacesWhatIsDeleted,
    broken.ReadsOneByteTooMany,
    broken.ReadsNothingPastTheEnd,
    broken.ListsAlwaysToTheBottom,
    broken.ListsADirectoryForEachFile,
    broken.ShowsWrongSizes,
    broken.ListsWrongSizes,
    broken.DecodesKeys,
    broken.CollapsesSlashes,
    broken.HidesWhatIsHidden,
    ForgetsOneInFive,
    broken.LosesObjectsBesideADirectory,
    broken.LosesWhatIsBelowAnObject,
    CompletesWithOldBytes,
    KeepsATemporaryFile,
]


def run(make_store, root=ROOT, *, settings=QUICK):
    run_state_machine_as_test(store_state_machine(make_store, root), settings=settings)


@pytest.mark.parametrize("kind", FOUND)
def test_it_finds_a_broken_store(kind):
    # Most end in an AssertionError; where the store's answer cannot even be taken, in another.
    with pytest.raises((AssertionError, ValueError, NotFoundError, ExceptionGroup)):
        run(kind, settings=THOROUGH)


def test_it_finds_nothing_in_a_good_store(tmp_path):
    run(MemoryStore)
    run(LocalStore, Url.local(tmp_path))


def test_it_needs_no_more_than_two_verbs(tmp_path):
    run(type("Simple", (MemoryStore,), {"verbs": frozenset({Write, Read})}))


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        (broken.CreatesOverWhatIsThere, 7),
        (broken.IgnoresEtags, 8),
        (broken.DecodesKeys, 12),
    ],
)
def test_it_does_not_ask_for_what_a_store_says_it_does_not_do(kind, law):
    plain = kind
    if law == 12:
        plain = type("Plain", (kind,), {"renamed": lambda self, key: key.replace("\n", "")})
    run(type("Declared", (plain,), {"deviations": {law: "does something else"}}))


def test_it_takes_everything_away():
    store = MemoryStore()
    run(lambda: store)
    assert list(store.list(ROOT)) == []
    assert store._prepared == {}


def test_a_machine_knows_its_store_and_leaves_others_alone():
    first, second = (store_state_machine(MemoryStore, ROOT.joined(name)) for name in "ab")
    assert issubclass(first, StoreMachine)
    assert (first.root, second.root) == (ROOT.joined("a"), ROOT.joined("b"))
    assert not hasattr(StoreMachine, "root")


def test_a_refusal_must_leave_everything_as_it_was():
    class RefusesHalfWay(MemoryStore):
        def run(self, requests, /):
            for outcome in super().run(requests):
                request = requests[outcome.index]
                clashes = any(url.contains(request.url) for url in self._objects)
                if isinstance(request, Write) and clashes:
                    yield Failed(outcome.index, NotFoundError("no", url=request.url))
                else:
                    yield outcome

    with pytest.raises((AssertionError, ExceptionGroup)):
        run(RefusesHalfWay, settings=THOROUGH)
