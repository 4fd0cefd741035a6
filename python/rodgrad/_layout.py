"""The library's structs as ctypes structures, made from the library's own description of them, the text of
rg_layout_text (include/rodgrad/layout.h).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

_TYPES = {"int": ctypes.c_int, "size_t": ctypes.c_size_t, "uint64_t": ctypes.c_uint64, "double": ctypes.c_double,
          "char": ctypes.c_char, "text": ctypes.c_char_p, "pointer": ctypes.c_void_p}


class Unfit(Exception):
    """What is wrong with a description, as the middle of a sentence."""


class Layout:
    """A description that has been read: structs with their members, enumerations with their constants."""

    def __init__(self, text: str) -> None:
        # size and (name, type, offset, elements; 0 of a member that is no array)
        self._structs: dict[str, tuple[int, list[tuple[str, str, int, int]]]] = {}
        self._enums: dict[str, dict[int, str]] = {}
        self._made: dict[str, type[ctypes.Structure]] = {}
        block = None
        for line in text.splitlines():
            try:
                name, *rest = line.split()
                if name == "struct":
                    block = []
                    self._structs[rest[0]] = int(rest[1]), block
                elif name == "enum":
                    block = self._enums.setdefault(rest[0], {})
                elif isinstance(block, dict):
                    block[int(rest[0])] = name
                else:
                    block.append((name, rest[0], int(rest[1]), int(rest[2]) if len(rest) > 2 else 0))
            except (AttributeError, IndexError, ValueError):
                raise Unfit(f"the line {line!r} of its rg_layout_text cannot be read") from None

    def enum(self, name: str, prefix: str) -> dict[int, str]:
        """The constants of an enumeration by value, without the prefix, in small letters."""
        if name not in self._enums:
            raise Unfit(f"it has no enum {name}")
        return {value: constant.removeprefix(prefix).lower() for value, constant in self._enums[name].items()}

    def structure(self, name: str, used: Mapping[str, str]) -> type[ctypes.Structure]:
        """The structure of that name. `used` has the names of the members that the caller needs by their type:
        {"int": "threads real", "double[3]": "gravity", "pointer[]": "fields"}, [] for any number of elements."""
        structure = self._make(name)
        found = {member: (kind, count) for member, kind, _, count in self._structs[name][1]}
        for wanted, members in used.items():
            for member in members.split():
                if member not in found:
                    raise Unfit(f"its {name} has no member {member}")
                kind, count = found[member]
                there = f"{kind}[{count}]" if count else kind
                if there != wanted.replace("[]", f"[{count}]" if count else "[]"):
                    raise Unfit(f"{name}.{member} is of type {there} there and {wanted} here")
        return structure

    def _make(self, name: str) -> type[ctypes.Structure]:
        if name in self._made:
            return self._made[name]
        if name not in self._structs:
            raise Unfit(f"it has no struct {name}")
        size, members = self._structs[name]
        fields = []
        for member, kind, _, count in members:
            if kind not in _TYPES and kind not in self._structs:
                raise Unfit(f"{name}.{member} is of type {kind}, which is unknown here")
            element = _TYPES[kind] if kind in _TYPES else self._make(kind)
            fields.append((member, element * count if count else element))
        structure = type(name, (ctypes.Structure,), {"_fields_": fields})
        for member, _, offset, _ in members:
            here = getattr(structure, member).offset
            if here != offset:
                raise Unfit(f"{name}.{member} is at byte {offset} there and at {here} here")
        if ctypes.sizeof(structure) != size:
            raise Unfit(f"{name} has {size} bytes there and {ctypes.sizeof(structure)} here")
        return self._made.setdefault(name, structure)
