import numpy as np
import pytest

from keras_repvis.data import schedule


def order(epoch):
    return np.random.default_rng(epoch).permutation(23)


def batches(plan, **position):
    return [(rows.tolist(), int(epoch)) for rows, epoch in plan.dataset(**position).as_numpy_iterator()]


@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_rows_of_all_epochs_are_those_of_plain_slices(drop_remainder, shards):
    plan = schedule.Schedule(order, 23, 5, drop_remainder)
    expected = []
    for epoch in (4, 5):
        whole = [order(epoch)[start : start + 5].tolist() for start in range(0, 23, 5)]
        whole = whole[:4] if drop_remainder else whole
        if not drop_remainder and 23 % 5 < shards:
            whole[-2:] = [whole[-2] + whole[-1]]
        expected += [(batch, epoch) for batch in whole]
    assert plan.steps(shards) == len(expected) // 2
    pieces = batches(plan, epochs=2, epoch=4, shards=shards)
    joined = [
        (sum((rows for rows, _ in pieces[start : start + shards]), []), pieces[start][1])
        for start in range(0, len(pieces), shards)
    ]
    assert joined == expected
    assert batches(plan, epochs=2, epoch=4, step=3, shards=shards) == pieces[3 * shards :]


def test_a_last_batch_of_fewer_rows_than_pieces_joins_the_one_before():
    plan = schedule.Schedule(lambda epoch: np.arange(23), 23, 7, drop_remainder=False)
    assert plan.steps(2) == 4 and plan.steps(3) == 3
    found = batches(plan, shards=3, step=2)
    assert [rows for rows, _ in found] == [[14, 15, 16], [17, 18, 19], [20, 21, 22]]


def test_rows_may_have_columns():
    plan = schedule.Schedule(lambda epoch: np.arange(12).reshape(6, 2) + epoch, 6, 4, True, columns=2)
    assert batches(plan) == [([[0, 1], [2, 3], [4, 5], [6, 7]], 0)]
    assert plan.dataset(shards=2).element_spec[0].shape == [2, 2]
    assert batches(plan, shards=2, shard=[1]) == [([[4, 5], [6, 7]], 0)]
