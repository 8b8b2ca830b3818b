"""Several threads at work on a list; what they do must let go of the interpreter's lock, as decoding does."""

import concurrent.futures
import os

_MOST_THREADS = 8


def in_parallel(function, items):
    """Return the function of each item, in order; the error of the first item that has one is raised.

    Args:
        function: Function of one item, safe to call from several threads.
        items: Sequence.

    Example:
        >>> from keras_repvis.data import parallel
        >>> parallel.in_parallel(abs, [-1, 2, -3])
        [1, 2, 3]
    """
    workers = min(_MOST_THREADS, os.cpu_count() or 1, len(items))
    if workers <= 1:
        return [function(item) for item in items]
    size = -(-len(items) // workers)
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return [result for part in pool.map(lambda part: [function(item) for item in part], parts) for result in part]
