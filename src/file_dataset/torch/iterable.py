"""Items in an order of their own, shared by workers and ranks, from wherever a run was left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import distributed
from torch.utils.data import IterableDataset, get_worker_info

from file_dataset.api._arguments import at_least
from file_dataset.api.datasets import Source
from file_dataset.api.options import Options
from file_dataset.domain.order import share
from file_dataset.domain.reading import always
from file_dataset.torch.passes import Pass, Place, settle
from file_dataset.torch.progress import Progress


class FileIterableDataset(IterableDataset[Any]):
    """Objects as bytes or rows as dicts, each once over all workers and ranks, and read ahead.

    With the option ``batch_size``, which is to be the DataLoader's, workers take whole batches in
    turn, so that the DataLoader gives the same batches for any number of workers. ``prefetch`` is
    about each worker, ``num_workers`` about the threads of each.

    Args:
        source: What ``file_dataset.create_dataset`` takes: a URL or path of an object, a prefix or
            a glob; several URLs; or a table.
        options: As there. ``drop_last`` leaves out what does not make a batch for every rank.
        transform: Makes of each item what the DataLoader gets.
        storage: How storage is reached.
        rank: Which of several processes this is; None asks ``torch.distributed``.
        world_size: How many processes share the items.

    Raises:
        NotFoundError: If there is no such object, and nothing below it that is meant.
        ValueError: For options that there are not, for a source that is none, for a URL of an
            unknown scheme, and for a rank without a size of its world or beyond it.
    """

    def __init__(
        self,
        source: object,
        options: Mapping[str, Any] | None = None,
        *,
        transform: Callable[[Any], Any] | None = None,
        storage: Options | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self._told_ranks = _ranks(rank, world_size)
        self._carried_ranks = (0, 1)
        self._source = Source.of(source, options, storage)
        self._items = self._source.find(always)
        self._transform = transform
        self._progress = Progress()
        self._place: Place | None = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of another epoch, where items are shuffled; its pass begins anew.

        Workers that are kept from pass to pass hear of it too.

        Args:
            epoch: Any whole number; the first epoch is 0.
        """
        if epoch != self._progress.epoch:
            self._progress.restart(epoch)
            self._place = None

    def uris(self) -> list[str]:
        """The URLs of all objects, in their own order; paths, where they are local."""
        return [str(url) for item in self._items for url in item.urls]

    def __len__(self) -> int:
        """How many items this rank has in an epoch."""
        return len(self._of_rank(range(len(self._items))))

    def __iter__(self) -> Iterator[Any]:
        settle()
        info = get_worker_info()
        worker, workers = (0, 0) if info is None else (info.id, info.num_workers)
        begin = self._progress.begin(
            worker, workers, seed=0 if info is None else info.seed - worker
        )
        order = self._source.order(len(self._items), self._progress.epoch)
        rest = self._of_rank(order)[begin.position :]
        mine = share(rest, worker, workers or 1, block=self._block)
        values = self._source.reading(self._items).each(mine[begin.given :])
        self._place = Place(begin.position, begin.given)
        return Pass(values, self._transform, self._place)

    # --- resuming -----------------------------------------------------------------------------

    def state_dict(self, *, taken: int | None = None) -> dict[str, Any]:
        """Where a run is, for ``load_state_dict`` of a dataset that is made in the same way.

        Without worker processes it is exact by itself. Those are ahead of the loop: torchdata's
        ``StatefulDataLoader`` asks each of them for its state, and with a DataLoader the loop has
        to say how many items it had.

        Args:
            taken: How many items the loop had of this pass.

        Raises:
            ValueError: If that has to be said.
        """
        state = {**self._setting(), "epoch": self._progress.epoch}
        info = get_worker_info()
        if taken is not None:
            done = at_least("taken", taken, 0)
            return {**state, "position": self._progress.position + done}
        if info is None and self._progress.has_workers:
            raise ValueError(
                "worker processes read this dataset and are ahead of the loop, which alone knows "
                "how many items it had: state_dict(taken=...); torchdata's StatefulDataLoader "
                "counts them itself"
            )
        position, given = self._progress.position, 0
        if self._place is not None and self._place.is_own:
            position, given = self._place.position, self._place.given
        if info is None:
            return {**state, "position": position + given}
        place = {"worker": info.id, "workers": info.num_workers, "given": given}
        return {**state, "position": position, **place}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a run was: the next pass gives what that had not given.

        Args:
            state: What ``state_dict`` gave.

        Raises:
            ValueError: If that was of another dataset, or of another rank or worker.
        """
        info = get_worker_info()
        mine = self._setting()
        if info is not None or "worker" in state:
            mine |= {"worker": info and info.id, "workers": info and info.num_workers}
        others = {name: value for name, value in mine.items() if state.get(name) != value}
        if others:
            told = ", ".join(f"{name}={state.get(name)!r}" for name in others)
            here = ", ".join(f"{name}={value!r}" for name, value in others.items())
            raise ValueError(f"the state is one with {told}; here is {here}")
        self._progress.load(state["epoch"], state["position"], state.get("given"))
        self._place = None

    def _setting(self) -> dict[str, Any]:
        """What the meaning of a position depends on."""
        options = self._source.options
        rank, world_size = self._ranks()
        return {
            "items": len(self._items),
            "shuffle": options.shuffle,
            "seed": options.seed,
            "batch_size": options.batch_size,
            "rank": rank,
            "world_size": world_size,
        }

    # --- whose is what ------------------------------------------------------------------------

    @property
    def _block(self) -> int:
        return self._source.options.batch_size or 1

    def _of_rank(self, order: Sequence[int]) -> Sequence[int]:
        """What of an order is this rank's."""
        rank, world_size = self._ranks()
        if self._source.options.drop_last:
            order = order[: len(order) // (self._block * world_size) * self._block * world_size]
        return share(order, rank, world_size, block=self._block)

    def _ranks(self) -> tuple[int, int]:
        """This process's rank, and how many there are."""
        if self._told_ranks is not None:
            return self._told_ranks
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        # A worker that was spawned knows what its parent was.
        return self._carried_ranks if get_worker_info() is not None else (0, 1)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_carried_ranks": self._ranks(), "_place": None}


def _ranks(rank: int | None, world_size: int | None) -> tuple[int, int] | None:
    if rank is None and world_size is None:
        return None
    if rank is None or world_size is None:
        raise ValueError("rank and world_size are given together, or neither")
    if at_least("rank", rank, 0) >= at_least("world_size", world_size, 1):
        raise ValueError(f"rank {rank} is beyond a world of {world_size}")
    return rank, world_size
