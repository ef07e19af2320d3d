"""Every store and every layer around one keeps the laws, and does as a dictionary does."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import attrs
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.integration.servers import S3Server

from file_dataset.adapters.layers.faulty import Faults, Faulty, ReplyLost
from file_dataset.adapters.layers.limited import Limited
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.local import LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.registry import Registry
from file_dataset.domain.errors import TransientError
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url
from file_dataset.testing import LAWS, Finding, check_store, store_state_machine

MOTO_DEVIATIONS = {
    7: "ignores If-None-Match of copies, so that every copier with CREATE wins",
    8: "ignores If-Match of copies, so that a copy with a stale etag is made",
    12: "does not find a key with a line break",
}
RCLONE_DEVIATIONS = {
    12: "answers names that are too long for its file system with an internal error, "
    "and replaces a directory by an object that is copied to its name",
}


class Place(NamedTuple):
    make: Callable[[], Store]
    root: Url


def memory(request):
    store = MemoryStore()
    return Place(lambda: store, Url.parse("memory://kit/root"))


def local(request):
    return Place(LocalStore, Url.local(request.getfixturevalue("tmp_path") / "root"))


def s3_on_moto(request):
    server = request.getfixturevalue("moto_apart")
    return Place(server.store, server.make_bucket().joined("root"))


def s3_on_rclone(request):
    server = request.getfixturevalue("rclone_s3")
    server = attrs.evolve(server, deviations={**server.deviations, **RCLONE_DEVIATIONS})

    def make():
        # It fails now and then where several writers make one directory, and asks to try again.
        return Retrying(server.store(), attempts=8, base=0.001)

    return Place(make, server.make_bucket().joined("root"))


def some_faults(request):
    """Faults that retrying makes good: of what may be done twice, at times, before or after."""
    if not request.idempotent:
        return None
    error = TransientError("a fault made on purpose", url=request.url)
    return random.choice([None, None, None, error, ReplyLost(error)])


def routed(store):
    mounts = {Url.parse("memory://"): store, Url.local("/"): store, Url.parse("s3://"): store}
    return Routed(mounts, Registry().create)


# One line for a store, one line for a layer.

STORES = {
    "memory": memory,
    "local": local,
    "s3-moto": s3_on_moto,
    "s3-rclone": s3_on_rclone,
}
LAYERS = {
    "bare": lambda store: store,
    "limited": lambda store: Limited(store, max_concurrent=3),
    "retrying": Retrying,
    "faulty": lambda store: Faulty(store, Faults()),
    "retrying faults": lambda store: Retrying(Faulty(store, some_faults), attempts=30, base=0),
    "routed": routed,
    "all": lambda store: routed(Retrying(Limited(Faulty(store, Faults()), max_concurrent=8))),
}
# Servers take their time, so there only the stack as it is used is tried besides the store.
SERVERS = ("s3-moto", "s3-rclone")
CASES = [
    (store, layer)
    for store in STORES
    for layer in LAYERS
    if store not in SERVERS or layer in ("bare", "all")
]


@pytest.fixture(scope="session")
def moto_apart():
    """A moto server in another process, so that its threads are not taken for a store's."""
    serve = (
        "import sys\n"
        "from tests.integration.servers import moto_server\n"
        "with moto_server() as server:\n"
        "    print(server.endpoint, server.access_key, server.secret_key, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", serve],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        endpoint, access_key, secret_key = process.stdout.readline().split()
        yield S3Server(endpoint, access_key, secret_key, deviations=MOTO_DEVIATIONS)
        process.stdin.close()


@pytest.fixture
def place(request):
    """A store with a layer around it, and where to write there."""
    store, layer = request.param
    make, root = STORES[store](request)
    return Place(lambda: LAYERS[layer](make()), root)


each_case = pytest.mark.parametrize("place", CASES, indirect=True, ids=", ".join)


@each_case
def test_the_laws_are_kept(place):
    report = check_store(place.make, place.root)

    assert [verdict.law.number for verdict in report.verdicts] == list(LAWS)
    deviating = {v.law.number for v in report.verdicts if v.finding is Finding.DEVIATES}
    assert deviating == set(place.make().deviations)


@each_case
@pytest.mark.timeout(1200)
def test_it_does_as_a_dictionary_does(request, place):
    profile = settings.get_profile(os.environ.get("FILE_DATASET_HYPOTHESIS_PROFILE", "default"))
    thorough = profile.max_examples >= 200
    examples = profile.max_examples // (1 if thorough or place.root.scheme != "s3" else 6)
    run_state_machine_as_test(
        store_state_machine(place.make, place.root),
        settings=settings(profile, max_examples=examples),
    )
