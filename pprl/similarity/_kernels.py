"""Compiled loops: no Python objects, no bounds checked, the interpreter lock released.

Every function here works on ``uint64`` words, trusts its callers' shapes, and has a naive twin in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pprl.compiled import compiled

_intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic


@_intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """Count the set bits of one ``uint64``: LLVM's ``ctpop``, a single instruction on most machines."""
    del typing_context

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


@_intrinsic
def _lanes(
    typing_context: Any, left: Any, i: Any, right: Any, j: Any, n_words: Any, stride: Any, out: Any
) -> Any:
    """Distances of left row i to right rows j to j + 31, kept in four vector registers of eight lanes.

    ``left`` holds row-major words, ``right`` word-major (transposed) ones, ``stride`` columns a word; ``out``
    takes 32 ``uint64``.
    """
    del typing_context, i, j, n_words, stride
    signature = types.void(left, types.int64, right, types.int64, types.int64, types.int64, out)

    def code(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        lanes = ir.VectorType(word, 8)
        rows = [context.make_array(sig.args[k])(context, builder, arguments[k]).data for k in (0, 2, 6)]
        left_data, right_data, out_data = rows
        count = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(lanes, [lanes]), "llvm.ctpop.v8i64"
        )
        row, column, words, columns = arguments[1], arguments[3], arguments[4], arguments[5]
        start = builder.block
        loop = builder.append_basic_block("words")
        done = builder.append_basic_block("done")
        base = builder.mul(row, words)
        zero = ir.Constant(word, 0)
        builder.branch(loop)
        builder.position_at_end(loop)
        w = builder.phi(word)
        w.add_incoming(zero, start)
        sums = [builder.phi(lanes) for _ in range(4)]
        for total in sums:
            total.add_incoming(ir.Constant(lanes, [0] * 8), start)
        value = builder.load(builder.gep(left_data, [builder.add(base, w)]))
        one = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        spread = builder.shuffle_vector(
            one, ir.Constant(lanes, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8)
        )
        offset = builder.add(builder.mul(w, columns), column)
        grown = []
        for k, total in enumerate(sums):
            place = builder.gep(right_data, [builder.add(offset, ir.Constant(word, 8 * k))])
            block = builder.load(builder.bitcast(place, lanes.as_pointer()), align=8)
            grown.append(builder.add(total, builder.call(count, [builder.xor(block, spread)])))
        following = builder.add(w, ir.Constant(word, 1))
        w.add_incoming(following, loop)
        for total, more in zip(sums, grown, strict=True):
            total.add_incoming(more, loop)
        builder.cbranch(builder.icmp_signed("<", following, words), loop, done)
        builder.position_at_end(done)
        for k, total in enumerate(grown):
            place = builder.gep(out_data, [ir.Constant(word, 8 * k)])
            builder.store(total, builder.bitcast(place, lanes.as_pointer()), align=8)
        return context.get_dummy_value()

    return signature, code


@compiled
def search(
    left: Any, first: int, last: int, right_t: Any, n_right: int, limit: int, itself: bool, hits: Any
) -> tuple[int, int]:
    """Pairs of left rows ``first`` to ``last - 1`` with right rows at most ``limit`` bits away.

    ``right_t`` is word-major and padded to a multiple of 32 columns. With ``itself`` the right side is the
    left one, and only later rows count. Hits go into ``hits``: left, right, distance. Returns the next left
    row to do and the number of hits; that row is before ``last`` where its hits might not have found room.
    """
    n_words = left.shape[1]
    stride = right_t.shape[1]
    distances = np.empty(32, np.uint64)
    bound = np.uint64(limit)
    capacity = hits.shape[0]
    n_hits = 0
    for i in range(first, last):
        if n_hits + n_right > capacity:
            return i, n_hits
        start = i + 1 if itself else 0
        for j in range(start - start % 32, n_right, 32):
            _lanes(left, i, right_t, j, n_words, stride, distances)
            for k in range(32):
                if distances[k] <= bound and start <= j + k < n_right:
                    hits[n_hits, 0] = i
                    hits[n_hits, 1] = j + k
                    hits[n_hits, 2] = distances[k]
                    n_hits += 1
    return last, n_hits


@compiled
def pair_distances(left: Any, right: Any, left_rows: Any, right_rows: Any, out: Any) -> None:
    """Distances of listed pairs into ``out``."""
    for p in range(left_rows.shape[0]):
        total = np.uint64(0)
        i, j = left_rows[p], right_rows[p]
        for w in range(left.shape[1]):
            total += popcount(left[i, w] ^ right[j, w])
        out[p] = total


@compiled
def search_weighted(
    left: Any,
    first: int,
    last: int,
    right_t: Any,
    n_right: int,
    left_present: Any,
    right_present: Any,
    weights: Any,
    limit: float,
    itself: bool,
    hits: Any,
) -> tuple[int, int]:
    """As `search`, for records of several filters: looked-up weights, added in order, at least ``limit``.

    ``left`` is [filters, n, words], ``right_t`` [filters, words, padded m]; ``left_present`` (float32[n,
    filters]) and ``right_present`` (float32[filters, padded m]) are 1 where there is a value and 0 where not.
    The third column of ``hits`` is left alone.
    """
    n_filters, n_words, stride = right_t.shape
    distances = np.empty(32, np.uint64)
    scores = np.empty(32, np.float32)
    capacity = hits.shape[0]
    n_hits = 0
    for i in range(first, last):
        if n_hits + n_right > capacity:
            return i, n_hits
        start = i + 1 if itself else 0
        for j in range(start - start % 32, n_right, 32):
            scores[:] = 0
            for f in range(n_filters):
                if left_present[i, f] > 0:
                    _lanes(left[f], i, right_t[f], j, n_words, stride, distances)
                    for k in range(32):
                        scores[k] += weights[f, distances[k]] * right_present[f, j + k]
            for k in range(32):
                if scores[k] >= limit and start <= j + k < n_right:
                    hits[n_hits, 0] = i
                    hits[n_hits, 1] = j + k
                    n_hits += 1
    return last, n_hits
