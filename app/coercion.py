"""Lenient reading of decoded JSON against a declared type, finding everything that is wrong with it.

The declaration is the very type that a strict msgspec decoder uses, so that both read the same fields under
the same limits. Findings come in the order of the declaration, depth first, one for a field.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, Final, get_type_hints

from msgspec import inspect

from app.findings import FINDINGS_MAX, Finding, Location, finding
from app.scalars import INTEGER_MAX, INTEGER_MIN, Reader, check_storable, scalar_reader_of


def reader_of(declared: inspect.Type, spelled: Any) -> Reader:  # noqa: PLR0911 -- one return for a type
    """How to read `declared`, which the source spells so; TypeError if it has no lenient reading."""
    match declared:
        case inspect.Metadata():
            return reader_of(declared.type, spelled)
        case inspect.StructType(array_like=False, tag=None):
            # Members that it does not know are dropped, also where the log, which shares it, allows none.
            return _object_reader(declared)
        case inspect.UnionType(types=(only, inspect.NoneType()) | (inspect.NoneType(), only)):
            return _nullable_reader(reader_of(only, spelled))
        case inspect.ListType(min_length=None, max_length=None):
            return _list_reader(reader_of(declared.item_type, spelled), list)
        case inspect.VarTupleType(min_length=None, max_length=None):
            return _list_reader(reader_of(declared.item_type, spelled), tuple)
        case inspect.DictType(key_type=inspect.StrType(None, None, None), min_length=None, max_length=None):
            return _map_reader(reader_of(declared.value_type, spelled))
        case inspect.AnyType():
            return _read_free
        case _:
            return scalar_reader_of(declared, spelled)


def oversized_integers_of(  # noqa: PLR0911 -- one return for a type
    declared: inspect.Type,
) -> Callable[[Any], bool] | None:
    """Whether a strictly decoded value holds a declared integer beyond 64 bits; None if it cannot."""
    match declared:
        case inspect.Metadata():
            return oversized_integers_of(declared.type)
        case inspect.IntType():
            return lambda value: type(value) is int and not INTEGER_MIN <= value <= INTEGER_MAX
        case inspect.UnionType(types=(only, inspect.NoneType()) | (inspect.NoneType(), only)):
            return oversized_integers_of(only)
        case inspect.StructType():
            return _oversized_in_object(declared)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _oversized_in_any(oversized_integers_of(item), lambda items: items)
        case inspect.DictType(value_type=item):
            return _oversized_in_any(oversized_integers_of(item), dict.values)
        case _:
            return None


def _oversized_in_any(
    check: Callable[[Any], bool] | None, items_of: Callable[[Any], Iterable[Any]]
) -> Callable[[Any], bool] | None:
    return check and (lambda value: bool(value) and any(map(check, items_of(value))))


def _oversized_in_object(declared: inspect.StructType) -> Callable[[Any], bool] | None:
    kind = declared.cls
    candidates = [(field.name, oversized_integers_of(field.type)) for field in declared.fields]
    checks = [(name, check) for name, check in candidates if check]

    def oversized(value: Any) -> bool:
        if type(value) is kind:
            for name, check in checks:
                if check(getattr(value, name)):
                    return True
        return False

    return oversized if checks else None


def _object_reader(declared: inspect.StructType) -> Reader:
    spelled = get_type_hints(declared.cls, include_extras=True)
    fields = [
        (field, field.encode_name, reader_of(field.type, spelled[field.name])) for field in declared.fields
    ]

    def read(value: Any, location: Location, findings: list[Finding]) -> Any:
        if not isinstance(value, dict):
            findings.append(finding("model_attributes_type", location, value))
            return None
        found_before = len(findings)
        arguments = {}
        for field, name, reader in fields:
            if name in value:
                arguments[field.name] = reader(value[name], (*location, name), findings)
            elif field.required:
                findings.append(finding("missing", (*location, name), value))
        return declared.cls(**arguments) if len(findings) == found_before else None

    return read


def _nullable_reader(reader: Reader) -> Reader:
    return lambda value, location, findings: None if value is None else reader(value, location, findings)


def _list_reader(reader: Reader, build: Callable[[list[Any]], Any]) -> Reader:
    def read(value: Any, location: Location, findings: list[Finding]) -> Any:
        if not isinstance(value, list):
            findings.append(finding("list_type", location, value))
            return None
        items = []
        for index, item in enumerate(value):
            if len(findings) >= FINDINGS_MAX:
                break
            items.append(reader(item, (*location, index), findings))
        return build(items)

    return read


def _map_reader(reader: Reader) -> Reader:
    def read(value: Any, location: Location, findings: list[Finding]) -> Any:
        if not isinstance(value, dict):
            findings.append(finding("dict_type", location, value))
            return None
        entries = {}
        for key, item in value.items():
            if len(findings) >= FINDINGS_MAX:
                break
            check_storable(key, (*location, key, "[key]"), findings)
            entries[key] = reader(item, (*location, key), findings)
        return entries

    return read


def _read_free(value: Any, location: Location, findings: list[Finding]) -> Any:
    if isinstance(value, str):
        check_storable(value, location, findings)
    elif isinstance(value, dict):
        _FREE_MAP(value, location, findings)
    elif isinstance(value, list):
        _FREE_LIST(value, location, findings)
    elif isinstance(value, float) and not math.isfinite(value):
        findings.append(finding("finite_number", location, value))
    return value


_FREE_MAP: Final = _map_reader(_read_free)
_FREE_LIST: Final = _list_reader(_read_free, list)
