"""Rows in the order of their keys, wherever in the table they stand: queues of liquidation and deleveraging.

A *tournament* finds the row of the highest key again after some keys changed, without looking at all of them: rows are
the leaves of a binary tree, and each node above keeps the winner of its two, the lower row on a tie.
"""

from __future__ import annotations

from novation._jit import kernel


@kernel
def goes_before(keys, ids, first, second):
    """Whether a row has the smaller key; of equal keys, whether it has the smaller id."""
    if keys[first] != keys[second]:
        return keys[first] < keys[second]
    return ids[first] < ids[second]


@kernel
def _sift(keys, ids, order, root, end):
    while 2 * root + 1 < end:
        child = 2 * root + 1
        if child + 1 < end and goes_before(keys, ids, order[child], order[child + 1]):
            child += 1
        if not goes_before(keys, ids, order[root], order[child]):
            return
        order[root], order[child] = order[child], order[root]
        root = child


@kernel
def heap_rows(keys, ids, order, count):
    """Write into `order` the rows 0..count-1 as a heap: the largest (key, id) stands at its root, `order[0]`."""
    for row in range(count):
        order[row] = row
    for root in range(count // 2 - 1, -1, -1):
        _sift(keys, ids, order, root, count)


@kernel
def drop_root(keys, ids, order, count):
    """Move the root of a heap of `count` rows behind it, to `order[count - 1]`; the heap has one row less."""
    end = count - 1
    order[0], order[end] = order[end], order[0]
    _sift(keys, ids, order, 0, end)


@kernel
def sort_rows(keys, ids, order, count):
    """Write into `order` the rows 0..count-1 by ascending key, a tie by ascending id.

    A heap sort in place: n log n, no memory of its own. Ids are distinct, so the result does not depend on where an
    account stands in the table. For a descending order give negative keys.
    """
    heap_rows(keys, ids, order, count)
    for rest in range(count, 1, -1):
        drop_root(keys, ids, order, rest)


@kernel
def tournament_winner(winners, node):
    """The row that wins at a node; 1 is the root, and leaves are the nodes from `len(winners)` on."""
    return winners[node] if node < len(winners) else node - len(winners)


@kernel
def play(keys, winners, node):
    """Let the two rows below a node meet again."""
    left, right = tournament_winner(winners, 2 * node), tournament_winner(winners, 2 * node + 1)
    winners[node] = left if keys[left] >= keys[right] else right


@kernel
def play_all(keys, winners):
    """A tournament of all rows; keys and winners are as long as each other, a power of two."""
    for node in range(len(winners) - 1, 0, -1):
        play(keys, winners, node)


@kernel
def replay(keys, winners, row, key):
    """Give a row another key, and play the rounds that it takes part in: as many as the tree is high."""
    keys[row] = key
    node = (len(winners) + row) // 2
    while node > 0:
        play(keys, winners, node)
        node //= 2
