"""One training run by several processes, as `torchrun` starts them: DistributedDataParallel over gloo or NCCL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gmi_ros.core.errors import ErrorCode, GmiError


@dataclass(frozen=True)
class Team:
    """This process among those of the run: rank 0 validates, writes and speaks for all."""

    rank: int = 0
    size: int = 1

    def share(self, n: int) -> int:
        """How many of a minibatch's n pairs fall to this rank.

        Raises:
            GmiError: BAD_SETTING where they do not divide evenly: the mean of the ranks' gradients must be the
                minibatch's.
        """
        if n % self.size:
            raise GmiError(
                ErrorCode.BAD_SETTING, f"batch_size must be a multiple of the {self.size} processes, got {n}"
            )
        return n // self.size

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over the ranks."""
        return module if self.size == 1 else nn.parallel.DistributedDataParallel(module)

    def mean(self, value: Tensor) -> Tensor:
        """Of every rank's value."""
        if self.size > 1:
            dist.all_reduce(value)
            value /= self.size
        return value

    def from_first(self, value: Tensor) -> Tensor:
        """Rank 0's value on every rank."""
        if self.size > 1:
            dist.broadcast(value, 0)
        return value


@contextmanager
def team() -> Iterator[Team]:
    """The team that torchrun's environment (WORLD_SIZE, RANK, MASTER_ADDR, ..) names, or this process alone.

    Raises:
        GmiError: BAD_SETTING where the others cannot be met.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    try:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    except (ValueError, RuntimeError) as error:
        raise GmiError(
            ErrorCode.BAD_SETTING, f"WORLD_SIZE is {size}, but the processes do not meet: {error}; start with torchrun"
        ) from error
    try:
        yield Team(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
