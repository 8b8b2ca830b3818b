import threading

import pytest

from keras_repvis.data import parallel


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_results_are_in_order(count):
    assert parallel.in_parallel(lambda item: 2 * item, range(count)) == [2 * item for item in range(count)]


def test_threads_work_at_once(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    meeting = threading.Barrier(2, timeout=20)
    assert len(parallel.in_parallel(lambda item: meeting.wait(), range(2))) == 2


def test_the_error_of_the_first_item_that_has_one_is_raised():
    def fail(item):
        if item % 3 == 2:
            raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 2"):
        parallel.in_parallel(fail, range(40))
