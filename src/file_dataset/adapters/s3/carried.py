"""What became of a request that was given to another engine than boto3."""

from __future__ import annotations

import attrs


class Declined(Exception):  # noqa: N818 - no error: boto3 does it instead
    """boto3 is to carry this one out."""


class Redirected(Declined):
    """boto3 is to carry this one out, and will find that the bucket is elsewhere, or otherwise."""


# Not frozen: there is one for each object, and it takes twice as long to make one that is.
@attrs.define
class Carried:
    """What became of a request.

    Args:
        index: Its position in the batch.
        value: What it gave; a FileDatasetError if it failed, Declined if boto3 is to do it.
    """

    index: int
    value: object
