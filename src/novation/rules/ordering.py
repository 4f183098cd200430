"""Rows in the order of their keys, wherever in the table they stand: queues of liquidation and deleveraging.

A *tournament* finds the row of the highest key again after some keys changed, without looking at all of them, and also
among the first so many rows: rows are the leaves of a binary tree, and each node above keeps the winner of its two, the
smaller id on a tie.
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
def sort_ascending(keys, order, swapped, starts, count):
    """Write into `order` the rows 0..count-1 by ascending key, equals as they stand: digit by digit, from the last.

    As many digits as the keys differ in, so in some passes over them; keys are less than 2**62 apart. swapped: scratch
    of `count`; starts: scratch, a power of two from 2 on, of which 2**11 are enough.
    """
    least, most, digit = keys[0], keys[0], 0
    for row in range(count):
        order[row] = row
        least, most = min(least, keys[row]), max(most, keys[row])
    while digit < 11 and 2 << digit <= len(starts):
        digit += 1
    size, shift, left = 1 << digit, 0, most - least
    while count > 1 and left > 0:  # of `left`, because a shift by 64 and more is none to a processor
        for value in range(size):
            starts[value] = 0
        for row in range(count):
            starts[((keys[row] - least) >> shift) % size] += 1
        start = 0
        for value in range(size):
            start, starts[value] = start + starts[value], start
        for place in range(count):
            value = ((keys[order[place]] - least) >> shift) % size
            swapped[starts[value]] = order[place]
            starts[value] += 1
        for place in range(count):
            order[place] = swapped[place]
        shift, left = shift + digit, left >> digit


@kernel
def how_many_up_to(keys, count, key):
    """How many of `count` ascending keys are at most `key`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if keys[middle] <= key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def tournament_winner(winners, node):
    """The row that wins at a node; 1 is the root, and leaves are the nodes from `len(winners)` on."""
    return winners[node] if node < len(winners) else node - len(winners)


@kernel
def beats(keys, ids, first, second):
    """Whether a row has the higher key; of equal keys, whether it has the smaller id."""
    if keys[first] != keys[second]:
        return keys[first] > keys[second]
    return ids[first] < ids[second]


@kernel
def play(keys, ids, winners, node):
    """Let the two rows below a node meet again."""
    left, right = tournament_winner(winners, 2 * node), tournament_winner(winners, 2 * node + 1)
    winners[node] = left if beats(keys, ids, left, right) else right


@kernel
def play_all(keys, ids, winners):
    """A tournament of all rows; keys, ids and winners are as long as each other, a power of two."""
    for node in range(len(winners) - 1, 0, -1):
        play(keys, ids, winners, node)


@kernel
def replay(keys, ids, winners, row, key):
    """Give a row another key, and play the rounds that it takes part in: as many as the tree is high."""
    keys[row] = key
    node = (len(winners) + row) // 2
    while node > 0:
        play(keys, ids, winners, node)
        node //= 2


@kernel
def winner_before(keys, ids, winners, end):
    """The row that wins among the rows before `end`, -1 where there are none."""
    if end >= len(winners):
        return tournament_winner(winners, 1)
    best = -1
    node = len(winners) + end
    while node > 1:
        if node & 1:  # the node to its left, and all below that one, stands before `end`
            row = tournament_winner(winners, node - 1)
            if best < 0 or beats(keys, ids, row, best):
                best = row
        node //= 2
    return best
