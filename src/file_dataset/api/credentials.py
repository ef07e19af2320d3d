"""Credentials, as arguments of a session that has them on another machine too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boto3 import Session
    from botocore.credentials import Credentials, ReadOnlyCredentials


def session_kwargs(session: Session) -> dict[str, Any]:
    """What makes an equal session elsewhere."""
    credentials = session.get_credentials()
    if credentials is None:
        return {}
    kwargs = static_kwargs(credentials)
    if session.region_name is not None:
        kwargs["region_name"] = session.region_name
    if session.profile_name != "default":
        kwargs["profile_name"] = session.profile_name
    return kwargs


def static_kwargs(credentials: Credentials | ReadOnlyCredentials) -> dict[str, Any]:
    """Credentials as session arguments; empty for those that expire.

    Raises:
        TypeError: If these are no credentials.
    """
    from botocore.credentials import RefreshableCredentials

    if isinstance(credentials, RefreshableCredentials):
        return {}
    try:
        kwargs = {
            "aws_access_key_id": credentials.access_key,
            "aws_secret_access_key": credentials.secret_key,
            "aws_session_token": credentials.token,
        }
    except AttributeError:
        raise TypeError(
            f"credentials must be as boto3.Session().get_credentials() gives them, "
            f"not {type(credentials).__name__}"
        ) from None
    return {name: value for name, value in kwargs.items() if value is not None}


def default_source(credentials: Credentials | ReadOnlyCredentials) -> dict[str, Any]:
    """What makes a session that renews these credentials.

    Raises:
        ValueError: If boto3's default session does not.
    """
    import boto3

    session = boto3.Session()
    found = session.get_credentials()
    if found is None or found.method != getattr(credentials, "method", None):
        raise ValueError(
            "these credentials expire and do not come from boto3's default session, so that they "
            "could not be renewed; pass Options(session_kwargs={'profile_name': ...}) instead"
        )
    return session_kwargs(session)
