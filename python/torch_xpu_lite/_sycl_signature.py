"""What a kernel's source says about its parameters.

Only as much C++ as a kernel's declaration needs: with it Python numbers get the
type that the kernel expects, and mistakes are found before the device sees them.
What cannot be read (macros, templates, types of the user's own) is left unknown.
"""

import ctypes
import re
from typing import NamedTuple, Optional

_WORD = {
    "bool": ctypes.c_bool, "char": ctypes.c_int8, "float": ctypes.c_float,
    "double": ctypes.c_double, "int8_t": ctypes.c_int8, "uint8_t": ctypes.c_uint8,
    "int16_t": ctypes.c_int16, "uint16_t": ctypes.c_uint16, "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_uint64, "ptrdiff_t": ctypes.c_int64,
}
_SIZES = {"char": 8, "short": 16, "int": 32, "long": 64}


class Parameter(NamedTuple):
    """One parameter: its text, whether it is a pointer, and its ctypes type or None."""

    text: str
    pointer: bool
    ctype: Optional[type]


class Signature(NamedTuple):
    """A kernel: its name, its parameters, and the dimensions of its range (0: none)."""

    name: str
    parameters: list
    dims: Optional[int]


def read(source: str) -> dict:
    """The kernels of a source, by name. Those behind macros of the user are missing."""
    text = _without_comments(source)
    found = {}
    for match in re.finditer(r"SYCL_EXT_ONEAPI_FUNCTION_PROPERTY\s*\(", text):
        properties, end = _balanced(text, match.end() - 1)
        function = re.compile(r"\s*\)?\s*(?:inline\s+|static\s+)*void\s+(\w+)\s*\(").match(text, end)
        if not function:
            continue
        inside, _ = _balanced(text, function.end() - 1)
        range_ = re.search(r"nd_range_kernel\s*<\s*(\d)\s*>", properties)
        dims = int(range_[1]) if range_ else 0 if "single_task_kernel" in properties else None
        found[function[1]] = Signature(function[1], [_parameter(p) for p in _split(inside)], dims)
    return found


def _without_comments(source: str) -> str:
    source = re.sub(r"/\*.*?\*/", " ", source, flags=re.DOTALL)
    return re.sub(r"//[^\n]*", " ", source)


def _balanced(text: str, start: int):
    """The text between the parenthesis at `start` and its counterpart, and its end."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return text[start + 1 : i], i + 1
    return text[start + 1 :], len(text)


def _split(inside: str) -> list:
    parts, depth, current = [], 0, ""
    for c in inside:
        depth += {"(": 1, "<": 1, "[": 1, "{": 1, ")": -1, ">": -1, "]": -1, "}": -1}.get(c, 0)
        if c == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += c
    parts.append(current)
    return [] if parts in ([""], ["void"]) or not inside.strip() else parts


def _parameter(text: str) -> Parameter:
    text = " ".join(text.split())
    if "*" in text or "[" in text:
        return Parameter(text, True, None)
    words = [w for w in re.sub(r"\bstd::|\bsycl::", "", text).split() if w not in ("const", "volatile")]
    if "&" in text or "<" in text or not words:
        return Parameter(text, False, None)
    known = set(_WORD) | set(_SIZES) | {"signed", "unsigned"}
    if len(words) > 1 and words[-1] not in known:
        words.pop()  # the parameter's name
    if len(words) == 1 and words[0] in _WORD:
        return Parameter(text, False, _WORD[words[0]])
    if words and all(w in _SIZES or w in ("signed", "unsigned") for w in words):
        bits = next((_SIZES[w] for w in ("char", "short", "long") if w in words), 32)
        name = f"c_{'u' if 'unsigned' in words else ''}int{bits}"
        return Parameter(text, False, getattr(ctypes, name))
    return Parameter(text, False, None)
