"""Makes ``docs/reference/configuration.md`` from the policy model, so that every key is named and explained there.

``python -m desktop_logger.admin.configuration`` rewrites the page in a checkout; a test fails when it is not current.
The explanations are the model's own docstrings, read from its source: nothing of this is loaded where a policy is used.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from desktop_logger import policy
from desktop_logger.paths import rewrite

_HEAD = """# The policy file

<!-- Made by `python -m desktop_logger.admin.configuration` from the policy model; do not edit. -->

`config/personal.toml` is the policy out of the box; `config/policy.example.toml` is what `desktop-logger admin init`
fills in. A policy is TOML. An unknown key is an error; what a version cannot keep, it refuses. An organisation's
policy is signed by its controller (`admin policy sign`) and, where it says so, by a second party
(`admin policy countersign`). Its version only goes up. Whatever is wider than what people signed stops recording until
they sign again; equal or narrower holds at once.
"""


def page() -> str:
    """The whole page."""
    lines = [_HEAD, "## Top level", "", *_table(policy.Policy)]
    for key, model in _tables(policy.Policy):
        lines += ["", f"## `{key}`", "", _first_line(model), "", *_table(model)]
    return "\n".join(lines) + "\n"


def _table(model: type[BaseModel]) -> list[str]:
    explained = _explanations(model.__name__)
    lines = ["| key | value | if left out | what it is |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        default = "an error" if field.default is PydanticUndefined else _default(field.default)
        shape = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        lines.append(f"| `{name}` | {_shape(shape)} | {default} | {explained[name]} |")
    return lines


def _tables(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table below a model, with the heading it has in TOML."""
    for name, field in model.model_fields.items():
        for part in _parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                many = get_origin(_bare(field.annotation)) is tuple
                key = f"{above}{name}"
                yield f"[[{key}]]" if many else f"[{key}]", part
                yield from _tables(part, f"{key}.")


def _bare(shape: Any) -> Any:
    return get_args(shape)[0] if get_origin(shape) is Annotated else shape


def _parts(shape: Any) -> Iterator[Any]:
    yield shape
    for part in get_args(shape):
        yield from _parts(part)


def _shape(shape: Any) -> str:
    """A type in words."""
    named = {policy.Name: "lower-case name", policy.Line: "one line of text", policy.Key: "base64",
             policy.Hour: "`HH:MM`", policy.Pattern: "name of an application"}  # fmt: skip
    for known, words in named.items():
        if shape == known:
            return words
    origin, parts = get_origin(shape), get_args(shape)
    if origin is Annotated:
        limits = [limit for extra in parts[1:] for limit in _limits(extra)]
        return _shape(parts[0]) + (f", {', '.join(limits)}" if limits else "")
    if origin in (Union, types.UnionType):
        return " or ".join(_shape(part) for part in parts if part is not type(None))
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is dict:
        return f"table: {_shape(parts[0])} = {_shape(parts[1])}"
    if origin is tuple:
        return f"list of {_shape(parts[0])}"
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return "table, see below"
    return {bool: "true or false", int: "whole number", str: "text"}.get(shape, str(shape))


def _limits(extra: Any) -> Iterator[str]:
    for part in getattr(extra, "metadata", None) or [extra]:
        for name, words in (
            ("ge", "at least"),
            ("le", "at most"),
            ("min_length", "at least"),
            ("max_length", "at most"),
        ):
            value = getattr(part, name, None)
            if value is not None:
                yield f"{words} {value}"


def _default(value: Any) -> str:
    if isinstance(value, BaseModel):
        return ", ".join(f"{name} = {_default(one)}" for name, one in value)
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _source() -> ast.Module:
    with open(policy.__file__, encoding="utf-8") as file:
        return ast.parse(file.read())


def _class(name: str) -> ast.ClassDef:
    return next(node for node in _source().body if isinstance(node, ast.ClassDef) and node.name == name)


def _first_line(model: type[BaseModel]) -> str:
    return _flat(ast.get_docstring(_class(model.__name__)) or "")


def _explanations(name: str) -> dict[str, str]:
    """The docstring under each attribute of a model and of the models it is made from."""
    node = _class(name)
    found: dict[str, str] = {}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id not in ("Model", "BaseModel"):
            found |= _explanations(base.id)
    for one, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(after, ast.Expr):
            text = after.value
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[one.target.id] = _flat(text.value)
    return found


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def main() -> None:
    """Rewrite the page in a checkout."""
    rewrite(page(), "docs", "reference", "configuration.md")


if __name__ == "__main__":
    main()
