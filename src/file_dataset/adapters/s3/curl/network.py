"""How connections are made: what boto3's client is configured to do, in libcurl's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import pycurl

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# A body that gives less than this many bytes a second, for as long as a read may take, hangs.
_SLOWEST = 1


@attrs.frozen
class Network:
    """How connections are made.

    Args:
        settings: Options of each transfer, by libcurl's numbers.
    """

    settings: Mapping[int, object]

    @classmethod
    def of(cls, client: S3Client, *, verify: bool | str) -> Network:
        """What a client is configured to do.

        Args:
            client: boto3's client.
            verify: Whether certificates are checked, or the bundle that they are checked against.
        """
        from botocore.httpsession import get_cert_path

        config: Any = client.meta.config  # its stub knows none of its attributes
        settings: dict[int, object] = {
            pycurl.USERAGENT: config.user_agent or "file_dataset",
            # An empty text keeps libcurl from looking into the environment by rules of its own.
            pycurl.PROXY: _proxy(config.proxies, client.meta.endpoint_url),
            pycurl.NOPROXY: "",
        }
        if config.connect_timeout is not None:
            settings[pycurl.CONNECTTIMEOUT_MS] = max(1, round(config.connect_timeout * 1000))
        if config.read_timeout is not None:
            settings |= {
                pycurl.LOW_SPEED_LIMIT: _SLOWEST,
                pycurl.LOW_SPEED_TIME: max(1, round(config.read_timeout)),
            }
        if verify:
            # libcurl is told in any case, since what it was built with is another machine's.
            bundle = get_cert_path(verify)  # type: ignore[arg-type] # its stub knows of no bundles
            settings |= {pycurl.CAINFO: bundle, pycurl.PROXY_CAINFO: bundle}
        else:
            settings |= {pycurl.SSL_VERIFYPEER: 0, pycurl.SSL_VERIFYHOST: 0}
        return cls(settings)


def _proxy(configured: dict[str, str] | None, endpoint: str) -> str:
    """The proxy on the way to an endpoint, as botocore finds it; an empty text for none."""
    from botocore.httpsession import ProxyConfiguration
    from botocore.utils import get_environ_proxies

    proxies = get_environ_proxies(endpoint) if configured is None else configured
    return ProxyConfiguration(proxies).proxy_url_for(endpoint) or ""
