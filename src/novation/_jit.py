"""@kernel: the one place where Numba is imported, and where compiled code is cached.

What it adds to `numba.njit`:

* the cache key is the hash of the kernel's own file and of every novation file it imports, transitively. Numba's own
  key notices an edit of the file only, and then runs stale code of a called kernel, silently;
* integer arguments, members of an IntEnum too, are widened to int64 and literals forgotten at each call between
  kernels, so that a kernel is compiled once and not once for each combination of constants;
* a user's kernel is kept under the digest of the function as it is: its code and the values it reads (`live_digest`).
  Numba's key knows neither constants nor globals;
* `NUMBA_DISABLE_JIT=1` runs every kernel as plain Python, without importing Numba at all.

Tables of records are reached by address (`record_pointer`), so a record's capacity is data and not type.
"""

from __future__ import annotations

import builtins
import contextlib
import dis
import enum
import functools
import hashlib
import os
import pickle
import re
import sys
import types
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

_PACKAGE = Path(__file__).resolve().parent
_IMPORT = re.compile(rb"^\s*(?:from\s+(novation[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+(novation[\w.]*))", re.M)


class CompileError(Exception):
    """A user's kernel cannot be compiled; the message is one line."""


def cache_folder() -> Path:
    """Where compiled kernels are kept: NOVATION_CACHE, or the user's cache folder."""
    given = os.environ.get("NOVATION_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or ("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return Path(base).expanduser() / "novation"


def _is_ours(path: Path) -> bool:
    return _PACKAGE in path.parents


def _module_file(name: str) -> Path | None:
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    path = _PACKAGE.parent.joinpath(*parts)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if os.path.isfile(candidate):  # False, not an error, for a name that is none
            return candidate
    return None


def _read_imports(path: Path) -> tuple[bytes, tuple[Path, ...]]:
    """A file's bytes and the novation files it imports; nothing of a file that cannot be read."""
    try:
        text = path.read_bytes() if os.path.isfile(path) else b""
    except OSError:
        text = b""
    found = []
    for base, names, plain in _IMPORT.findall(text):
        for name in [
            plain or base,
            *(base + b"." + part.split(b" as ")[0].strip() for part in names.strip(b"()").split(b",")),
        ]:
            file = _module_file(name.decode("ascii", "replace"))
            if file is not None and file != path:
                found.append(file)
    return text, tuple(dict.fromkeys(found))


_read_imports_once = functools.cache(_read_imports)


def _imports(path: Path) -> tuple[bytes, tuple[Path, ...]]:
    """The package does not change while it runs; a user's file may."""
    return _read_imports_once(path) if _is_ours(path) else _read_imports(path)


def source_digest(path: Path) -> str:
    """BLAKE2b over a file and every novation file it imports, directly or not.

    Of a user's strategy also the other Python files of its folder: a constant or helper may stand there.
    """
    return _package_digest(path) if _is_ours(path) else _source_digest(path)


def _source_digest(path: Path) -> str:
    seen: dict[Path, None] = {path: None, Path(__file__).resolve(): None}
    if not _is_ours(path):
        seen |= dict.fromkeys(sorted(path.parent.glob("*.py")))
    waiting = list(seen)
    texts: dict[Path, bytes] = {}
    while waiting:
        file = waiting.pop()
        texts[file], others = _imports(file)
        for other in others:
            if other not in seen:
                seen[other] = None
                waiting.append(other)
    digest = hashlib.blake2b(digest_size=12)
    for file in sorted(seen):
        digest.update(os.fsencode(file.name) + b"\0" + texts[file])
    return digest.hexdigest()


_package_digest = functools.cache(_source_digest)

_STDLIB = Path(os.__file__).resolve().parent
_PLAIN = (type(None), type(...), bool, int, float, complex, str, bytes)


class _Untold(Exception):
    """A value whose content cannot be told."""


def live_digest(function: Callable[..., Any]) -> str | None:
    """BLAKE2b over a function as it would be compiled now: its code and the value of every name it reads.

    Goes into user's functions, kernels and modules; what is novation's stands for its source, what is of Python, NumPy
    or Numba for its name. None if a value cannot be told: a Numba function (it may have been compiled with globals that
    have changed since), a list, an object of the user's own class.
    """
    digest = _LiveDigest()
    try:
        digest.function(function)
    except _Untold:
        return None
    return digest.hash.hexdigest()


class _LiveDigest:
    """Feeds values into a hash, each with its kind and length, so that no two sequences look alike."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=12)
        self.seen: dict[Any, tuple[int, Any]] = {}  # and the values, so that no other takes their ids

    def put(self, kind: str, content: bytes | str = b"") -> None:
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        self.hash.update(f"{kind}:{len(data)}:".encode() + data)

    def again(self, value: Any, *key: Any) -> bool:
        """Whether this very object is in already; a function may call itself."""
        if (id(value), *key) in self.seen:
            self.put("again", str(self.seen[id(value), *key][0]))
            return True
        self.seen[id(value), *key] = len(self.seen), value
        return False

    def function(self, function: Any) -> None:
        """Code, defaults, closure and the globals that the code loads."""
        if self.again(function):
            return
        code = function.__code__
        self.code(code)
        attributes = _attributes(code)
        for name in sorted(_globals_read(code)):
            self.put("global", name)
            if name in function.__globals__:
                self.value(function.__globals__[name], attributes)
            else:
                self.put("builtin" if hasattr(builtins, name) else "absent")
        for cell in function.__closure__ or ():
            self.put("cell")
            try:
                content = cell.cell_contents
            except ValueError as error:
                raise _Untold("an empty cell") from error
            self.value(content, attributes)
        self.value(function.__defaults__)
        for name, value in (function.__kwdefaults__ or {}).items():
            self.put("default", name)
            self.value(value)

    def code(self, code: types.CodeType) -> None:
        """What the interpreter would run: the names too, because the bytes only number them."""
        self.put("code", code.co_code)
        self.put("exceptions", getattr(code, "co_exceptiontable", b""))
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self.put("names", repr((names, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)))
        self.put("flags", str(code.co_flags))
        self.value(code.co_consts)

    def value(self, value: Any, attributes: tuple[str, ...] = ()) -> None:
        """Any value; attributes: the names that are read of a module."""
        kind = type(value)
        if kind in _PLAIN:
            self.put(kind.__name__, format(value, "x") if kind is int else ascii(value))
        elif isinstance(value, enum.Enum):
            self.put("member", value.name)
            self.members(kind)
        elif isinstance(value, enum.EnumMeta):
            self.members(value)
        elif kind is tuple or (isinstance(value, tuple) and hasattr(kind, "_fields")):
            self.put("tuple", repr((kind.__module__, kind.__qualname__, getattr(kind, "_fields", ()), len(value))))
            for item in value:
                self.value(item, attributes)
        elif kind is frozenset and all(type(item) in _PLAIN for item in value):
            self.put("set", repr(sorted(map(ascii, value))))
        elif isinstance(value, np.dtype):
            self.put("dtype", repr(value))
        elif (isinstance(value, np.generic) or kind is np.ndarray) and not value.dtype.hasobject:
            flags = value.flags
            layout = (kind.__name__, value.shape, flags.c_contiguous, flags.f_contiguous, flags.writeable)
            self.put("array", repr((value.dtype, *layout)))
            self.put("content", value.tobytes())
        elif kind is types.CodeType:
            self.code(value)
        elif hasattr(value, "novation_record"):  # what `record_pointer` returns
            self.put("record", value.novation_record)
        elif kind is types.ModuleType:
            self.module(value, attributes)
        elif isinstance(value, types.FunctionType) or (JIT and isinstance(value, Kernel)):
            self.callable(value)
        elif _is_of_a_library(value):
            self.put("library", f"{value.__module__}.{value.__qualname__}")
        elif isinstance(value, np.ufunc) and getattr(np, value.__name__, None) is value:
            self.put("ufunc", repr(value))
        elif isinstance(value, type) and (file := _file_of(value.__module__)) is not None and _is_ours(file):
            self.put("class", f"{value.__qualname__} {source_digest(file)}")
        else:
            raise _Untold(kind.__name__)

    def callable(self, value: Any) -> None:
        """A function or a kernel: a user's by its content, ours by its source and the values its closure holds."""
        function = value.py_func if JIT and isinstance(value, Kernel) else value
        self.put("callable", f"{type(value).__name__} {getattr(value, 'careful', '')}")
        file = Path(function.__code__.co_filename).resolve()
        if not _is_ours(file):
            if function is value and _is_of_a_library(function):
                self.put("library", f"{function.__module__}.{function.__qualname__}")
            else:
                self.function(function)
        elif not self.again(function):
            self.put("ours", f"{function.__module__}.{function.__qualname__} {source_digest(file)}")
            if function.__closure__:
                self.function(function)

    def module(self, module: types.ModuleType, attributes: tuple[str, ...]) -> None:
        """A module's name, and of a user's or ours the values of the attributes that are read."""
        self.put("module", module.__name__)
        if _is_library(module.__name__) or self.again(module, attributes):
            return
        file = _file_of(module.__name__)
        if file is not None and _is_ours(file):
            self.put("ours", source_digest(file))
        for name in attributes:
            if hasattr(module, name):
                self.put("attribute", name)
                self.value(getattr(module, name), attributes)

    def members(self, kind: Any) -> None:
        """An enumeration: all its members."""
        if not self.again(kind):
            self.put("enum", f"{kind.__module__}.{kind.__qualname__} {kind._member_type_.__name__}")
            for name, member in kind.__members__.items():
                self.put("member", name)
                self.value(member.value)


def _codes(code: types.CodeType) -> list[types.CodeType]:
    """A code object and those inside it."""
    inside = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return [code, *(one for nested in inside for one in _codes(nested))]


def _globals_read(code: types.CodeType) -> set[str]:
    return {
        step.argval
        for one in _codes(code)
        for step in dis.get_instructions(one)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }


def _attributes(code: types.CodeType) -> tuple[str, ...]:
    return tuple(sorted({name for one in _codes(code) for name in one.co_names}))


def _file_of(name: str) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file).resolve() if isinstance(file, str) else None


def _is_library(name: str) -> bool:
    """Whether a module is Python's, NumPy's or Numba's own; their versions are in the names of folder and file."""
    root = name.partition(".")[0]
    if root in ("numpy", "numba"):
        return True
    if root not in sys.stdlib_module_names or root not in sys.modules:
        return root == "builtins"
    file = _file_of(root)  # a user's file may be called like a module of Python
    return file is None or (_STDLIB in file.parents and "site-packages" not in file.parts)


def _is_of_a_library(value: Any) -> bool:
    """Whether a class or function is what its module and name say, and the module is a library's."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or not _is_library(module):
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


if JIT:
    import numba
    from llvmlite import binding, ir
    from numba import types as nb
    from numba.core import caching
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import Compiler
    from numba.core.errors import NumbaError, TypingError
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

    def _as_it_is(function: Any, live: str | None) -> Any:
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
        if live:
            copy.novation_live = live  # type: ignore[attr-defined]
        return copy

    def _dispatcher(function: Any, *, inner: bool = False, careful: bool = False, cached: bool = True) -> Any:
        """A Numba dispatcher with our cache and the widening hook; inner: without the wrappers for Python; careful: an
        index outside an array and a division by zero are exceptions, as in Python."""
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
        ours = function.__module__.startswith("novation.")

        def widened(args: Any, kws: Any) -> Any:
            if ours and any(isinstance(nb.unliteral(a), nb.Float) for a in args):
                raise TypingError(f"{function.__name__} takes whole numbers (lots, ticks, ids), not a float")
            return plain_template(tuple(_widen(a) for a in args), {k: _widen(a) for k, a in kws.items()})

        dispatcher.get_call_template = widened
        return dispatcher

    class Kernel:
        """A compiled function as other kernels see it: without the wrappers that a call from Python needs.

        Leaving them out saves a quarter of the compile time, and calling such a function from Python would crash the
        process; so a call from Python goes to a second compilation, made when the first such call comes.
        """

        def __init__(self, function: Callable[..., Any]) -> None:
            functools.update_wrapper(self, function)
            self.py_func = function
            self._inner = self._make_inner()
            self._outer: Any = None

        def _make_inner(self) -> Any:
            return _dispatcher(self.py_func, inner=True)

        @property
        def inner(self) -> Any:
            """As other kernels call it."""
            return self._inner

        @property
        def outer(self) -> Any:
            """As Python calls it."""
            if self._outer is None:
                self._outer = _dispatcher(self.py_func)
            return self._outer

        def __call__(self, *args: Any) -> Any:
            """Call from Python."""
            return (self._outer or self.outer)(*args)

    class LiveKernel(Kernel):
        """A kernel outside the package: compiled for the values it reads when it is used, once for each digest.

        What cannot be told is compiled once for the object, and in each process.
        """

        def __init__(self, function: Callable[..., Any], *, careful: bool = False) -> None:
            self.careful = careful
            self._made: dict[tuple[bool, str | None], Any] = {}
            super().__init__(function)

        def _make_inner(self) -> Any:
            return None

        def _at(self, inner: bool) -> Any:
            live = live_digest(self.py_func)
            if (inner, live) not in self._made:
                self._made[inner, live] = _dispatcher(
                    _as_it_is(self.py_func, live), inner=inner, careful=self.careful, cached=live is not None
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
        ours = _is_ours(Path(function.__code__.co_filename).resolve())
        return Kernel(function) if ours else LiveKernel(function)

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
            raise CompileError(f"no field {error.args[0]!r} in the record") from error
        except NumbaError as error:
            lines = [line.strip() for line in str(error).splitlines()]
            raise CompileError(next(line for line in lines if line and not line.startswith("Failed in"))) from error
        dispatcher.disable_compile()
        if live is not None:
            _first_class[signature, live] = dispatcher
        return dispatcher

    STRATEGY_SIGNATURE = nb.int64(nb.int64, nb.int64, nb.int64)

    @functools.cache
    def strategy_loop(loop: Kernel, heads: np.dtype) -> Any:
        """A loop over first-class strategies: one compilation for all of them, because it is typed by their signature.

        loop: kernel (heads, until_ns, address, on_bar, state) -> int64.
        """
        integer = nb.int64
        array = nb.Array(numba.from_dtype(heads), 1, "C")
        dispatcher = _dispatcher(loop.py_func)
        dispatcher.compile((array, integer, integer, nb.FunctionType(STRATEGY_SIGNATURE), integer))
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
    print("novation: compiling the engine (once, about ten seconds)", file=sys.stderr, flush=True)
    compile_now()
    with contextlib.suppress(OSError):
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
