"""boto3's client and transfers, configured for this library wherever the user said nothing."""

from __future__ import annotations

import copy
import functools
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from file_dataset.adapters.s3.digests import compare_what_is_written
from file_dataset.adapters.s3.engines import Engines
from file_dataset.adapters.s3.pickling import is_set
from file_dataset.adapters.s3.ranges import refuse_other_ranges
from file_dataset.adapters.s3.reading import refuse_writes
from file_dataset.adapters.s3.renewing import (
    Renewable,
    ask_again_with_others,
    let_credentials_be_renewed,
)

if TYPE_CHECKING:
    from boto3 import Session
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config
    from botocore.credentials import Credentials
    from botocore.loaders import Loader
    from botocore.session import Session as Core
    from types_boto3_s3 import S3Client

    from file_dataset.adapters.s3.options import S3Options


@attrs.frozen(eq=False)
class Connected:
    """A client, and what it was made with that it does not tell.

    Args:
        client: The client.
        credentials: Where its credentials come from, which may be other ones later; None for none.
        verify: Whether certificates are checked, or the bundle that they are checked against.
    """

    client: S3Client
    credentials: Credentials | Renewable | None
    verify: bool | str
    engines: Engines = attrs.field(factory=Engines, init=False)

    def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        self.client.close()
        self.engines.close()


def connect(options: S3Options) -> Connected:
    """A new client, in a session of its own."""
    core, session = _session(options)
    arguments = {**options.client_kwargs, "config": _config(core, options)}
    if "botocore_session" not in options.session_kwargs:
        let_credentials_be_renewed(core)
    client = session.client("s3", **arguments)
    refuse_other_ranges(client)
    if options.read_only:
        refuse_writes(client)
    if options.verify_writes:
        compare_what_is_written(client)
    if options.requester_pays:
        client.meta.events.register("before-call.s3", _agree_to_pay)
    credentials = _credentials(core, arguments)
    if isinstance(credentials, Renewable):
        ask_again_with_others(client, credentials)
    return Connected(client, credentials, _verify(core, arguments))


def _agree_to_pay(*, params: Mapping[str, Any], **_: object) -> None:
    params["headers"]["x-amz-request-payer"] = "requester"


def _credentials(core: Core, arguments: Mapping[str, Any]) -> Credentials | Renewable | None:
    """Those that botocore signs with: the client's own, or those of its session."""
    from botocore.credentials import Credentials

    if _has_keys(arguments):
        return Credentials(
            arguments["aws_access_key_id"],
            arguments["aws_secret_access_key"],
            arguments.get("aws_session_token"),
        )
    return core.get_credentials()


def _verify(core: Core, arguments: Mapping[str, Any]) -> bool | str:
    """What botocore checks certificates against, in its own order."""
    found = (
        arguments.get("verify"),
        core.get_config_variable("ca_bundle"),
        os.environ.get("REQUESTS_CA_BUNDLE"),
    )
    return next((verify for verify in found if verify is not None), True)


def _session(options: S3Options) -> tuple[Core, Session]:
    from botocore.exceptions import ProfileNotFound

    given = dict(options.session_kwargs)
    core = given.pop("botocore_session", None) or _own_core()
    try:
        return core, _boto3_session(core, given)
    except ProfileNotFound:
        if not _has_keys(given) and not _has_keys(options.client_kwargs):
            raise
    # Who brings keys needs no profile: AWS_PROFILE may be left over from another machine.
    given.pop("profile_name", None)
    core = _own_core({"profile": (None, None, None, None)})
    return core, _boto3_session(core, given)


def _own_core(session_vars: dict[str, Any] | None = None) -> Core:
    """A session that shares with others what it reads of services."""
    from botocore.session import Session as Core

    core = Core(session_vars=session_vars)
    core.lazy_register_component(
        "data_loader", lambda: _models(core.get_config_variable("data_path"))
    )
    return core


@functools.lru_cache(maxsize=8)
def _models(data_path: str | None) -> Loader:
    """What botocore knows of services: to read it is most of the work of making a client.

    A process that is forked of this one has it too.
    """
    from botocore.loaders import create_loader

    return create_loader(data_path)


def _boto3_session(core: Core, given: Mapping[str, Any]) -> Session:
    import boto3

    session = boto3.Session(botocore_session=core, **given)
    # It has added boto3's own, once more.
    paths = core.get_component("data_loader").search_paths
    paths[:] = dict.fromkeys(paths)
    return session


def _has_keys(given: Mapping[str, Any]) -> bool:
    return bool(given.get("aws_access_key_id") and given.get("aws_secret_access_key"))


def _config(core: Core, options: S3Options) -> Config:
    """The user's own configuration, over ours, over what the session says."""
    from botocore.config import Config

    ours: dict[str, Any] = {
        "max_pool_connections": options.max_concurrency,
        # botocore's own are a minute each, and a job of many rows would hang for several of them.
        "connect_timeout": 10,
        "read_timeout": 30,
    }
    # Without the first a download begins with a HEAD; the second's default many servers refuse.
    for name in ("response_checksum_validation", "request_checksum_calculation"):
        if not _says(core, name):
            ours[name] = "when_required"
    if not _says(core, "max_attempts") and not _says(core, "retry_mode"):
        ours["retries"] = {"total_max_attempts": 1}
    config: Any = Config(**ours)  # its stub knows none of its attributes
    for other in (core.get_default_client_config(), options.client_kwargs.get("config")):
        if other is not None:
            config = config.merge(other)
    merged: Config = config.merge(
        Config(max_pool_connections=max(config.max_pool_connections, options.max_concurrency))
    )
    return merged


def _says(core: Core, name: str) -> bool:
    """Whether the environment or the profile has such a setting."""
    return f"AWS_{name.upper()}" in os.environ or name in core.get_scoped_config()


def retries_itself(client: S3Client) -> bool:
    """Whether a client makes several attempts, because the user configured it so."""
    config: Any = client.meta.config
    return (config.retries or {}).get("total_max_attempts") != 1


def transfer_settings(given: TransferConfig | None, *, threads: int) -> TransferConfig:
    """The user's configuration of transfers; what it leaves open suits so many threads."""
    from boto3.s3.transfer import TransferConfig

    ours: dict[str, Any] = {
        # Its pools of threads cost a small file half as much again as its request does.
        "use_threads": threads > 1,
        "max_concurrency": threads,
        # The other one, CRT, has errors of its own, and does not survive a fork.
        "preferred_transfer_client": "classic",
        # Attempts at reading a body are attempts like any other: counted, and with waits between.
        "num_download_attempts": 1,
    }
    config = copy.copy(given or TransferConfig())
    for name, value in ours.items():
        if not is_set(config, name):
            setattr(config, name, value)
    if not config.use_threads and threading.current_thread() is threading.main_thread():
        # In the thread of a download s3transfer takes Ctrl-C for its end, and calls it complete.
        config.use_threads = True
        config.max_concurrency = 1
    return config
