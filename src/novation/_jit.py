"""@kernel: the one place where Numba is imported, and where compiled code is cached.

What it adds to `numba.njit`:

* the cache key is the hash of the kernel's own file and of every novation file it imports, transitively. Numba's own
  key notices an edit of the file only, and then runs stale code of a called kernel, silently;
* integer arguments, members of an IntEnum too, are widened to int64 and literals forgotten at each call between
  kernels, so that a kernel is compiled once and not once for each combination of constants;
* a kernel of ours takes whole numbers; the model modules, which are float64 in and out, say so with `@model_kernel`;
* a user's kernel is kept under the digest of the function as it is: its code and the values it reads (`live_digest`).
  Numba's key knows neither constants nor globals;
* `NUMBA_DISABLE_JIT=1` runs every kernel as plain Python, without importing Numba at all.

Tables of records are reached by address (`record_pointer`), so a record's capacity is data and not type.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import re
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from novation._live import live_digest
from novation._sources import is_ours, source_digest

JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


class CompileError(Exception):
    """A user's kernel cannot be compiled; the message is one line.

    name: of what is missing, where that is the problem: a name, or a field of a record. places: files (their last
    parts) and lines that Numba says have to do with it, the innermost first.
    """

    def __init__(self, problem: str, name: str = "", places: Sequence[tuple[str, int]] = ()) -> None:
        super().__init__(problem)
        self.name, self.places = name, tuple(places)


def cache_folder() -> Path:
    """Where compiled kernels are kept: NOVATION_CACHE, or the user's cache folder."""
    given = os.environ.get("NOVATION_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or ("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return Path(base).expanduser() / "novation"


if JIT:
    import numba
    from llvmlite import binding, ir
    from numba import types as nb
    from numba.core import caching
    from numba.core.callconv import CPUCallConv
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import Compiler
    from numba.core.errors import NumbaError, TypingError, UnsupportedBytecodeError
    from numba.core.lowering import Lower
    from numba.extending import intrinsic, typeof_impl
    from numba.np import arrayobj

    class _Locator(caching._CacheLocator):
        """Names the cache folder and the freshness stamp of one kernel, as other kernels call it."""

        variant = "inner"

        def __init__(self, py_func: Any, py_file: str) -> None:
            self._py_file = py_file  # Numba names it where it warns
            self._path = Path(py_file).resolve()
            self._line = py_func.__code__.co_firstlineno
            self._live = getattr(py_func, "novation_live", "")

        def get_cache_path(self) -> str:
            # the two compilations of a kernel must not meet: without wrappers, a call from Python ends the process
            return str(cache_folder() / f"kernels-{numba.__version__}-numpy-{np.__version__}" / self.variant)

        def get_source_stamp(self) -> str:
            return source_digest(self._path) + self._live

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

    _UNREADABLE = (ImportError, AttributeError, EOFError, pickle.UnpicklingError)

    class _Cache(caching.FunctionCache):
        """Numba's, but for a user's kernel: its closure is in the digest already, and Numba's hash of one that holds a
        kernel is another in each process. What cannot be read back, as it names a class of another program, is lost."""

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                return super().load_overload(sig, target_context)
            except _UNREADABLE:
                self.flush()
                return None

        def _index_key(self, sig: Any, codegen: Any) -> Any:
            live = getattr(self._py_func, "novation_live", "")
            return (sig, codegen.magic_tuple(), live) if live else super()._index_key(sig, codegen)

        def _save_overload(self, sig: Any, data: Any) -> None:
            super()._save_overload(sig, data)
            if getattr(self._py_func, "novation_live", ""):
                _forget_old(Path(self._cache_path), self._impl.filename_base)

    class _InnerCache(_Cache):
        _impl_class = _InnerImpl

    class _OuterCache(_Cache):
        _impl_class = _OuterImpl

    def _forget_old(folder: Path, name: str) -> None:
        """Of a user's kernel and the shim, the newest variants are kept, each in files of its own."""
        start, _, end = re.split("(_live[0-9a-f]{24})", name)
        found = []
        for entry in os.scandir(folder):
            if entry.name.startswith(f"{start}_live") and entry.name.endswith(f"{end}.nbi"):
                with contextlib.suppress(OSError):  # another process was quicker
                    found.append((entry.stat().st_mtime_ns, entry.path))
        for _, path in sorted(found)[:-_VARIANTS]:
            for gone in (path, *(f"{path.removesuffix('.nbi')}.{number}.nbc" for number in range(1, 9))):
                with contextlib.suppress(OSError):
                    os.unlink(gone)

    _VARIANTS = 200

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
        plain = nb.unliteral(argument)
        return nb.int64 if isinstance(plain, (nb.Integer, nb.IntEnumMember)) else plain

    _return_user_exc, _lower_inst = CPUCallConv.return_user_exc, Lower.lower_inst

    def _lowered(lower: Any, inst: Any) -> None:
        """Remember at which line of a user's function the code is that is made now."""
        function = lower.func_ir.func_id.func
        if getattr(function, "novation_careful", False):
            lower.builder.novation_at = lower.loc, function.__name__
        _lower_inst(lower, inst)

    def _raised(
        conv: Any, builder: Any, exc: Any, exc_args: Any = None, loc: Any = None, func_name: Any = None
    ) -> None:
        """Numba raises an index outside an array, or a division by zero, without a line: give it the user's."""
        if loc is None:
            loc, func_name = getattr(builder, "novation_at", (None, func_name))
        _return_user_exc(conv, builder, exc, exc_args, loc, func_name)

    Lower.lower_inst, CPUCallConv.return_user_exc = _lowered, _raised

    def _as_it_is(function: Any, live: str | None, *, careful: bool = False) -> Any:
        """A copy of a user's function that bears its digest in its name, and so in that of its files and symbols.

        Symbols that are alike are taken for one by the linker, and Numba's numbers of functions begin anew in each
        process: code from the cache would else be mixed with code of the same function that reads other values. Files
        of their own, because two processes that write different variants at once would mix up index and data.
        """
        copy = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        copy.__kwdefaults__ = function.__kwdefaults__
        copy.__module__ = function.__module__
        copy.__qualname__ = f"{function.__qualname__}_live{live or ''}"
        copy.novation_careful = careful  # type: ignore[attr-defined]
        if live:
            copy.novation_live = live  # type: ignore[attr-defined]
        return copy

    def _dispatcher(
        function: Any, *, inner: bool = False, careful: bool = False, cached: bool = True, floats: bool = False
    ) -> Any:
        """A Numba dispatcher with our cache and the widening hook; inner: without the wrappers for Python; careful: an
        index outside an array and a division by zero are exceptions, as in Python; floats: ours may be given them."""
        options: dict[str, Any] = {}
        if inner:
            options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": _InnerCompiler}
        options |= (
            {"boundscheck": True, "error_model": "python"} if careful else {"error_model": "numpy", "_nrt": False}
        )
        dispatcher = numba.njit(**options)(function)
        if cached:
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
        whole = function.__module__.startswith("novation.") and not floats

        def widened(args: Any, kws: Any) -> Any:
            if whole and any(isinstance(nb.unliteral(a), nb.Float) for a in args):
                raise TypingError(f"{function.__name__} takes whole numbers (lots, ticks, ids), not a float")
            return plain_template(tuple(_widen(a) for a in args), {k: _widen(a) for k, a in kws.items()})

        dispatcher.get_call_template = widened
        return dispatcher

    class Kernel:
        """A compiled function as other kernels see it: without the wrappers that a call from Python needs.

        Leaving them out saves a quarter of the compile time, and calling such a function from Python would crash the
        process; so a call from Python goes to a second compilation, made when the first such call comes.
        """

        novation_kernel = True  # how `_live` knows one
        floats = False  # whether other kernels may hand it one

        def __init__(self, function: Callable[..., Any]) -> None:
            functools.update_wrapper(self, function)
            self.py_func = function
            self._inner: Any = None
            self._outer: Any = None

        @property
        def inner(self) -> Any:
            """As other kernels call it: made when one is compiled, so not where all comes from the cache."""
            if self._inner is None:
                self._inner = _dispatcher(self.py_func, inner=True, floats=self.floats)
            return self._inner

        @property
        def outer(self) -> Any:
            """As Python calls it."""
            if self._outer is None:
                self._outer = _dispatcher(self.py_func, floats=self.floats)
            return self._outer

        def __call__(self, *args: Any) -> Any:
            """Call from Python."""
            return (self._outer or self.outer)(*args)

    class ModelKernel(Kernel):
        """A kernel of a model module: float64 in and out."""

        floats = True

    class LiveKernel(Kernel):
        """A kernel outside the package: compiled for the values it reads when it is used, once for each digest.

        What cannot be told is compiled once for the object, and in each process.
        """

        def __init__(self, function: Callable[..., Any], *, careful: bool = False) -> None:
            self.careful = careful
            self._made: dict[tuple[bool, str | None], Any] = {}
            super().__init__(function)

        def _at(self, inner: bool) -> Any:
            live = live_digest(self.py_func)
            if (inner, live) not in self._made:
                self._made[inner, live] = _dispatcher(
                    _as_it_is(self.py_func, live, careful=self.careful),
                    inner=inner,
                    careful=self.careful,
                    cached=live is not None,
                )
            return self._made[inner, live]

        @property
        def inner(self) -> Any:
            """As other kernels call it."""
            return self._at(True)

        @property
        def outer(self) -> Any:
            """As Python calls it."""
            return self._at(False)

    def entry_point(called: Any, *examples: Any) -> Callable[..., Any]:
        """The compiled code of a kernel for arguments of exactly these types, called without looking at them.

        A fifth of the cost of calling the kernel. Compiles if it has to; nothing is run.
        """
        signature = tuple(numba.typeof(example) for example in examples)
        outer = called.outer
        outer.compile(signature)
        return outer.overloads[signature].entry_point  # type: ignore[no-any-return]

    @typeof_impl.register(Kernel)
    def _typeof_kernel(value: Kernel, context: Any) -> Any:
        return nb.Dispatcher(value.inner)

    def kernel(function: Callable[..., Any]) -> Any:
        """Compile a function of integers and records when it is first used, once per machine."""
        ours = is_ours(Path(function.__code__.co_filename).resolve())
        return Kernel(function) if ours else LiveKernel(function)

    def model_kernel(function: Callable[..., Any]) -> Any:
        """A kernel of a model module of `rules` (tests/test_repo.py lists them), which may be given floats.

        A caller that gives it whole numbers compiles it once more; `float` them first.
        """
        return ModelKernel(function)

    def user_kernel(function: Callable[..., Any]) -> Any:
        """A kernel written by a user: mistakes in it are exceptions, not damage."""
        return LiveKernel(function, careful=True)

    _first_class: dict[tuple[Any, str], Any] = {}

    def kernel_with(signature: Any, function: Callable[..., Any]) -> Any:
        """Compile now for one signature, so that the result can be passed as a first-class function.

        Functions of the same digest share the code. Raises CompileError with the one line that says what is wrong.
        """
        live = live_digest(function)
        if live is not None and (signature, live) in _first_class:
            return _first_class[signature, live]
        dispatcher = _dispatcher(_as_it_is(function, live), cached=live is not None)
        try:
            dispatcher.compile(signature)
        except KeyError as error:
            raise CompileError(f"no field {error.args[0]!r} in the record", str(error.args[0])) from error
        except (NumbaError, UnsupportedBytecodeError, AttributeError) as error:
            raise _told(str(error)) from error
        dispatcher.disable_compile()
        if live is not None:
            _first_class[signature, live] = dispatcher
        return dispatcher

    #: How Numba names a place: `File "strategy.py", line 7:`, `at strategy.py (7)`, `Raised from strategy.py (7)`.
    _PLACE = re.compile(r'File "([^"]+)", line (\d+)|(?:at|from) (\S+) \((\d+)\)')
    _RECORD = re.compile(r"(?:unaligned )?Record\(.*?\]?;\d+;\w+\)|Record\(\[.*\]\)", re.DOTALL)

    def _told(text: str) -> CompileError:
        """What Numba's many lines say, in one, with the places in them."""
        places = [(Path(a or c).name, int(b or d)) for a, b, c, d in _PLACE.findall(text)]
        lines = [line.strip() for line in _RECORD.sub("record", text).splitlines()]
        problem = next(line for line in lines if line and not line.startswith("Failed in"))
        if problem.endswith("found for signature:"):
            call = next((line.removeprefix(">>> ") for line in lines if line.startswith(">>> ")), "")
            problem = "nothing compiled does " + re.sub(r"Literal\[(\w+)\]\([^)]*\)", r"\1", call)
        missing = re.search(r"(?:name|attribute) '(\w+)'", problem)
        return CompileError(problem.partition(" Raised from ")[0][:300], missing[1] if missing else "", places)

    STRATEGY_SIGNATURE = nb.int64(nb.int64, nb.int64, nb.int64)

    @functools.cache
    def strategy_loop(loop: Kernel, heads: np.dtype) -> Any:
        """A loop over first-class strategies: one compilation for all of them, because it is typed by their signature.

        loop: kernel (heads, until_ns, address, on_bar, state, ..) -> int64: of each strategy function and state.
        """
        integer = nb.int64
        array = nb.Array(numba.from_dtype(heads), 1, "C")
        dispatcher = _dispatcher(loop.py_func)
        strategy = (nb.FunctionType(STRATEGY_SIGNATURE), integer)
        dispatcher.compile((array, integer, integer, *strategy * ((loop.py_func.__code__.co_argcount - 3) // 2)))
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

            return record_type(nb.int64, nb.int64), generate

        at.novation_record = repr(dtype)
        return at

    @intrinsic
    def integers_at(typing_context: Any, address: Any, first: Any, count: Any) -> Any:
        """`count` int64 of a table of one field, from row `first`, as an array: unchecked, and not to be returned."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = ir.Constant(ir.IntType(64), 8)
            array = arrayobj.make_array(signature.return_type)(context, builder)
            start = builder.inttoptr(builder.add(args[0], builder.mul(args[1], word)), array.data.type)
            arrayobj.populate_array(array, start, [args[2]], [word], word, None)
            return array._getvalue()

        return nb.Array(nb.int64, 1, "C")(nb.int64, nb.int64, nb.int64), generate

    def _bit_count(find: str, from_top: bool) -> Any:
        @intrinsic
        def bit(typing_context: Any, number: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                zeros = getattr(builder, find)(args[0], ir.Constant(ir.IntType(1), 1))
                return builder.sub(ir.Constant(ir.IntType(64), 63), zeros) if from_top else zeros

            return nb.int64(nb.int64), generate

        return bit

    #: Place of the lowest, and of the highest, bit of a number that is set; the number is above 0.
    lowest_bit = _bit_count("cttz", False)
    highest_bit = _bit_count("ctlz", True)

else:
    STRATEGY_SIGNATURE = None

    def entry_point(called: Any, *examples: Any) -> Callable[..., Any]:
        """Plain Python: JIT is off."""
        return called  # type: ignore[no-any-return]

    def kernel(function: Callable[..., Any]) -> Any:
        """Plain Python: JIT is off."""
        return function

    def model_kernel(function: Callable[..., Any]) -> Any:
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

    def lowest_bit(number: int) -> int:
        """Place of the lowest bit that is set, of a number above 0."""
        return (int(number) & -int(number)).bit_length() - 1

    def highest_bit(number: int) -> int:
        """Place of the highest bit that is set, of a number above 0."""
        return int(number).bit_length() - 1

    def integers_at(address: int, first: int, count: int) -> Any:
        """`count` int64 of a table of one field, from row `first`."""
        return _TABLES[int(address)].view(np.int64)[int(first) : int(first) + int(count)]


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
    print("novation: compiling the engine (once, about a minute)", file=sys.stderr, flush=True)
    compile_now()
    with contextlib.suppress(OSError):
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
