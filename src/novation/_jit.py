"""@kernel: the one place where Numba is imported, and where compiled code is cached.

What it adds to `numba.njit`:

* the cache key is the hash of the kernel's own file and of every novation file it imports, transitively. Numba's own
  key notices an edit of the file only, and then runs stale code of a called kernel, silently;
* integer arguments are widened to int64 and literals forgotten at each call between kernels, so that a kernel is
  compiled once and not once for each combination of constants;
* `NUMBA_DISABLE_JIT=1` runs every kernel as plain Python, without importing Numba at all.

Tables of records are reached by address (`record_pointer`), so a record's capacity is data and not type.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

_PACKAGE = Path(__file__).resolve().parent
_IMPORT = re.compile(r"^\s*(?:from\s+(novation[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+(novation[\w.]*))", re.M)


class CompileError(Exception):
    """A user's kernel cannot be compiled; the message is one line."""


def cache_folder() -> Path:
    """Where compiled kernels are kept: NOVATION_CACHE, or the user's cache folder."""
    given = os.environ.get("NOVATION_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or ("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return Path(base).expanduser() / "novation"


def _module_file(name: str) -> Path | None:
    path = _PACKAGE.parent.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _imports(path: Path) -> tuple[bytes, tuple[Path, ...]]:
    text = path.read_bytes()
    found = []
    for base, names, plain in _IMPORT.findall(text.decode()):
        for name in [
            plain or base,
            *(f"{base}.{part.split(' as ')[0].strip()}" for part in names.strip("()").split(",")),
        ]:
            file = _module_file(name)
            if file is not None and file != path:
                found.append(file)
    return text, tuple(dict.fromkeys(found))


@functools.cache
def source_digest(path: Path) -> str:
    """BLAKE2b over a file and every novation file it imports, directly or not.

    Of a user's strategy also the other Python files of its folder: a constant or helper may stand there.
    """
    seen: dict[Path, None] = {path: None, Path(__file__).resolve(): None}
    if _PACKAGE not in path.parents:
        seen |= dict.fromkeys(sorted(path.parent.glob("*.py")))
    waiting = list(seen)
    while waiting:
        for other in _imports(waiting.pop())[1]:
            if other not in seen:
                seen[other] = None
                waiting.append(other)
    digest = hashlib.blake2b(digest_size=12)
    for file in sorted(seen):
        digest.update(file.name.encode() + b"\0" + _imports(file)[0])
    return digest.hexdigest()


if JIT:
    import numba
    from llvmlite import binding, ir
    from numba import types
    from numba.core import caching
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import Compiler
    from numba.core.errors import NumbaError, TypingError
    from numba.extending import intrinsic, typeof_impl

    class _Locator(caching._CacheLocator):
        """Names the cache folder and the freshness stamp of one kernel, as other kernels call it."""

        variant = "inner"

        def __init__(self, py_func: Any, py_file: str) -> None:
            self._py_file = py_file  # Numba names it where it warns
            self._path = Path(py_file).resolve()
            self._line = py_func.__code__.co_firstlineno

        def get_cache_path(self) -> str:
            # the two compilations of a kernel must not meet: without wrappers, a call from Python ends the process
            return str(cache_folder() / f"kernels-{numba.__version__}-numpy-{np.__version__}" / self.variant)

        def get_source_stamp(self) -> str:
            return source_digest(self._path)

        def get_disambiguator(self) -> str:
            return f"{hashlib.blake2b(str(self._path).encode(), digest_size=6).hexdigest()}-{self._line}"

        @classmethod
        def from_function(cls, py_func: Any, py_file: str) -> _Locator | None:
            if not os.path.exists(py_file):
                return None
            locator = cls(py_func, py_file)
            try:
                locator.ensure_cache_path()
            except OSError:
                return None
            return locator

    class _OuterLocator(_Locator):
        """The same, as Python calls it."""

        variant = "outer"

    class _InnerImpl(caching.CompileResultCacheImpl):
        _locator_classes = [_Locator]

    class _OuterImpl(caching.CompileResultCacheImpl):
        _locator_classes = [_OuterLocator]

    class _InnerCache(caching.FunctionCache):
        _impl_class = _InnerImpl

    class _OuterCache(caching.FunctionCache):
        _impl_class = _OuterImpl

    class _NoMachineCode:
        """Takes the place of the code generator where a kernel that never runs by itself would be registered."""

        @staticmethod
        def set_env(name: str, env: Any) -> None:
            """Nothing: the entry point that the kernel is linked into sets it."""

    class _InnerLibrary(JITCodeLibrary):
        """The code of a kernel that only other kernels call: kept as LLVM bitcode, never made machine code.

        It is optimised and translated where it is used, in the entry points; doing so for each kernel by itself, with
        all that it calls, took a third of the cold compile.
        """

        @property
        def codegen(self) -> Any:
            return _NoMachineCode

        def _optimize_final_module(self) -> None:
            passes, builder = self._codegen._module_pass_manager(
                loop_vectorize=False, slp_vectorize=False, opt=0, cost="cheap"
            )
            passes.run(self._final_module, builder)

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            return 0

        def serialize_using_object_code(self) -> tuple[str, str, bytes]:
            return self.name, "novation kernel", self._final_module.as_bitcode()

        @classmethod
        def _unserialize(cls, codegen: Any, state: Any) -> Any:
            name, kind, data = state
            if kind != "novation kernel":
                return _unserialize(codegen, state)
            library = cls(codegen, name)
            library._final_module = binding.parse_bitcode(data)
            library._finalize_final_module()
            return library

    _unserialize = JITCodeLibrary._unserialize
    JITCodeLibrary._unserialize = _InnerLibrary._unserialize

    class _InnerCompiler(Compiler):
        """Numba's compiler, its result in an `_InnerLibrary`."""

        def __init__(self, typing_context: Any, target_context: Any, library: Any, *rest: Any) -> None:
            super().__init__(typing_context, target_context, _InnerLibrary(target_context.codegen(), "kernel"), *rest)

    def _widen(argument: Any) -> Any:
        plain = types.unliteral(argument)
        return types.int64 if isinstance(plain, types.Integer) else plain

    def _dispatcher(function: Any, *, inner: bool = False, careful: bool = False) -> Any:
        """A Numba dispatcher with our cache and the widening hook; inner: without the wrappers for Python; careful: an
        index outside an array and a division by zero are exceptions, as in Python."""
        options: dict[str, Any] = {}
        if inner:
            options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": _InnerCompiler}
        options |= (
            {"boundscheck": True, "error_model": "python"} if careful else {"error_model": "numpy", "_nrt": False}
        )
        dispatcher = numba.njit(**options)(function)
        with contextlib.suppress(RuntimeError):  # no folder can be written: compile in each process
            dispatcher._cache = _InnerCache(function) if inner else _OuterCache(function)
        if not inner:
            add_overload = dispatcher.add_overload

            def with_environments(result: Any) -> None:
                for environment in result._find_referenced_environments():
                    result.library.codegen.set_env(environment.env_name, environment)
                add_overload(result)

            dispatcher.add_overload = with_environments
        plain_template = dispatcher.get_call_template
        ours = function.__module__.startswith("novation.")

        def widened(args: Any, kws: Any) -> Any:
            if ours and any(isinstance(types.unliteral(a), types.Float) for a in args):
                raise TypingError(f"{function.__name__} takes whole numbers (lots, ticks, ids), not a float")
            return plain_template(tuple(_widen(a) for a in args), {k: _widen(a) for k, a in kws.items()})

        dispatcher.get_call_template = widened
        return dispatcher

    class Kernel:
        """A compiled function as other kernels see it: without the wrappers that a call from Python needs.

        Leaving them out saves a quarter of the compile time, and calling such a function from Python would crash the
        process; so a call from Python goes to a second compilation, made when the first such call comes.
        """

        def __init__(self, function: Callable[..., Any], *, careful: bool = False) -> None:
            functools.update_wrapper(self, function)
            self.py_func = function
            self.inner = _dispatcher(function, inner=True, careful=careful)
            self._outer: Any = None

        def __call__(self, *args: Any) -> Any:
            """Call from Python."""
            if self._outer is None:
                self._outer = _dispatcher(self.py_func)
            return self._outer(*args)

    def entry_point(called: Any, *examples: Any) -> Callable[..., Any]:
        """The compiled code of a kernel for arguments of exactly these types, called without looking at them.

        A fifth of the cost of calling the kernel. Compiles if it has to; nothing is run.
        """
        if called._outer is None:
            called._outer = _dispatcher(called.py_func)
        signature = tuple(numba.typeof(example) for example in examples)
        called._outer.compile(signature)
        return called._outer.overloads[signature].entry_point  # type: ignore[no-any-return]

    @typeof_impl.register(Kernel)
    def _typeof_kernel(value: Kernel, context: Any) -> Any:
        return types.Dispatcher(value.inner)

    def kernel(function: Callable[..., Any]) -> Any:
        """Compile a function of integers and records when it is first used, once per machine."""
        return Kernel(function)

    def user_kernel(function: Callable[..., Any]) -> Any:
        """A kernel written by a user: mistakes in it are exceptions, not damage."""
        return Kernel(function, careful=True)

    def kernel_with(signature: Any, function: Callable[..., Any]) -> Any:
        """Compile now for one signature, so that the result can be passed as a first-class function.

        Raises CompileError with the one line that says what is wrong.
        """
        dispatcher = _dispatcher(function)
        try:
            dispatcher.compile(signature)
        except KeyError as error:
            raise CompileError(f"no field {error.args[0]!r} in the record") from error
        except NumbaError as error:
            lines = [line.strip() for line in str(error).splitlines()]
            raise CompileError(next(line for line in lines if line and not line.startswith("Failed in"))) from error
        dispatcher.disable_compile()
        return dispatcher

    STRATEGY_SIGNATURE = types.int64(types.int64, types.int64, types.int64)

    @functools.cache
    def strategy_loop(loop: Kernel, heads: np.dtype) -> Any:
        """A loop over first-class strategies: one compilation for all of them, because it is typed by their signature.

        loop: kernel (heads, until_ns, address, on_bar, state) -> int64.
        """
        integer = types.int64
        array = types.Array(numba.from_dtype(heads), 1, "C")
        dispatcher = _dispatcher(loop.py_func)
        dispatcher.compile((array, integer, integer, types.FunctionType(STRATEGY_SIGNATURE), integer))
        dispatcher.disable_compile()
        return dispatcher

    def record_pointer(dtype: np.dtype) -> Any:
        """`at(address, row)`: the record there, unchecked; wrap it in an accessor that checks the row."""
        record_type = numba.from_dtype(dtype)
        size = dtype.itemsize

        @intrinsic
        def at(typing_context: Any, address: Any, row: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                step = builder.mul(args[1], ir.Constant(ir.IntType(64), size))
                return builder.inttoptr(builder.add(args[0], step), context.get_value_type(record_type))

            return record_type(types.int64, types.int64), generate

        return at

else:
    STRATEGY_SIGNATURE = None

    def entry_point(called: Any, *examples: Any) -> Callable[..., Any]:
        """Plain Python: JIT is off."""
        return called  # type: ignore[no-any-return]

    def kernel(function: Callable[..., Any]) -> Any:
        """Plain Python: JIT is off."""
        return function

    def user_kernel(function: Callable[..., Any]) -> Any:
        """Plain Python: JIT is off."""
        return function

    def kernel_with(signature: Any, function: Callable[..., Any]) -> Any:
        """Plain Python: JIT is off."""
        return function

    def strategy_loop(loop: Any, heads: np.dtype) -> Any:  # type: ignore[misc]
        """Plain Python: JIT is off."""
        return loop

    def record_pointer(dtype: np.dtype) -> Any:
        """`at(address, row)`: the record there, through the table of known arrays."""

        def at(address: int, row: int) -> Any:
            return _TABLES[int(address)][int(row)]

        return at


#: Without JIT, the tables that addresses stand for; a table that nobody keeps is gone from here too.
_TABLES: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()


def record_table(dtype: np.dtype, rows: int) -> np.ndarray:
    """A zeroed table of records. Without JIT its rows answer to attributes, as they do inside kernels."""
    if JIT:
        return np.zeros(rows, dtype)
    return np.zeros(rows, np.dtype((np.record, dtype)))


def address_of(table: np.ndarray) -> int:
    """The address kernels reach a table by; the caller keeps the table alive."""
    address = int(table.__array_interface__["data"][0])
    if not JIT:
        _TABLES[address] = table
    return address


def first_compile(file: Path, compile_now: Callable[[], Any]) -> None:
    """Say, once per machine and version, that kernels are being compiled, and compile them.

    file: the source of the entry points, whose digest tells versions apart.
    """
    if not JIT:
        return
    done = cache_folder() / f"compiled-{source_digest(file)}-{sys.version_info[0]}{sys.version_info[1]}"
    if done.exists():
        return
    print("novation: compiling the engine (once, about ten seconds)", file=sys.stderr, flush=True)
    compile_now()
    with contextlib.suppress(OSError):
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
