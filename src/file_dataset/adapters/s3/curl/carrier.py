"""A store's requests, as tasks for the engine: what libcurl can carry of a batch."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from file_dataset.adapters.s3.carried import Carried, Declined, Redirected
from file_dataset.adapters.s3.checksums import VerifyReads
from file_dataset.adapters.s3.client import retries_itself
from file_dataset.adapters.s3.curl.apart import Apart
from file_dataset.adapters.s3.curl.batch import Batch
from file_dataset.adapters.s3.curl.engine import Engine
from file_dataset.adapters.s3.curl.listing import ListPage
from file_dataset.adapters.s3.curl.network import Network
from file_dataset.adapters.s3.curl.places import OnlyBoto3Error, Place, learn
from file_dataset.adapters.s3.curl.sending import SendPart
from file_dataset.adapters.s3.curl.signing import Keys
from file_dataset.adapters.s3.curl.stand_ins import stand_in
from file_dataset.adapters.s3.curl.tasks import Streams
from file_dataset.adapters.s3.lanes import Lanes
from file_dataset.adapters.s3.multipart import Part
from file_dataset.adapters.s3.values import Page
from file_dataset.domain.errors import StoreError
from file_dataset.domain.requests import Request
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from types_boto3_s3 import S3Client

    from file_dataset.adapters.s3.client import Connected

_log = logging.getLogger("file_dataset")

# How often a part of an upload is sent, since what the others brought is not worth losing.
_ATTEMPTS: Final = 3


class Carrier:
    """What libcurl carries for one client of boto3's.

    Args:
        client: Tells where buckets are and how requests are signed.
        network: How connections are made.
        keys: Gives the credentials as they are now.
        most: How many requests of a batch may be under way at once.
        verify_reads: By what the bytes of objects are looked at when they have come.
        verify_writes: Whether the store is to look at what it gets.
    """

    def __init__(
        self,
        client: S3Client,
        network: Network,
        keys: Callable[[], Keys],
        *,
        most: int,
        verify_reads: VerifyReads = "checksum",
        verify_writes: bool = False,
    ) -> None:
        self._client = client
        self._verify_reads = verify_reads
        self._verify_writes = verify_writes
        self._engine = Engine(network, keys, most=most)
        self._places: dict[str, Place] = {}

    @classmethod
    def of(
        cls,
        connected: Connected,
        *,
        most: int,
        verify_reads: VerifyReads = "checksum",
        verify_writes: bool = False,
    ) -> Carrier:
        """What serves in place of a client, with its configuration and its credentials."""
        from botocore.exceptions import BotoCoreError, ClientError

        client, credentials = connected.client, connected.credentials

        def keys() -> Keys:
            # Asked again and again, since those that expire are renewed by then.
            try:
                now = None if credentials is None else credentials.get_frozen_credentials()
            except (BotoCoreError, ClientError) as error:
                raise Declined from error
            if now is None or now.access_key is None or now.secret_key is None:
                raise Declined
            return Keys(now.access_key, now.secret_key, now.token)

        network = Network.of(client, verify=connected.verify)
        most = min(most, _affordable())
        return cls(
            client,
            network,
            keys,
            most=most,
            verify_reads=verify_reads,
            verify_writes=verify_writes,
        )

    def stand_in(self) -> str | None:
        """Why the client does not really use the network now, in words, or None."""
        return stand_in(self._client)

    def run(
        self, requests: Sequence[Request[object]], transfer: TransferConfig
    ) -> Iterator[Carried]:
        """What becomes of each request; Declined where boto3 is to carry it out."""
        batch = Batch(
            self.place,
            transfer,
            verify_reads=self._verify_reads,
            verify_writes=self._verify_writes,
        )
        apart = Apart(requests)
        tasks = (
            (index, partial(batch.task, request)) for index, request in enumerate(apart.requests)
        )
        tries_again = retries_itself(self._client)
        with closing(self._engine.run(tasks, batch.streams)) as results:
            for carried in results:
                value = carried.value
                if isinstance(value, Exception):
                    self._learn_from(value, apart.requests[carried.index].url)
                    if tries_again and isinstance(value, StoreError) and value.transient:
                        # The client is configured to try again, and boto3 does so in its way.
                        carried.value = Declined()
                whole = apart.together(carried)
                if whole is not None:
                    yield whole

    def pages(
        self, prefix: Url, delimiter: str, *, start: str = "", after: str = ""
    ) -> Iterator[Page]:
        """The pages of a listing.

        Args:
            prefix: What is listed.
            delimiter: What ends the names of the direct children, or nothing for all objects.
            start: What the keys go on with below the prefix.
            after: Begin after this key.

        Raises:
            StoreError: If the listing fails.
            Declined: If boto3 has to do it, or go on with it.
        """
        token = ""
        list_page = partial(ListPage, prefix, delimiter=delimiter, start=start, after=after)
        while True:
            page, token = self._page(prefix, partial(list_page, token=token))
            yield page
            if not token:
                return

    def all_pages(self, prefix: Url, lanes: Lanes, *, start: str = "") -> Iterator[Page]:
        """The pages of a listing of all that is below a prefix, in whatever order.

        Args:
            prefix: What is listed.
            lanes: Say what is to be asked for, and in the end what is left.
            start: What the keys go on with below the prefix.

        Raises:
            StoreError: If the listing fails.
            Declined: If boto3 has to do it, or go on with it.
        """
        list_page = partial(ListPage, prefix, delimiter="", start=start)
        while asked := lanes.asked():
            place = self._known_place(prefix.authority)
            tasks = (
                (index, partial(list_page, place=place, token=each.token, after=each.behind))
                for index, each in enumerate(asked)
            )
            with closing(self._engine.run(tasks, Streams(0))) as results:
                for carried in results:
                    page, token = self._told(carried.value, prefix)
                    yield lanes.take(asked[carried.index], page, token)

    def _page(self, prefix: Url, list_page: Callable[..., ListPage]) -> tuple[Page, str]:
        make = partial(list_page, place=self._known_place(prefix.authority))
        with closing(self._engine.run(iter([(0, make)]), Streams(0))) as results:
            (carried,) = results
        return self._told(carried.value, prefix)

    def _told(self, value: object, prefix: Url) -> tuple[Page, str]:
        """A page and the token of the next one. Raises what came in place of it."""
        self._learn_from(value, prefix)
        if isinstance(value, StoreError) and value.transient and retries_itself(self._client):
            raise Declined from value
        if isinstance(value, Exception):
            raise value
        return cast(tuple[Page, str], value)

    def _known_place(self, bucket: str) -> Place:
        try:
            return self.place(bucket)
        except OnlyBoto3Error as reason:
            raise Declined from reason

    def send_parts(
        self, path: Path, url: Url, parts: Sequence[Part], *, upload: str, at_once: int
    ) -> list[str]:
        """Send the parts of an upload; gives their etags.

        Args:
            path: The file.
            url: The object.
            parts: Which of its bytes are to be sent.
            upload: The id of the upload.
            at_once: How many may be under way at a time.

        Raises:
            StoreError: If one could not be sent; what may help was tried again.
            Declined: If boto3 has to do it.
        """
        place = self._known_place(url.authority)
        send = partial(SendPart, url, place, path, upload=upload, verify=self._verify_writes)
        etags: dict[int, str] = {}
        for attempt in range(1, _ATTEMPTS + 1):
            missing = [part for part in parts if part.number not in etags]
            tasks = ((part.number, partial(send, part)) for part in missing)
            with closing(self._engine.run(tasks, Streams(0), most=at_once)) as results:
                for carried in results:
                    value = carried.value
                    self._learn_from(value, url)
                    if isinstance(value, str):
                        etags[carried.index] = value
                    elif not (isinstance(value, StoreError) and value.transient) or (
                        attempt == _ATTEMPTS
                    ):
                        raise cast(Exception, value)
            if len(etags) == len(parts):
                break
        return [etags[part.number] for part in parts]

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._engine.close()

    def place(self, bucket: str) -> Place:
        """Where a bucket is. Raises OnlyBoto3Error if only boto3 can go there."""
        place = self._places.get(bucket)
        if place is None:
            place = self._places[bucket] = learn(self._client, bucket)
            _log.debug("libcurl serves s3://%s at %s", bucket, place.host)
        return place

    def _learn_from(self, value: object, url: Url) -> None:
        """Forget where a bucket is when it turns out to be elsewhere."""
        if isinstance(value, Redirected):
            self._places.pop(url.authority, None)


def _affordable() -> int:
    """How many connections the limit of open files has room for, beside all else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**16 if soft == resource.RLIM_INFINITY else max(1, soft // 8)
