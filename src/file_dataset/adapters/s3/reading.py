"""Clients that only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from file_dataset.domain.errors import UnsupportedError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_READING: Final = ("Get", "Head", "List", "Select")


def refuse_writes(client: S3Client) -> None:
    """Make a client refuse what is not a read, before it sends or presigns anything."""
    client.meta.events.register_first("before-parameter-build.s3", _refuse)


def _refuse(*, model: Any, **_: object) -> None:  # noqa: ANN401 - botocore's, which has no types
    if not model.name.startswith(_READING):
        raise UnsupportedError(
            f"{model.name} is refused: these options only read (read_only=True, as those of "
            f"client_type='download')",
            operation=model.name,
        )
