"""How web servers are reached."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Way:
    """How servers are reached.

    Args:
        headers: Sent to the server of the URL, and to none that it redirects to.
        allow_private: Whether it may be at an address that is not public.
        proxy: A proxy's URL; empty for none.
        ca_bundle: A file of the certificates that are trusted; empty for those of this machine.
    """

    headers: Mapping[str, str] = attrs.field(repr=False)
    allow_private: bool = False
    proxy: str = attrs.field(default="", repr=False)
    ca_bundle: str = ""
