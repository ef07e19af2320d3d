"""Every store and every layer around one keeps the laws, and does as a dictionary does."""

import os
import random
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import attrs
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests import soak
from tests.integration import ftp_server, sftp_server

from file_dataset.adapters.fsspec import FsspecStore
from file_dataset.adapters.http import HttpStore
from file_dataset.adapters.layers._layer import Layer
from file_dataset.adapters.layers.cached import Cached, Entries
from file_dataset.adapters.layers.faulty import Faults, Faulty, ReplyLost
from file_dataset.adapters.layers.limited import Limited
from file_dataset.adapters.layers.retrying import Retrying
from file_dataset.adapters.layers.routed import Routed
from file_dataset.adapters.layers.verifying import Verifying
from file_dataset.adapters.local import DirectStore, LocalStore
from file_dataset.adapters.memory import MemoryStore
from file_dataset.adapters.registry import Registry
from file_dataset.domain.errors import TransientError
from file_dataset.domain.requests import Prepare
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.url import Url
from file_dataset.testing import LAWS, Finding, check_store, law_table, store_state_machine

RCLONE_DEVIATIONS = {
    12: "answers names that are too long for its file system with an internal error, "
    "and replaces a directory by an object that is copied to its name",
}

UNCHECKED_ON_RCLONE = {4: "a read during an overwrite gets something else only at times"}
UNCHECKED_OVER_TLS = UNCHECKED_ON_RCLONE | {
    12: "boto3 does what libcurl is refused, and takes what comes first over TLS for an answer to "
    "Expect: 100-continue, which rclone does not give before it refuses a name: a minute for each",
}
SERVING = {"curl": "curl", "boto3": "boto3: it was asked for"}


class Place(NamedTuple):
    """Where the kit works.

    Attributes:
        make: Makes the store.
        root: Where to write.
        check: Asserts, in the end, that it was the store that was meant.
        contents: What is there, if nothing can be written.
        unchecked: Laws that cannot be checked there, and why.
    """

    make: Callable[[], Store]
    root: Url
    check: Callable[[], object] = bool
    unchecked: Mapping[int, str] = {}
    contents: Mapping[Url, bytes] = {}


def memory(request):
    store = MemoryStore()
    return Place(lambda: store, Url.parse("memory://kit/root"))


def local(request):
    return Place(LocalStore, Url.local(request.getfixturevalue("tmp_path") / "root"))


def direct(request):
    # On a disk: not every /tmp is on one, and what is not goes through the cache.
    path = request.getfixturevalue("tmp_path")
    return Place(DirectStore, Url("direct", "", f"{path}/root".removeprefix("/")))


def fsspec_memory(request):
    return Place(lambda: FsspecStore("memory"), Url.parse(f"memory://kit-{uuid.uuid4().hex}/root"))


def fsspec_local(request):
    root = Url.local(request.getfixturevalue("tmp_path") / "root")
    return Place(lambda: FsspecStore("file"), root)


def ftp(request):
    port = request.getfixturevalue("ftp_port")
    told = {"port": port, "username": ftp_server.USER, "password": ftp_server.PASSWORD}
    root = Url.parse(f"ftp://127.0.0.1/kit-{uuid.uuid4().hex}")
    return Place(lambda: FsspecStore("ftp", told), root)


def sftp(request):
    port = request.getfixturevalue("sftp_port")
    told = {"port": port, "username": sftp_server.USER, "password": sftp_server.PASSWORD}
    # Of whoever runs the tests no keys are asked for.
    told |= {"look_for_keys": False, "allow_agent": False}
    root = Url.parse(f"sftp://127.0.0.1/kit-{uuid.uuid4().hex}")
    return Place(lambda: FsspecStore("sftp", told), root)


def http(request):
    server = request.getfixturevalue("web_server")
    contents = {
        Url.parse(f"{server.endpoint}/files/{quote(name, safe='/+')}"): data
        for name, data in server.objects.items()
    }
    root = Url.parse(f"{server.endpoint}/files/root")
    return Place(lambda: HttpStore(allow_private=True), root, contents=contents)


def cloud(request, *, name):
    server = request.getfixturevalue(name)
    return Place(server.store, server.make_bucket().joined("root"))


def s3_on_moto(request, *, engine):
    return on_server(request.getfixturevalue("moto_s3"), engine=engine)


def s3_on_rclone(request, *, engine, over=""):
    server = request.getfixturevalue("rclone_s3" + over)
    server = attrs.evolve(server, deviations={**server.deviations, **RCLONE_DEVIATIONS})
    # It fails now and then where several writers make one directory, and asks to try again.
    retrying = partial(Retrying, attempts=8, base=0.001)
    place = on_server(server, engine=engine, around=retrying)
    return place._replace(unchecked=UNCHECKED_OVER_TLS if over else UNCHECKED_ON_RCLONE)


def on_server(server, *, engine, around=lambda store: store):
    """A store on a server by an engine, which is not to be another one for whatever reason."""
    # The first, and of those that take part for a moment the latest: each has a client of its own.
    first: list[Any] = []
    latest: deque[Any] = deque(maxlen=8)

    def make():
        store = server.store(engine=engine)
        (latest if first else first).append(store)
        return around(store)

    def check():
        made = [*first, *latest]
        used = [store.options._client.made[1] for store in made if store.options._client.made]
        assert {connected.engines.serving for connected in used} == {SERVING[engine]}
        carriers = [connected.engines._made for connected in used]
        if engine == "curl":
            assert any(carrier._places for carrier in carriers), "boto3 did all of it"

    return Place(make, server.make_bucket().joined("root"), check)


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

STORES: dict[str, Callable[[Any], Place]] = {
    "memory": memory,
    "local": local,
    "direct": direct,
    "fsspec, memory": fsspec_memory,
    "fsspec, local": fsspec_local,
    "ftp": ftp,
    "sftp": sftp,
    "http": http,
    "azure": partial(cloud, name="azure"),
    "gcs": partial(cloud, name="gcs"),
    "s3-moto, curl": partial(s3_on_moto, engine="curl"),
    "s3-moto, boto3": partial(s3_on_moto, engine="boto3"),
    "s3-rclone, curl": partial(s3_on_rclone, engine="curl"),
    "s3-rclone, boto3": partial(s3_on_rclone, engine="boto3"),
    "s3-rclone over TLS, curl": partial(s3_on_rclone, engine="curl", over="_tls"),
}


def cached(store, directory):
    # Of the laws' objects of a MiB there is room for some, and of their small ones for many.
    return Cached(store, Entries(directory, 3 << 20))


LAYERS: dict[str, Callable[..., Store]] = {
    "bare": lambda store: store,
    "limited": lambda store: Limited(store, max_concurrent=3),
    "retrying": Retrying,
    "faulty": lambda store: Faulty(store, Faults()),
    "retrying faults": lambda store: Retrying(Faulty(store, some_faults), attempts=30, base=0),
    "routed": routed,
    "verifying": Verifying,
    "cached": cached,
    "all": lambda store: routed(Retrying(Limited(Faulty(store, Faults()), max_concurrent=8))),
}
QUICK = {("memory", "bare"), ("local", "bare")}
# Servers take their time, so there each engine is tried bare on the one or as it is used; what
# layers do has been seen by then.
SOME_LAYERS = {
    "direct": ("bare",),
    "fsspec, memory": ("bare",),
    "ftp": ("bare",),
    "sftp": ("bare",),
    "http": ("bare",),
    "azure": ("bare",),
    "gcs": ("bare",),
    "fsspec, local": ("bare", "all"),
    "s3-moto, curl": ("all",),
    "s3-moto, boto3": ("cached",),
    "s3-rclone, curl": ("bare",),
    "s3-rclone, boto3": ("all",),
    "s3-rclone over TLS, curl": ("bare",),
}
CASES = [(store, layer) for store in STORES for layer in SOME_LAYERS.get(store, LAYERS)]


@pytest.fixture
def place(request):
    """A store with a layer around it, and where to write there."""
    store, layer = request.param
    found = STORES[store](request)
    directory = request.getfixturevalue("tmp_path") / "cache"
    around = partial(cached, directory=directory) if layer == "cached" else LAYERS[layer]
    yield found._replace(make=lambda: around(found.make()))
    found.check()


WRITABLE = [case for case in CASES if "TLS" not in case[0] and case[0] != "http"]


def each_of(cases):
    """The cases as parameters; those of emulators that are slow to start stay together."""
    clouds = dict.fromkeys(["azure", "gcs"], pytest.mark.xdist_group("clouds"))
    marked = [
        pytest.param(case, marks=clouds.get(case[0], ()), id=", ".join(case)) for case in cases
    ]
    return pytest.mark.parametrize("place", marked, indirect=True)


PROFILE = settings.get_profile(os.environ.get("FILE_DATASET_HYPOTHESIS_PROFILE", "default"))
DOCUMENTED = (Path(__file__).parents[2] / "docs/reference/stores.md").read_text()


@each_of(CASES)
def test_the_laws_are_kept(request, place, record_property):
    checked = [number for number in LAWS if number not in place.unchecked]
    report = check_store(place.make, place.root, contents=place.contents, laws=checked)

    assert [verdict.law.number for verdict in report.verdicts] == checked
    deviating = {v.law.number for v in report.verdicts if v.finding is Finding.DEVIATES}
    assert deviating == set(place.make().deviations) - set(place.unchecked)
    store, layer = request.node.callspec.params["place"]
    if layer == SOME_LAYERS.get(store, ("bare",))[0]:
        # The table in the documentation is what is found here; make test prints it.
        *heads, row = law_table({store: report}).splitlines()
        record_property("laws", [heads, row])
        assert row in DOCUMENTED, f"docs/reference/stores.md should have the line:\n{row}"


def test_the_documented_stores_are_those_that_are_checked():
    table = DOCUMENTED.partition("## Which store keeps which law")[2]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[1:]] == [*STORES]
    assert rows[0][1:] == [*map(str, list(LAWS)[:-1]), f"{list(LAWS)[-1]} |"]


@attrs.frozen(eq=False)
class Finished(Layer):
    """A store where nothing is only prepared: rclone lists the directory of what is."""

    def can(self, verb: Verb, url: Url) -> bool:
        return verb is not Prepare and self.store.can(verb, url)

    def run(self, requests, /):
        return self.store.run(requests)


@each_of(WRITABLE)
@pytest.mark.timeout(1200)
def test_it_does_as_a_dictionary_does(request, place):
    store, layer = request.node.callspec.params["place"]
    make = (lambda: Finished(place.make())) if store.startswith("s3-rclone") else place.make
    run_state_machine_as_test(
        store_state_machine(make, place.root),
        settings=settings(PROFILE, max_examples=examples(store, layer)),
    )


def examples(store: str, layer: str) -> int:
    """How many examples: all of the two quickest; a share under layers, and where it takes long."""
    all_of_them = PROFILE.max_examples
    if (store, layer) not in QUICK:
        usual = all_of_them // (8 if store in ("memory", "local") else 16)
    else:
        usual = all_of_them
    return soak.times(max(4, usual), most=max(200, all_of_them))
