"""Chunks of targets side by side, each on one thread.

A product of matrices uses all cores, but the passes over memory between products use one. Whole
chunks a thread, with single-threaded products inside, keep all cores busy.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def blas_threads() -> int:
    """Give the number of threads that numpy's products may use, as OMP_NUM_THREADS and the like."""
    found = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(found, default=1)


@contextmanager
def single_threaded_products(n_threads: int) -> Iterator[None]:
    """Keep products on one thread while `n_threads` workers call them; one worker changes nothing.

    Parameters
    ----------
    n_threads
        Number of workers.
    """
    if n_threads < 2:
        yield
        return
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def map_threads(
    work: Callable[[Item], Result], items: Iterable[Item], n_threads: int
) -> Iterator[Result]:
    """Work on items side by side; results come in the order of the items.

    Parameters
    ----------
    work
        What to do with an item.
    items
        Read as they are needed, at most two a thread ahead.
    n_threads
        Number of workers; one works without a pool.
    """
    if n_threads < 2:
        yield from map(work, items)
        return
    with single_threaded_products(n_threads), ThreadPoolExecutor(n_threads) as pool:
        waiting = []
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * n_threads:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
