"""Files of secrets: how S3 is reached for reading, and how for writing."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs

from file_dataset.domain.files import local_errors
from file_dataset.domain.url import Url

ClientType: TypeAlias = Literal["download", "upload"]

CLIENT_TYPES: Final = ("download", "upload")
_FILE: Final = "secrets.env"
_NAMES: Final = {
    "aws_access_key_id": "ACCESS_KEY",
    "aws_secret_access_key": "SECRET_KEY",
    "aws_session_token": "SESSION_TOKEN",
}
_NEEDED: Final = ("ACCESS_KEY", "SECRET_KEY")


@attrs.frozen
class Secrets:
    """What a file of secrets says.

    Args:
        path: The file.
        values: Its values by their names, without those that are empty.
    """

    path: Path
    values: Mapping[str, str] = attrs.field(repr=False)

    @classmethod
    def read(cls, place: str | os.PathLike[str]) -> Secrets:
        """Those in a file, or in ``secrets.env`` in a directory.

        Raises:
            StoreError: If it cannot be read.
            ValueError: If it is no text.
        """
        from dotenv import dotenv_values

        path = Path(place)
        path = path / _FILE if path.is_dir() else path
        with local_errors(Url.local(path)):
            data = path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            # What could not be decoded may be a part of a secret.
            raise ValueError(f"{path} is not UTF-8") from None
        # A secret may have a dollar sign in it.
        found = dotenv_values(stream=io.StringIO(text), interpolate=False)
        return cls(path, {name: value for name, value in found.items() if value})

    @property
    def endpoint(self) -> str | None:
        """Where S3 is; None for AWS. Raises ValueError if it is no web URL."""
        endpoint = self.values.get("S3_ENDPOINT")
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise ValueError(f"{self.path}: S3_ENDPOINT must begin with https:// or http://")
        return endpoint

    @property
    def region(self) -> str | None:
        """The region, if it is told."""
        return self.values.get("S3_REGION")

    def session_kwargs(self, client_type: ClientType) -> dict[str, str]:
        """The credentials, as arguments of a boto3 session.

        Raises:
            ValueError: If there are none, or only half of them.
        """
        own = f"S3_{client_type.upper()}_"
        use = own if any(own + name in self.values for name in _NEEDED) else "S3_DOWNLOAD_"
        if missing := [use + name for name in _NEEDED if use + name not in self.values]:
            raise ValueError(f"{self.path} lacks {' and '.join(missing)}")
        return {
            argument: self.values[use + name]
            for argument, name in _NAMES.items()
            if use + name in self.values
        }
