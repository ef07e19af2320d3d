"""How much of it: the tests that try many of something try more of it in `make soak`."""

import os


def times(usual: int, *, most: int) -> int:
    """How many to try: the usual number, or the most in a soak."""
    return most if os.environ.get("FILE_DATASET_SOAK") else usual
