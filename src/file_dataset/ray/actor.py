"""A pipeline that stays in an actor, from one batch to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from file_dataset.api.pipeline import Pipeline

if TYPE_CHECKING:
    import pandas as pd


class PipelineActor:
    """A pipeline as a class, of which Ray Data makes one in each actor.

    What the function keeps, as a model that it has loaded, is there for all batches of an actor;
    a task has a new copy of the function for each batch::

        ds.map_batches(
            PipelineActor,
            fn_constructor_args=(pipeline,),
            batch_format="pandas",
            batch_size=8,
            compute=ray.data.ActorPoolStrategy(size=2),
            num_gpus=1,
        )

    Args:
        pipeline: What is called with each batch.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        """The table of the batch's rows that came through, as the pipeline gives it."""
        rows: pd.DataFrame = self._pipeline(batch)
        return rows
