"""One small vector type for numba, so that a kernel in Python can say what the processor does.

A processor multiplies not one pair of numbers at a time but a whole *vector* of them: eight float32
in one instruction with AVX2, sixteen with AVX-512, four with ARM's NEON. numba turns plain loops
into such instructions when it can, but it keeps sums that should stay in registers in memory. With
the six operations here a kernel says itself what stays where:

    total = zeros(x, LANES)                             # LANES sums, all zero, in registers
    total = axpy(w, load(x, at, LANES), total)          # total + w * x[at : at + LANES]
    store(y, to, total)                                 # y[to : to + LANES] = total

`x` and `y` are flat arrays of float32 or float64, and LANES is any constant: LLVM, the compiler
under numba, splits a vector that is wider than the machine's into as many registers as it needs. So
the same line is eight instructions with AVX-512 and sixteen with AVX2, and no line here knows
which. `lanes_of` says how wide a sum still fits the registers.

Nothing here checks bounds: `load` and `store` reach wherever they are told to. `kernels` tells
them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

Codegen = tuple[Any, Callable[..., Any]]

INDEX = ir.IntType(32)
ELEMENTS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}


class Vector(types.Type):
    """The type of `lanes` numbers side by side, as numba's compiler sees it."""

    def __init__(self, element: Any, lanes: int) -> None:
        self.element, self.lanes = element, lanes
        super().__init__(name=f"{element}x{lanes}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    """How a Vector lies in the machine: as LLVM's own vector type."""

    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, _llvm(vector))


def _llvm(vector: Vector) -> ir.VectorType:
    return ir.VectorType(ELEMENTS[vector.element], vector.lanes)


def _vector(array: Any, lanes: Any) -> Vector:
    """Return the vector type for `lanes` entries of a flat array."""
    if not isinstance(array, types.Array) or array.ndim != 1 or array.dtype not in ELEMENTS:
        raise TypeError(f"given {array}, expected a flat array of float32 or float64")
    if not isinstance(lanes, types.IntegerLiteral):
        raise TypeError("the number of lanes must be a constant")
    return Vector(array.dtype, lanes.literal_value)


def _place(context: Any, builder: Any, array: Any, value: Any, at: Any, vector: Vector) -> Any:
    """Return the address of array[at], as a pointer to a vector."""
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [at]), _llvm(vector).as_pointer())


def _spread(builder: Any, number: Any, lanes: int) -> Any:
    """Return the vector with the same number in every lane."""
    empty = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    first = builder.insert_element(empty, number, INDEX(0))
    return builder.shuffle_vector(first, empty, _numbers([0] * lanes))


def _numbers(numbers: Sequence[int]) -> ir.Constant:
    """Return a constant vector of indices."""
    return ir.Constant(ir.VectorType(INDEX, len(numbers)), list(numbers))


def _first(builder: Any, count: Any, lanes: int) -> Any:
    """Return a vector of bits, 1 in the first `count` lanes."""
    counts = _spread(builder, builder.trunc(count, INDEX), lanes)
    return builder.icmp_signed("<", _numbers(range(lanes)), counts)


def _call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """Call one of LLVM's own functions."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def _suffix(vector: Vector) -> str:
    return f"v{vector.lanes}f{vector.element.bitwidth}"


@intrinsic(prefer_literal=True)
def zeros(typing: Any, like: Any, lanes: Any) -> Codegen:
    """zeros(like, lanes): a vector of zeros, of the type of the entries of the array `like`."""
    vector = _vector(like, lanes)
    return vector(like, lanes), lambda context, builder, signature, args: ir.Constant(
        _llvm(vector), [0.0] * vector.lanes
    )


@intrinsic(prefer_literal=True)
def load(typing: Any, array: Any, at: Any, lanes: Any) -> Codegen:
    """load(array, at, lanes): array[at : at + lanes]."""
    vector = _vector(array, lanes)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, array, args[0], args[1], vector)
        return builder.load(place, align=vector.element.bitwidth // 8)

    return vector(array, types.intp, lanes), generate


@intrinsic(prefer_literal=True)
def load_first(typing: Any, array: Any, at: Any, count: Any, lanes: Any) -> Codegen:
    """load_first(array, at, count, lanes): array[at : at + count], then zeros."""
    vector = _vector(array, lanes)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, array, args[0], args[1], vector)
        name = f"llvm.masked.load.{_suffix(vector)}.p0{_suffix(vector)}"
        align = INDEX(vector.element.bitwidth // 8)
        rest = ir.Constant(_llvm(vector), [0.0] * vector.lanes)
        mask = _first(builder, args[2], vector.lanes)
        return _call(builder, name, _llvm(vector), place, align, mask, rest)

    return vector(array, types.intp, types.intp, lanes), generate


@intrinsic
def store(typing: Any, array: Any, at: Any, vector: Any) -> Codegen:
    """store(array, at, vector): array[at : at + lanes] = vector."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, array, args[0], args[1], vector)
        builder.store(args[2], place, align=vector.element.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def store_first(typing: Any, array: Any, at: Any, count: Any, vector: Any) -> Codegen:
    """store_first(array, at, count, vector): array[at : at + count] = its first."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, array, args[0], args[1], vector)
        name = f"llvm.masked.store.{_suffix(vector)}.p0{_suffix(vector)}"
        align = INDEX(vector.element.bitwidth // 8)
        mask = _first(builder, args[2], vector.lanes)
        _call(builder, name, ir.VoidType(), args[3], place, align, mask)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vector), generate


def _fused(builder: Any, x: Any, y: Any, total: Any) -> Any:
    """Return x * y + total, which the processor may do in one instruction with one rounding."""
    return builder.fadd(builder.fmul(x, y, flags=["contract"]), total, flags=["contract"])


@intrinsic
def axpy(typing: Any, weight: Any, x: Any, total: Any) -> Codegen:
    """axpy(weight, x, total): weight * x + total, one weight for all lanes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fused(builder, _spread(builder, args[0], x.lanes), args[1], args[2])

    return x(x.element, x, x), generate


@intrinsic
def fma(typing: Any, x: Any, y: Any, total: Any) -> Codegen:
    """fma(x, y, total): x * y + total, lane by lane (a fused multiply-add)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fused(builder, *args)

    return x(x, x, x), generate


@intrinsic
def add(typing: Any, number: Any, x: Any) -> Codegen:
    """add(number, x): the number added in every lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(_spread(builder, args[0], x.lanes), args[1])

    return x(x.element, x), generate


@intrinsic
def positive(typing: Any, x: Any) -> Codegen:
    """positive(x): max(x, 0) lane by lane; NaN stays NaN, as in torch."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(_llvm(x), [0.0] * x.lanes)
        return builder.select(builder.fcmp_ordered("<", args[0], zero), zero, args[0])

    return x(x), generate


@intrinsic
def plus(typing: Any, x: Any, y: Any) -> Codegen:
    """plus(x, y): x + y, lane by lane."""
    return x(x, x), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic(prefer_literal=True)
def repeat(typing: Any, x: Any, times: Any) -> Codegen:
    """repeat(x, times): the lanes of x, again and again: a vector `times` as wide."""
    wide = Vector(x.element, x.lanes * times.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _numbers([lane % x.lanes for lane in range(wide.lanes)])
        return builder.shuffle_vector(args[0], ir.Constant(_llvm(x), ir.Undefined), lanes)

    return wide(x, times), generate


@intrinsic(prefer_literal=True)
def spread(typing: Any, x: Any, times: Any) -> Codegen:
    """spread(x, times): each lane of x so many times, then the next: a wider vector."""
    wide = Vector(x.element, x.lanes * times.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _numbers([lane // times.literal_value for lane in range(wide.lanes)])
        return builder.shuffle_vector(args[0], ir.Constant(_llvm(x), ir.Undefined), lanes)

    return wide(x, times), generate


@intrinsic(prefer_literal=True)
def part(typing: Any, x: Any, first: Any, lanes: Any) -> Codegen:
    """part(x, first, lanes): the lanes of x from `first` on, `lanes` of them, both constants."""
    short = Vector(x.element, lanes.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        chosen = range(first.literal_value, first.literal_value + short.lanes)
        return builder.shuffle_vector(
            args[0], ir.Constant(_llvm(x), ir.Undefined), _numbers(chosen)
        )

    return short(x, first, lanes), generate


@intrinsic(prefer_literal=True)
def gather(typing: Any, array: Any, columns: Any, at: Any, lanes: Any) -> Codegen:
    """gather(array, columns, at, lanes): array[columns[at : at + lanes]], from anywhere in it."""
    vector = _vector(array, lanes)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width = columns.dtype.bitwidth
        places = ir.VectorType(ir.IntType(width), vector.lanes)
        start = builder.gep(context.make_array(columns)(context, builder, args[1]).data, [args[2]])
        places = builder.load(builder.bitcast(start, places.as_pointer()), align=width // 8)
        places = builder.zext(places, ir.VectorType(ir.IntType(64), vector.lanes))
        data = context.make_array(array)(context, builder, args[0]).data
        bases = _spread(builder, builder.ptrtoint(data, ir.IntType(64)), vector.lanes)
        size = _spread(builder, ir.IntType(64)(vector.element.bitwidth // 8), vector.lanes)
        found = builder.add(bases, builder.mul(places, size))
        pointers = ir.VectorType(ELEMENTS[vector.element].as_pointer(), vector.lanes)
        return _call(
            builder,
            f"llvm.masked.gather.{_suffix(vector)}.v{vector.lanes}p0",
            _llvm(vector),
            builder.inttoptr(found, pointers),
            INDEX(vector.element.bitwidth // 8),
            ir.Constant(ir.VectorType(ir.IntType(1), vector.lanes), [1] * vector.lanes),
            ir.Constant(_llvm(vector), [0.0] * vector.lanes),
        )

    return vector(array, columns, types.intp, lanes), generate


def _sum(builder: Any, value: Any, x: Vector) -> Any:
    """Return the sum of the lanes, in whatever order is fastest."""
    element = ELEMENTS[x.element]
    kind = ir.FunctionType(element, [element, _llvm(x)])
    name = f"llvm.vector.reduce.fadd.{_suffix(x)}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [ir.Constant(element, 0.0), value], fastmath=("reassoc",))


@intrinsic
def dot(typing: Any, x: Any, y: Any) -> Codegen:
    """dot(x, y): the sum of x * y over the lanes, in whatever order is fastest."""
    # A quarter of the lanes at a time: the additions across one register are then few.
    short = Vector(x.element, max(x.lanes // 4, 1))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        empty = ir.Constant(_llvm(x), ir.Undefined)
        sums = ir.Constant(_llvm(short), [0.0] * short.lanes)
        for first in range(0, x.lanes, short.lanes):
            chosen = _numbers(range(first, first + short.lanes))
            a, b = (builder.shuffle_vector(value, empty, chosen) for value in args)
            sums = _fused(builder, a, b, sums)
        return _sum(builder, sums, short)

    return x.element(x, x), generate


@intrinsic
def total(typing: Any, x: Any) -> Codegen:
    """total(x): the sum of the lanes, in whatever order is fastest."""
    return x.element(x), lambda context, builder, signature, args: _sum(builder, args[0], x)
