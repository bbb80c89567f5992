"""Vector loops written for LLVM itself: a block of four left rows against sixteen right rows, kept in registers.

While its words are added up, the sixty-four distances of a block are eight vectors of eight lanes; each load of
right words serves four rows, and each left word, copied into all lanes, serves two vectors. Then they are packed
into two vectors of 16 bits a distance, so that what is asked of them costs little. LLVM makes the best of the
machine at hand: one instruction counts the bits of a vector with AVX-512 VPOPCNTDQ, table look-ups do it elsewhere.

Layouts, so that a block reads memory in one direction::

    left   word 0 of rows 0-3, word 1 of rows 0-3, …                   [groups, words, ROWS]
    right  word 0 of rows 0-15, word 1 of rows 0-15, …                 [words, LANES]
    block  row 0, lane 0; row 1, lane 0; … row 3, lane 15              bit or number ROWS * lane + row

Four numbers of 16 bits, one for each row, are read as one word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 4  # of 16 bits fill a word
LANES = 16
_WIDTH = 8
_HALVES = LANES // _WIDTH
_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, _WIDTH)
_SHORT = ir.VectorType(ir.IntType(16), ROWS * _WIDTH)
_FLAGS = ir.IntType(ROWS * _WIDTH)
_intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic


@_intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """Count the set bits of one ``uint64``: LLVM's ``ctpop``, a single instruction on most machines."""
    del typing_context, word

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


@_intrinsic
def first_bit(typing_context: Any, mask: Any) -> Any:
    """Place of the lowest set bit of an ``int64`` that is not 0."""
    del typing_context, mask

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), code


@_intrinsic
def near(
    typing_context: Any,
    left: Any,
    left_at: Any,
    right: Any,
    n_words: Any,
    step: Any,
    n_steps: Any,
    bounds: Any,
    bounds_at: Any,
    distances: Any,
) -> Any:
    """Mask of the pairs of a block that are less far apart than the bound of their left row.

    ``left`` from ``left_at`` and ``right`` are laid out as above; the four ``bounds`` from ``bounds_at`` on are
    ``uint16`` numbers of bits. After every ``step`` words, ``n_steps`` times in all, a block in which each pair is
    too far apart already is given up. ``distances`` takes 64 ``uint16``, only where the mask is not 0.
    """
    del typing_context, left_at, n_words, step, n_steps, bounds_at
    whole = types.int64
    signature = types.int64(left, whole, right, whole, whole, whole, bounds, whole, distances)

    def code(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        block = _Block(context, builder, sig, arguments)
        left_words, right_words = block.pointer(0, 1), block.pointer(2)
        n_words, step, n_steps = arguments[3:6]
        bound = block.short(block.load(builder.bitcast(block.pointer(6, 7), _WORD.as_pointer()), _WORD(0)))
        sums, found = block.vectors(ROWS * _HALVES), cgutils.alloca_once(builder, _WORD)
        builder.store(_WORD(0), found)
        with cgutils.for_range(builder, n_steps) as part:
            begin = builder.mul(part.index, step)
            stop = builder.add(begin, step)
            stop = builder.select(builder.icmp_signed("<", stop, n_words), stop, n_words)
            block.add_distances(sums, left_words, right_words, begin, stop)
            packed = block.packed(sums)
            hits = [builder.icmp_unsigned("<", half, bound) for half in packed]
            with builder.if_then(builder.not_(block.any(hits))):
                part.do_break()
            with builder.if_then(builder.icmp_signed("==", stop, n_words)):
                builder.store(block.mask(hits), found)
                block.store(packed, block.pointer(8))
        return builder.load(found)

    return signature, code


@_intrinsic
def may_reach(
    typing_context: Any,
    left: Any,
    left_at: Any,
    right: Any,
    n_filters: Any,
    n_words: Any,
    left_there: Any,
    there_at: Any,
    right_there: Any,
    bases: Any,
    cuts: Any,
    gains: Any,
    n_cuts: Any,
    needed: Any,
) -> Any:
    """Mask of the pairs of a block whose weights may reach what is needed.

    ``left`` from ``left_at`` is [filters, words, ROWS] and ``right`` [filters, words, LANES]. A filter f at
    distance d adds at most ``bases[f]``, and ``gains[f, c]`` for each of ``n_cuts`` cuts with d < ``cuts[f, c]``;
    a block is given up when after filter f no sum is as great as ``needed[f]``. All these are words of four equal
    ``int16`` (cuts ``uint16``), as are ``left_there`` from ``there_at``, [filters], by row, and ``right_there``,
    [filters, LANES]: all bits set where there is a filter, none where not.
    """
    del typing_context, left_at, n_filters, n_words, there_at, n_cuts
    whole = types.int64
    signature = types.int64(
        left, whole, right, whole, whole, left_there, whole, right_there, bases, cuts, gains, whole, needed
    )

    def code(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        block = _Block(context, builder, sig, arguments)
        left_words, right_words = block.pointer(0, 1), block.pointer(2)
        left_there, right_there = block.pointer(5, 6), block.pointer(7)
        bases, cuts, gains, needed = (block.pointer(k) for k in (8, 9, 10, 12))
        n_filters, n_words, n_cuts = arguments[3], arguments[4], arguments[11]
        weights, found = block.vectors(_HALVES), cgutils.alloca_once(builder, _WORD)
        builder.store(_WORD(0), found)
        with cgutils.for_range(builder, n_filters) as filters:
            f = filters.index
            before = builder.mul(f, n_words)
            sums = block.vectors(ROWS * _HALVES)
            block.add_distances(
                sums,
                builder.gep(left_words, [builder.mul(before, _WORD(ROWS))]),
                builder.gep(right_words, [builder.mul(before, _WORD(LANES))]),
                _WORD(0),
                n_words,
            )
            distances = block.packed(sums)
            added = block.vectors(_HALVES, block.everywhere(block.load(bases, f)))
            with cgutils.for_range(builder, n_cuts) as steps:
                at = builder.add(builder.mul(f, n_cuts), steps.index)
                cut, gain = block.short(block.load(cuts, at)), block.short(block.load(gains, at))
                for distance, slot in zip(distances, added, strict=True):
                    nearer = builder.icmp_unsigned("<", distance, cut)
                    block.add_short(slot, builder.select(nearer, gain, _SHORT(None)))
            there_left = block.everywhere(block.load(left_there, f))
            at = builder.mul(f, _WORD(LANES))
            for half, (slot, weight) in enumerate(zip(added, weights, strict=True)):
                there_right = block.vector(right_there, builder.add(at, _WORD(_WIDTH * half)))
                there = builder.and_(there_left, there_right)
                block.add_short(weight, builder.bitcast(builder.and_(builder.load(slot), there), _SHORT))
            enough = block.short(block.load(needed, f))
            hits = [
                builder.icmp_signed(">=", builder.bitcast(builder.load(weight), _SHORT), enough)
                for weight in weights
            ]
            with builder.if_then(builder.not_(block.any(hits))):
                filters.do_break()
            with builder.if_then(builder.icmp_signed("==", builder.add(f, _WORD(1)), n_filters)):
                builder.store(block.mask(hits), found)
        return builder.load(found)

    return signature, code


class _Block:
    """What both loops are written in. Variables are stack slots, which LLVM turns into registers."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self._context, self._builder = context, builder
        self._signature, self._arguments = signature, arguments
        self._count = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.ctpop.v{_WIDTH}i64"
        )

    def pointer(self, argument: int, start: int | None = None) -> Any:
        """To the data of an array argument, or to the element whose number is another argument."""
        make = self._context.make_array(self._signature.args[argument])
        data = make(self._context, self._builder, self._arguments[argument]).data
        return data if start is None else self._builder.gep(data, [self._arguments[start]])

    def load(self, pointer: Any, at: Any) -> Any:
        return self._builder.load(self._builder.gep(pointer, [at]), align=2)

    def vector(self, pointer: Any, at: Any) -> Any:
        place = self._builder.bitcast(self._builder.gep(pointer, [at]), _VECTOR.as_pointer())
        return self._builder.load(place, align=8)

    def everywhere(self, word: Any) -> Any:
        """A vector with a word in all lanes."""
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        one = self._builder.insert_element(undefined, word, ir.IntType(32)(0))
        lane = ir.Constant(ir.VectorType(ir.IntType(32), _WIDTH), None)
        return self._builder.shuffle_vector(one, undefined, lane)

    def short(self, word: Any) -> Any:
        """Its four numbers of 16 bits, again and again."""
        return self._builder.bitcast(self.everywhere(word), _SHORT)

    def vectors(self, n: int, start: Any = None) -> list[Any]:
        """Variables, of one value each or zero."""
        slots = [cgutils.alloca_once(self._builder, _VECTOR) for _ in range(n)]
        for slot in slots:
            self._builder.store(_VECTOR(None) if start is None else start, slot)
        return slots

    def add_short(self, slot: Any, numbers: Any) -> None:
        before = self._builder.bitcast(self._builder.load(slot), _SHORT)
        self._builder.store(self._builder.bitcast(self._builder.add(before, numbers), _VECTOR), slot)

    def add_distances(self, sums: list[Any], left: Any, right: Any, begin: Any, stop: Any) -> None:
        """Add the differing bits of words ``begin`` to ``stop`` - 1; ``sums`` row by row, the halves of the lanes."""
        builder = self._builder
        with cgutils.for_range(builder, stop, begin) as words:
            at = builder.mul(words.index, _WORD(LANES))
            there = [self.vector(right, builder.add(at, _WORD(lane))) for lane in range(0, LANES, _WIDTH)]
            at = builder.mul(words.index, _WORD(ROWS))
            for row in range(ROWS):
                here = self.everywhere(self.load(left, builder.add(at, _WORD(row))))
                for slot, word in zip(sums[row * _HALVES :], there, strict=False):
                    differing = builder.call(self._count, [builder.xor(here, word)])
                    builder.store(builder.add(builder.load(slot), differing), slot)

    def packed(self, sums: list[Any]) -> list[Any]:
        """Sums below 2**16 as numbers of 16 bits, lane by lane the four rows: a vector for each half of the lanes."""
        builder, packed = self._builder, []
        for half in range(_HALVES):
            vector = builder.load(sums[half])
            for row in range(1, ROWS):
                places = ir.Constant(_VECTOR, [16 * row] * _WIDTH)
                higher = builder.shl(builder.load(sums[row * _HALVES + half]), places)
                vector = builder.or_(vector, higher)
            packed.append(builder.bitcast(vector, _SHORT))
        return packed

    def store(self, packed: list[Any], pointer: Any) -> None:
        for half, numbers in enumerate(packed):
            place = self._builder.gep(pointer, [_WORD(ROWS * _WIDTH * half)])
            self._builder.store(numbers, self._builder.bitcast(place, _SHORT.as_pointer()), align=2)

    def any(self, hits: list[Any]) -> Any:
        some = self._builder.or_(*hits)
        return self._builder.icmp_unsigned("!=", self._builder.bitcast(some, _FLAGS), _FLAGS(0))

    def mask(self, hits: list[Any]) -> Any:
        low, high = (self._builder.zext(self._builder.bitcast(half, _FLAGS), _WORD) for half in hits)
        return self._builder.or_(low, self._builder.shl(high, _WORD(ROWS * _WIDTH)))
