"""Small pictures of large ones, by Pillow."""

from __future__ import annotations

import base64
import io
import warnings
from typing import Final

from PIL import Image

_SIDE: Final = 160
_LARGEST: Final = 40_000_000  # pixels: what takes longer to read than anybody waits


def thumbnail(data: bytes) -> str | None:
    """A picture as a ``data:`` URL of a small one; None if it is none that can be read."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > _LARGEST:
                return None
            # A JPEG is read smaller at once.
            picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            picture.thumbnail((_SIDE, _SIDE))
            is_clear = picture.mode in {"RGBA", "LA", "P"}
            small = io.BytesIO()
            picture.convert("RGBA" if is_clear else "RGB").save(small, "WEBP", quality=72)
    # Whatever a damaged picture, or one made to do damage, has a decoder stumble over.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"
