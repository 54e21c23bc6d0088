"""Two compilers, and what each must be told: numba keeps its code, torch keeps out."""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numba
import torch
from numba.core.caching import FunctionCache

NO_EXPORT = (
    "a sparse layer cannot be traced, scripted or exported: its kernels are no operators of torch. "
    "Make the network dense first, with course_lib.sparse.densify(model)."
)
NO_TRANSFORM = (
    "a sparse layer cannot be transformed by torch.func (grad, vmap, jacrev, jvp ...), nor "
    "differentiated forward or for many gradients at once: call torch.autograd.grad, whose result "
    "can be differentiated again, or make the network dense with densify(model)."
)
_is_exporting = getattr(torch.compiler, "is_exporting", bool)  # torch 2.6 has none
P = ParamSpec("P")
T = TypeVar("T")


class _Cache(FunctionCache):
    """Numba's store of compiled code, for which a full disk or a folder of others is no error."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with suppress(OSError):
            return super().load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Do what numba.njit does; where compiled code cannot be kept it is made in each process.

    Numba keeps it beside the source, else in the user's home, else raises. A folder that all users
    may write to would be no place for code that others run.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        if cache:
            with suppress(RuntimeError):  # no place that can be written to
                dispatcher._cache = _Cache(function)
        return dispatcher

    return compiled


def uncompiled(function: Callable[P, T]) -> Callable[P, T]:
    """Keep torch.compile out of a function: it runs as it is, between two compiled parts.

    What would run it once and write down what it saw, torch.jit.trace and every export, is refused
    with a TypeError: there is no operator of torch to write down. So are the transforms of
    torch.func, which would call it with something else than tensors.
    """
    outside: list[Callable[P, T]] = []  # made when it is needed: torch takes seconds to load that

    @wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> T:
        if torch.compiler.is_compiling() and not _is_exporting():
            if not outside:
                outside.append(torch.compiler.disable(function))
            return outside[0](*args, **options)
        if torch.jit.is_tracing() or _is_exporting():
            raise TypeError(NO_EXPORT)
        if torch._C._are_functorch_transforms_active():
            raise TypeError(NO_TRANSFORM)
        return function(*args, **options)

    return call
