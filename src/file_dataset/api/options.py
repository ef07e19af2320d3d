"""How storage is reached: credentials, endpoints, transfer settings, stores of one's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
from attrs.validators import deep_mapping, ge, in_, instance_of

from file_dataset.api import _wiring
from file_dataset.api._arguments import one_of
from file_dataset.api.credentials import default_source, session_kwargs, static_kwargs
from file_dataset.api.secrets import CLIENT_TYPES, ClientType, Secrets
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from types_boto3_s3 import S3Client

_MIB = 2**20


def _is_prefix(_: object, attribute: attrs.Attribute[object], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} maps URL prefixes to stores, and {value!r} is none")
    Url.parse(value)


def _known_store(_: object, attribute: attrs.Attribute[object], value: object) -> None:
    if not isinstance(value, Store | Options):
        raise TypeError(
            f"{attribute.name} maps URL prefixes to a Store or Options, not {type(value).__name__}"
        )


def _as_directory(path: str | os.PathLike[str] | None) -> Path | None:
    if path is None:
        return None
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"cache is the path of a local directory, not {path!r}")
    if not text or "://" in text or "\0" in text:
        raise ValueError(f"cache is the path of a local directory, not {text!r}")
    return Path(text).absolute()


def _copied(values: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise TypeError(
            f"session_kwargs, s3_client_kwargs and stores are mappings, not {type(values).__name__}"
        )
    return dict(values)


@attrs.frozen
class Options:
    """How storage is reached; a value that can be pickled and never shows its secrets.

    With none given, boto3 finds credentials, region, endpoint and profile the way it always does.

    Args:
        session_kwargs: Arguments of ``boto3.Session``, such as ``profile_name``.
        s3_client_kwargs: Arguments of ``session.client("s3")``, such as ``endpoint_url``.
        s3_transfer_config: Multipart sizes and threads of a transfer.
        engine: What carries the bytes of S3: ``"curl"``, many times as fast; ``"boto3"``; or
            ``"auto"``, the first where it can and the second elsewhere, as under moto.
        max_in_flight: How many requests of curl's may be under way at once; it takes as many as
            the distance to the store calls for.
        verify_reads: By what the bytes of whole objects of S3 are looked at when they have come:
            ``"checksum"``, the CRC where the store tells one; ``"etag"``, also the MD5 that
            etags are on many stores, which takes seven times as long; ``"size"``, neither.
        verify_writes: What is looked at of what was written: ``"size"`` asks for each object's,
            which is one more request; ``"checksum"`` tells S3 the MD5 of what it gets, so that it
            refuses other bytes, and compares its answer, and is ``"size"`` for all other stores;
            None takes their word for it.
        requester_pays: Whether who asks agrees to pay for it, as some buckets of S3 want it.
        stores: For a URL prefix such as ``s3://public-bucket/`` or ``memory://``, the Store or the
            Options that serve it; the longest prefix wins.
        read_only: Whether S3 is only read: writes are refused before anything is sent.
        cache: A local directory that keeps what was read, made if it is not there; what is read
            again comes from it, if the store says that it is the same still. It is for this user,
            and for any number of processes.
        cache_bytes: What it may take; what was used longest ago goes first.

    Raises:
        TypeError: For a value of another type.
        ValueError: For an engine or a way to verify that there is not, for no requests at all, and
            for a cache that is no local path or may keep nothing.
        InvalidUrlError: For a prefix in ``stores`` that is no URL.

    >>> Options(read_only=True).read_only
    True
    >>> here = Options(s3_client_kwargs={"endpoint_url": "http://localhost:9000"})
    >>> everywhere = Options(stores={"s3://ours/": here, "s3://public/": Options.anonymous()})
    """

    session_kwargs: Mapping[str, Any] = attrs.field(factory=dict, converter=_copied, repr=False)
    s3_client_kwargs: Mapping[str, Any] = attrs.field(factory=dict, converter=_copied, repr=False)
    s3_transfer_config: TransferConfig | None = attrs.field(default=None, repr=False)
    stores: Mapping[str, Store | Options] = attrs.field(
        factory=dict, converter=_copied, validator=deep_mapping(_is_prefix, _known_store)
    )
    engine: Literal["auto", "curl", "boto3"] = "auto"
    max_in_flight: int = 256
    verify_reads: Literal["checksum", "etag", "size"] = "checksum"
    verify_writes: Literal["size", "checksum"] | None = attrs.field(
        default=None, validator=in_((None, "size", "checksum"))
    )
    requester_pays: bool = False
    read_only: bool = False
    cache: Path | None = attrs.field(default=None, converter=_as_directory)
    cache_bytes: int = attrs.field(default=16 * 2**30, validator=[instance_of(int), ge(1)])
    s3: _wiring.S3Options = attrs.field(init=False, eq=False)

    @s3.default
    def _s3(self) -> _wiring.S3Options:
        return _wiring.S3Options(
            session_kwargs=self.session_kwargs,
            client_kwargs=self.s3_client_kwargs,
            transfer_config=self.s3_transfer_config,
            engine=self.engine,
            max_in_flight=self.max_in_flight,
            verify_reads=self.verify_reads,
            verify_writes=self.verify_writes == "checksum",
            requester_pays=self.requester_pays,
            read_only=self.read_only,
        )

    def __reduce__(self) -> tuple[object, ...]:
        # By way of what knows how boto3's values are pickled.
        return _unpickled, (
            self.s3,
            self.stores,
            self.verify_writes,
            self.cache,
            self.cache_bytes,
        )

    @property
    def s3_client(self) -> S3Client:
        """The boto3 client that these options describe, made at the first use in a process."""
        client: S3Client = self.s3.client
        return client

    @classmethod
    def default(
        cls,
        *,
        multipart_threshold: int = 8 * _MIB,
        multipart_chunksize: int = 8 * _MIB,
        max_concurrency: int = 10,
        use_threads: bool = True,
        max_bandwidth: int | None = None,
        retry_mode: Literal["adaptive", "standard", "legacy"] = "adaptive",
        max_attempts: int = 3,
    ) -> Options:
        """What boto3's default session finds here, in a form that works on other machines too.

        Credentials that do not expire are taken along, so that workers need no metadata service.
        Expiring ones would die in a long job; for them the options say where to get them. Without
        credentials nothing is taken along, and the first S3 call says what is missing.

        Args:
            multipart_threshold: Size in bytes from which a file is moved in parts.
            multipart_chunksize: Size of a part in bytes.
            max_concurrency: Threads of one transfer.
            use_threads: Whether a transfer has threads at all.
            max_bandwidth: Bytes per second of one transfer; None is unbounded.
            retry_mode: boto3's: ``adaptive`` also slows down after errors; measured at 2% of 503s
                it falls to 6% of the clean throughput, where ``standard`` keeps 81%.
            max_attempts: How often boto3 tries a request, the first time included.
        """
        import boto3
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config

        transfer = TransferConfig(
            multipart_threshold=multipart_threshold,
            multipart_chunksize=multipart_chunksize,
            max_concurrency=max_concurrency,
            use_threads=use_threads,
            max_bandwidth=max_bandwidth,
        )
        config = Config(retries={"mode": retry_mode, "total_max_attempts": max_attempts})
        return cls(session_kwargs(boto3.Session()), {"config": config}, transfer)

    @classmethod
    def from_credentials(
        cls,
        credentials: Credentials | ReadOnlyCredentials,
        *,
        region_name: str | None = None,
        endpoint_url: str | None = None,
    ) -> Options:
        """Options with the given credentials, plain or frozen, as ``boto3.Session`` hands them out.

        Credentials that expire are not kept, since a long job outlives them: the options then name
        boto3's default session, which has to be where they come from.

        Args:
            credentials: Anything with ``access_key``, ``secret_key`` and ``token``.
            region_name: The region; None leaves it to boto3.
            endpoint_url: The server, where it is not AWS.

        Raises:
            TypeError: If these are no credentials.
            ValueError: If they expire, and do not come from the default session.
        """
        session = static_kwargs(credentials) or default_source(credentials)
        if region_name is not None:
            session["region_name"] = region_name
        return cls(session, {} if endpoint_url is None else {"endpoint_url": endpoint_url})

    @classmethod
    def from_secrets(
        cls, dir_or_file: str | os.PathLike[str], client_type: ClientType = "download"
    ) -> Options:
        """Options with what a file of secrets says, as ``NAME=value`` a line.

        It has ``S3_DOWNLOAD_ACCESS_KEY`` and ``S3_DOWNLOAD_SECRET_KEY``; ``S3_UPLOAD_ACCESS_KEY``
        and ``S3_UPLOAD_SECRET_KEY``, if those for writing are others; and where it is not AWS,
        ``S3_ENDPOINT``. There may be ``S3_REGION``, and a ``SESSION_TOKEN`` for each pair of keys.

        Args:
            dir_or_file: The file, or a directory with ``secrets.env`` in it.
            client_type: ``"download"`` gives options that refuse to write, before anything is
                sent; ``"upload"`` reads and writes, with the keys for downloads if there are no
                others.

        Raises:
            NotFoundError: If there is no such file.
            ValueError: If it lacks a key, and for another client type.
        """
        one_of("client_type", client_type, CLIENT_TYPES)
        secrets = Secrets.read(dir_or_file)
        session: dict[str, Any] = secrets.session_kwargs(client_type)
        if secrets.region is not None:
            session["region_name"] = secrets.region
        client = {} if secrets.endpoint is None else {"endpoint_url": secrets.endpoint}
        return cls(session, client, read_only=client_type == "download")

    @classmethod
    def anonymous(
        cls, *, region_name: str | None = None, endpoint_url: str | None = None
    ) -> Options:
        """Options that sign nothing, for public buckets."""
        from botocore import UNSIGNED
        from botocore.config import Config

        client: dict[str, Any] = {"config": Config(signature_version=UNSIGNED)}
        if endpoint_url is not None:
            client["endpoint_url"] = endpoint_url
        return cls({} if region_name is None else {"region_name": region_name}, client)


def _unpickled(
    s3: _wiring.S3Options,
    stores: Mapping[str, Store | Options],
    verify_writes: Literal["size", "checksum"] | None,
    cache: Path | None,
    cache_bytes: int,
) -> Options:
    return Options(
        s3.session_kwargs,
        s3.client_kwargs,
        s3.transfer_config,
        stores,
        engine=s3.engine,
        max_in_flight=s3.max_in_flight,
        verify_reads=s3.verify_reads,
        verify_writes=verify_writes,
        requester_pays=s3.requester_pays,
        read_only=s3.read_only,
        cache=cache,
        cache_bytes=cache_bytes,
    )
