"""How to reach an S3 store: a value that travels, and the one client per process made of it."""

from __future__ import annotations

import copy
import functools
import os
import pickle
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import attrs
from attrs.validators import ge, in_, instance_of

from file_dataset.adapters.s3.checksums import VerifyReads
from file_dataset.adapters.s3.client import Connected, connect, transfer_settings
from file_dataset.adapters.s3.pickling import let_boto3_pickle

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from types_boto3_s3 import S3Client

    from file_dataset.adapters.s3.curl.carrier import Carrier

Engine: TypeAlias = Literal["auto", "curl", "boto3"]

# What may be seen of the arguments. Everything else could be a secret, of whatever name.
_SHOWN = frozenset({"api_version", "profile_name", "region_name", "use_ssl", "verify"})

_making = threading.Lock()


def _forget_the_lock() -> None:
    # Another thread of the parent may hold it, and will never let go of it in the child.
    global _making  # noqa: PLW0603 - the lock belongs to the process, like the clients
    _making = threading.Lock()


os.register_at_fork(after_in_child=_forget_the_lock)


class _Client:
    """The client of one process. A forked child finds the parent's, and makes its own."""

    def __init__(self) -> None:
        self.made: tuple[int, Connected] | None = None

    def get(self, options: S3Options) -> Connected:
        made = self.made
        if made is None or made[0] != os.getpid():
            with _making:
                made = self.made
                if made is None or made[0] != os.getpid():
                    made = self.made = (os.getpid(), connect(options))
        return made[1]


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)


def _redacted(values: Mapping[str, object]) -> str:
    shown = {
        name: _without_userinfo(str(value)) if name == "endpoint_url" else value
        for name, value in values.items()
        if name in _SHOWN or name == "endpoint_url"
    }
    return repr(shown | {name: "***" for name in values if name not in shown})


def _without_userinfo(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


@attrs.frozen
class S3Options:
    """How to reach an S3 store, as a value that pickles without a live client.

    What is not given here, boto3 finds in the environment and in the files of the AWS tools.
    Retries are this library's, so the client makes none, unless they are configured anywhere; and
    checksums are only calculated and checked where S3 requires it, unless configured otherwise,
    because that is what lets a download do without a HEAD request. Connecting may take 10 seconds,
    and waiting for bytes 30, unless configured otherwise.

    Args:
        session_kwargs: Arguments of ``boto3.Session``.
        client_kwargs: Arguments of ``session.client("s3")``, such as ``endpoint_url``.
        transfer_config: How large files are split; what it leaves open is chosen to suit a batch.
        max_concurrency: How many requests of boto3's may be under way at once, each with a thread
            and a connection.
        engine: What carries the bytes: ``"curl"``, ``"boto3"``, or ``"auto"`` for the first where
            it can and the second elsewhere.
        max_in_flight: How many requests of curl's may be under way at once. It takes as many as
            the distance to the store calls for.
        verify_reads: By what the bytes of whole objects are looked at when they have come:
            ``"checksum"``, the CRC where the store tells one; ``"etag"``, also the MD5 that
            etags are on many stores, which takes seven times as long; ``"size"``, neither.
        verify_writes: Whether the store is told the MD5 of what is written, so that it looks at
            what it gets, and its answer is compared.
        requester_pays: Whether who asks agrees to pay for it, as some buckets want it.
        read_only: Whether the client refuses everything but reads.

    >>> S3Options({"aws_secret_access_key": "hush"}, {"endpoint_url": "http://localhost:9000"})
    S3Options(session_kwargs={'aws_secret_access_key': '***'},
        client_kwargs={'endpoint_url': 'http://localhost:9000'}, max_concurrency=32,
        engine='auto', max_in_flight=256, verify_reads='checksum', verify_writes=False,
        requester_pays=False, read_only=False)
    """

    session_kwargs: Mapping[str, Any] = attrs.field(factory=dict, converter=_copied, repr=_redacted)
    client_kwargs: Mapping[str, Any] = attrs.field(factory=dict, converter=_copied, repr=_redacted)
    transfer_config: TransferConfig | None = attrs.field(default=None, repr=False)
    max_concurrency: int = attrs.field(default=32, validator=[instance_of(int), ge(1)])
    engine: Engine = attrs.field(default="auto", validator=in_(get_args(Engine)))
    max_in_flight: int = attrs.field(default=256, validator=[instance_of(int), ge(1)])
    verify_reads: VerifyReads = attrs.field(
        default="checksum", validator=in_(get_args(VerifyReads))
    )
    verify_writes: bool = attrs.field(default=False, validator=instance_of(bool))
    requester_pays: bool = attrs.field(default=False, validator=instance_of(bool))
    read_only: bool = attrs.field(default=False, validator=instance_of(bool))
    _client: _Client = attrs.field(factory=_Client, init=False, repr=False, eq=False)

    @property
    def client(self) -> S3Client:
        """The boto3 client: made when it is first needed, once in each process."""
        return self._client.get(self).client

    @property
    def carrier(self) -> Carrier | None:
        """What carries a batch instead of boto3, or None if boto3 is to do it now."""
        connected = self._client.get(self)
        return connected.engines.carrier(connected, self)

    @property
    def serving(self) -> str:
        """Which engine served last, and why, in words."""
        made = self._client.made
        return (made[1].engines.serving if made else "") or self.engine

    @property
    def endpoint(self) -> str:
        """Where requests go; until there is a client, as far as the arguments tell."""
        made = self._client.made
        known = made[1].client.meta.endpoint_url if made else self.client_kwargs.get("endpoint_url")
        return _without_userinfo(known or "default")

    def narrowed(self, *, objects: int, requests_each: int) -> S3Options:
        """The same store, for so many objects at a time and so many requests for each.

        Its clients are others than this one's.
        """
        from boto3.s3.transfer import TransferConfig

        transfer = copy.copy(self.transfer_config or TransferConfig())
        transfer.use_threads = requests_each > 1
        transfer.max_concurrency = requests_each
        most = objects * requests_each
        return attrs.evolve(
            self,
            transfer_config=transfer,
            max_concurrency=most,
            max_in_flight=min(self.max_in_flight, most),
        )

    def transfer(self, *, threads: int) -> TransferConfig:
        """The configuration of one transfer, which may use so many threads."""
        return transfer_settings(self.transfer_config, threads=threads)

    def close(self) -> None:
        """Close the connections of this process's client; it opens new ones when it is used."""
        made = self._client.made
        if made is not None and made[0] == os.getpid():
            made[1].close()

    def __reduce__(self) -> tuple[object, ...]:
        let_boto3_pickle()
        given = [each for each in attrs.fields(S3Options) if each.init]
        return _unpickled, ({each.name: getattr(self, each.name) for each in given},)


def _unpickled(given: Mapping[str, Any]) -> S3Options:
    """The options, with the client of those that came here before and say the same.

    Workers of a cluster get a copy with every task, and a client takes 100 ms to make.
    """
    options = S3Options(**given)
    try:
        said = pickle.dumps(given)
    except (pickle.PicklingError, AttributeError, TypeError):
        return options  # not by pickle itself, but by a library that knows of more
    environment = tuple(sorted(pair for pair in os.environ.items() if pair[0].startswith("AWS_")))
    object.__setattr__(options, "_client", _client_of(said, environment))
    return options


@functools.lru_cache(maxsize=8)
def _client_of(said: bytes, environment: tuple[tuple[str, str], ...]) -> _Client:  # noqa: ARG001 - the key
    return _Client()
