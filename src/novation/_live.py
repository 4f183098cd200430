"""A user's function as it is now: the digest of its code and of every value it reads.

Numba's own key of a cached function knows neither constants nor globals; `_jit` keeps a user's kernels under this.
"""

from __future__ import annotations

import builtins
import dis
import enum
import hashlib
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from novation._sources import is_ours, source_digest

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
        elif isinstance(value, types.FunctionType) or hasattr(kind, "novation_kernel"):
            self.callable(value)
        elif _is_of_a_library(value):
            self.put("library", f"{value.__module__}.{value.__qualname__}")
        elif isinstance(value, np.ufunc) and getattr(np, value.__name__, None) is value:
            self.put("ufunc", repr(value))
        elif isinstance(value, type) and (file := _file_of(value.__module__)) is not None and is_ours(file):
            self.put("class", f"{value.__qualname__} {source_digest(file)}")
        else:
            raise _Untold(kind.__name__)

    def callable(self, value: Any) -> None:
        """A function or a kernel: a user's by its content, ours by its source and the values its closure holds."""
        function = value.py_func if hasattr(type(value), "novation_kernel") else value
        self.put("callable", f"{type(value).__name__} {getattr(value, 'careful', '')}")
        file = Path(function.__code__.co_filename).resolve()
        if not is_ours(file):
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
        if file is not None and is_ours(file):
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
