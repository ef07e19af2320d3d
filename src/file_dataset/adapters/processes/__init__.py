"""The user's function in processes of its own: what it does to them, it does to nobody else."""

from file_dataset.adapters.processes.caller import ProcessCaller

__all__ = ["ProcessCaller"]
