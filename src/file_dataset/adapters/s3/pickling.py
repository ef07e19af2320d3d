"""Two values of boto3's libraries that do not come through pickling unharmed by themselves."""

from __future__ import annotations

import copyreg
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig


@functools.cache
def let_boto3_pickle() -> None:
    """Teach pickle the sign for "unsigned", and transfer configurations."""
    import botocore
    from boto3.s3.transfer import TransferConfig

    # An instance that took the place of its class, so that pickle does not find the class.
    copyreg.pickle(type(botocore.UNSIGNED), lambda _: "UNSIGNED")
    # What is not set in it is one particular object(), and a copy of that is another one.
    copyreg.pickle(TransferConfig, lambda config: (_transfer_config, (_settings(config),)))


def _settings(config: TransferConfig) -> dict[str, object]:
    return {name: value for name, value in vars(config).items() if is_set(config, name)}


def is_set(config: TransferConfig, name: str) -> bool:
    """Whether a setting was given; what was not has boto3's default."""
    return config.get_deep_attr(name) is not config.UNSET_DEFAULT


def _transfer_config(settings: dict[str, object]) -> TransferConfig:
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig()
    vars(config).update(settings)
    return config
