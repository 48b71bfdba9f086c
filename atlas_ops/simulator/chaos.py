"""A C library that misbehaves on demand: around the simulator's, a replayed one, or the driver's own.

For tests and rehearsals of what reads GPUs:

    chaos = Chaos(node.library)
    pynvml.nvmlLib = chaos
    chaos.refuse("nvmlDeviceGetPowerUsage", NOT_SUPPORTED, gpu=1)
    hang = chaos.wedge(2)            # every call about GPU 2 blocks
    hang.hung.wait(5)                # one has begun to
    chaos.release()                  # all as before, nothing blocks any more
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from atlas_ops.simulator.garbage import garble
from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import FUNCTION_NOT_FOUND, GPU_IS_LOST, SUCCESS
from atlas_ops.simulator.nvml.library import all_functions

_BY_INDEX = "nvmlDeviceGetHandleByIndex_v2"
_HANDLE_GIVERS = frozenset(
    {_BY_INDEX, "nvmlDeviceGetMigDeviceHandleByIndex", "nvmlDeviceGetDeviceHandleFromMigDeviceHandle"}
)

_Key = tuple[str | None, int | None]
"""(function or all, GPU or all)."""
_Way = Callable[[Callable[..., Any], tuple[Any, ...]], Any]
"""What happens instead of a call: (the real function, its arguments) -> return code."""


def functions(library: object) -> frozenset[str]:
    """Return the C functions of a library: of the simulator's all, of another those that the simulator knows too."""
    return frozenset(name for name in all_functions() if hasattr(library, name))


@dataclass(frozen=True, slots=True)
class Hang:
    """Calls that block. `hung` is set when one has begun to; `release` lets them go on and answer, and those to come."""

    hung: threading.Event = field(default_factory=threading.Event)
    _gate: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let go."""
        self._gate.set()

    def __call__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Block, then call."""
        if not self._gate.is_set():
            self.hung.set()
            self._gate.wait()
        return function(*arguments)


class Chaos:
    """`library` with rules about its functions. Safe for threads; rules may change while calls are under way.

    A rule is about one function or, with `gpu`, about that function for one GPU alone. Which GPU a call is about shows its
    handle, MIG handles included; event sets and GPM samples belong to none. A later rule replaces an earlier one of the
    same scope; one for a whole GPU comes before one for a function and a GPU, and that before one for a function.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._rules: dict[_Key, _Way] = {}
        self._absent: frozenset[str] = frozenset()
        self._owners: dict[int, int] = {}
        """{address of a handle: index of its GPU}, learned from the calls that give handles."""
        self._calls: dict[str, _Call] = {}

    def refuse(self, function: str, code: int, *, gpu: int | None = None) -> None:
        """Let a function return a code, and do nothing."""
        self._set((function, gpu), lambda _function, _arguments: code)

    def hang(self, function: str, *, gpu: int | None = None) -> Hang:
        """Let calls of a function block until they are released."""
        return self._hang((function, gpu))

    def garble(self, function: str, *, gpu: int | None = None) -> None:
        """Let a function succeed as before, but with garbage in what it writes."""
        self._set((function, gpu), _garbled)

    def absent(self, function: str) -> None:
        """Let the library not export a function; for who has looked it up already, it is not found when called."""
        with self._lock:
            self._absent |= {function}

    def lose(self, gpu: int) -> None:
        """Let every call about a GPU say that it is lost."""
        self._set((None, gpu), lambda _function, _arguments: GPU_IS_LOST)

    def wedge(self, gpu: int) -> Hang:
        """Let every call about a GPU block until it is released."""
        return self._hang((None, gpu))

    def heal(self, function: str | None = None, *, gpu: int | None = None) -> None:
        """Take back the rule of this scope, if there is one: a function's, a GPU's (`gpu` alone), or both."""
        with self._lock:
            self._absent -= {function} if gpu is None else frozenset()
            _let_go(self._rules.pop((function, gpu), None))

    def release(self) -> None:
        """Take back every rule, and let go of everything that hangs."""
        with self._lock:
            self._absent = frozenset()
            for rule in self._rules.values():
                _let_go(rule)
            self._rules.clear()

    def __getattr__(self, name: str) -> Any:
        """Return a C function under the rules, or something else of the library's own; AttributeError when it has none."""
        if not name.startswith("nvml"):
            return getattr(self._library, name)
        if name in self._absent:
            raise AttributeError(name)
        if name not in self._calls:
            self._calls[name] = _Call(self, name, getattr(self._library, name))
        return self._calls[name]

    def perform(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Call a function as the rules of this moment say."""
        if name in self._absent:
            return FUNCTION_NOT_FOUND
        gpu = self._gpu(name, arguments)
        scopes: tuple[_Key, ...] = ((name, None),) if gpu is None else ((None, gpu), (name, gpu), (name, None))
        rule = next((rule for scope in scopes if (rule := self._rules.get(scope))), None)
        result = rule(function, arguments) if rule else function(*arguments)
        if name in _HANDLE_GIVERS and result == SUCCESS and gpu is not None:
            self._owners[c.address(c.pointee(arguments[-1]))] = gpu
        return result

    def _gpu(self, name: str, arguments: tuple[Any, ...]) -> int | None:
        if not arguments:
            return None
        return c.number(arguments[0]) if name == _BY_INDEX else self._owners.get(c.address(arguments[0]))

    def _hang(self, key: _Key) -> Hang:
        hang = Hang()
        self._set(key, hang)
        return hang

    def _set(self, key: _Key, rule: _Way) -> None:
        with self._lock:
            before, self._rules[key] = self._rules.get(key), rule
        _let_go(before)


class _Call:
    """One C function under the rules. What the binding says about its result is passed on to the real one."""

    def __init__(self, chaos: Chaos, name: str, function: Callable[..., Any]) -> None:
        self._chaos, self._name, self._function = chaos, name, function

    def __call__(self, *arguments: Any) -> Any:
        return self._chaos.perform(self._name, self._function, arguments)

    @property
    def restype(self) -> Any:
        return getattr(self._function, "restype", None)

    @restype.setter
    def restype(self, kind: Any) -> None:
        vars_of: Any = self._function
        vars_of.restype = kind


def _garbled(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    result = function(*arguments)
    if result == SUCCESS:
        garble(arguments)
    return result


def _let_go(rule: _Way | None) -> None:
    if isinstance(rule, Hang):
        rule.release()
