"""Bytes and seconds, as people say them."""

from __future__ import annotations


def human(size: int) -> str:
    """A number of bytes, as people say it.

    >>> human(999), human(12_345), human(7 * 10**9)
    ('999 bytes', '12.3 kB', '7.00 GB')
    """
    if size < 1000:
        return f"{size} bytes"
    number, units = size / 1000, iter("kMGTPE")
    unit = next(units)
    while number >= 999.5:
        number, unit = number / 1000, next(units)
    return f"{number:.3g} {unit}B" if number >= 100 else f"{number:#.3g} {unit}B"


def took(seconds: float) -> str:
    """A time, as people say it.

    >>> took(0.00123), took(0.0123), took(4.56), took(125), took(7300)
    ('1.2 ms', '12 ms', '4.56 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
