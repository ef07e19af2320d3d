"""What a dataset or a loader of objects is told, looked at before anything is done."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from typing import Any, Self

import attrs

from file_dataset.api._arguments import at_least
from file_dataset.api.listing import Patterns, globs_of
from file_dataset.api.options import Options


def _number(least: int) -> Any:
    def check(_: object, attribute: attrs.Attribute[int | None], value: int | None) -> None:
        if value is not None or attribute.default is not None:
            at_least(attribute.name, value, least)  # type: ignore[arg-type]  # it looks at it

    return check


def _flag(_: object, attribute: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} is True or False, not {value!r}")


def _patterns(_: object, __: object, value: Patterns) -> None:
    globs_of(value)


def _seed(_: object, __: object, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"seed is a whole number, not {value!r}")


@attrs.frozen
class LoaderOptions:
    """How items are found, ordered and read; the same for every scheme.

    Args:
        batch_size: How many items a batch has; None for items one by one.
        shuffle: Whether they come in an order that depends on the seed and the epoch alone.
        seed: Any whole number.
        num_workers: How many threads read at once, each of them many objects; with 0 nothing is
            read before it is asked for.
        prefetch: How many items may be under way at most: asked for and not taken yet.
        recursive: Whether files are meant that are not directly below a prefix.
        pattern: A glob, or several, for the names below a prefix, as for ``list_files``.
        drop_last: Whether items that do not fill the last batch are left out.
        part_size: Of what size in bytes the parts are in which S3 is asked for larger objects.
        max_concurrent: How many objects may be read at the same time; None leaves it to the store.

    Raises:
        ValueError: For a number that is too small, and for a pattern that is none.
        TypeError: For a value of another type.
    """

    batch_size: int | None = attrs.field(default=None, validator=_number(1))
    shuffle: bool = attrs.field(default=False, validator=_flag)
    seed: int = attrs.field(default=0, validator=_seed)
    num_workers: int = attrs.field(default=1, validator=_number(0))
    prefetch: int = attrs.field(default=64, validator=_number(1))
    recursive: bool = attrs.field(default=True, validator=_flag)
    pattern: Patterns = attrs.field(default=None, validator=_patterns)
    drop_last: bool = attrs.field(default=False, validator=_flag)
    part_size: int | None = attrs.field(default=None, validator=_number(1))
    max_concurrent: int | None = attrs.field(default=None, validator=_number(1))

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Self:
        """The options that a mapping names.

        Raises:
            ValueError: For a name that is none, with the one that is likely meant.
        """
        if isinstance(options, Options) or not isinstance(options, Mapping | None):
            raise TypeError(
                f"options are a mapping, as {{'batch_size': 8}}, not {type(options).__name__}; how "
                f"storage is reached is told by storage=Options(...)"
            )
        known = [field.name for field in attrs.fields(cls)]
        for name in options or {}:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1, cutoff=0)
                raise ValueError(
                    f"there is no option {name!r}; did you mean {near[0]!r}? All options: "
                    f"{', '.join(known)}"
                )
        return cls(**(options or {}))

    def storage(self, storage: Options | None) -> Options | None:
        """How storage is reached, with what these options say of it.

        Raises:
            TypeError: If it is said by something else than Options.
        """
        if not isinstance(storage, Options | None):
            raise TypeError(f"storage is told by Options, not {type(storage).__name__}")
        if self.part_size is None:
            return storage
        from boto3.s3.transfer import TransferConfig

        reached = storage or Options()
        transfer = copy.copy(reached.s3_transfer_config) or TransferConfig()
        transfer.multipart_threshold = transfer.multipart_chunksize = self.part_size
        return attrs.evolve(reached, s3_transfer_config=transfer)
