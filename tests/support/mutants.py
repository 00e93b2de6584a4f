"""Small changes to functions, each of which should make a difference that something notices."""

import ast
import inspect
import warnings
from types import CodeType

COMPARISONS = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
NAMES = {"min": "max", "max": "min"}


def mutants(function):
    """Code objects to put in a function's place, each with a text that says where and what."""
    module = inspect.getmodule(function)
    tree = ast.parse(inspect.getsource(module))
    first = function.__code__.co_firstlineno
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.lineno == first:
            for text in _in_turn(node):
                alone = ast.fix_missing_locations(ast.Module([node], []))
                with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
                    compiled = compile(alone, module.__file__, "exec")
                yield text, next(each for each in compiled.co_consts if isinstance(each, CodeType))


def _in_turn(function):
    """Change the function's tree, let the caller look, and change it back."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    for statement in body:
        for node in ast.walk(statement):
            for change in _changes(node):
                before = dict(vars(node))
                text = ast.unparse(node)
                change(node)
                if (changed := ast.unparse(node)) != text:
                    yield f"{function.name}: {_difference(text, changed)}"
                vars(node).clear()
                vars(node).update(before)
    for owner, field, block in _blocks(function):
        for place, statement in enumerate(block):
            if isinstance(statement, ast.Pass) or (owner is function and statement not in body):
                continue
            setattr(owner, field, [*block[:place], ast.Pass(), *block[place + 1 :]])
            yield f"{function.name}: {ast.unparse(statement)} -> pass"
            setattr(owner, field, block)


def _difference(text, changed):
    """The words between those that both begin with and those that both end with."""
    one, other = text.split(), changed.split()
    while one[:1] == other[:1] and len(one) > 1 and len(other) > 1:
        del one[0], other[0]
    while one[-1:] == other[-1:] and len(one) > 1 and len(other) > 1:
        del one[-1], other[-1]
    return f"{' '.join(one)} -> {' '.join(other)}"


def _blocks(function):
    for node in ast.walk(function):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield node, field, block


def _changes(node):
    """What can be done to a node."""
    yield from _other_values(node)
    yield from _other_ways(node)


def _other_values(node):
    match node:
        case ast.Constant(value=bool()):
            yield lambda n: setattr(n, "value", not n.value)
        case ast.Constant(value=int()):
            yield lambda n: setattr(n, "value", n.value + 1)
        case ast.Constant(value=str()):
            yield lambda n: setattr(n, "value", f"{n.value}x")
        case ast.Constant(value=None):
            yield lambda n: setattr(n, "value", 1)
        case ast.Name(id="min" | "max"):
            yield lambda n: setattr(n, "id", NAMES[n.id])
        case ast.UnaryOp(op=ast.USub()):
            yield lambda n: setattr(n, "op", ast.UAdd())
        case ast.Tuple(elts=[ast.Starred(), *_]):
            yield lambda n: setattr(n, "elts", n.elts[1:])


def _other_ways(node):
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            yield lambda n: setattr(n, "ops", [COMPARISONS[type(n.ops[0])]()])
        case ast.If() | ast.IfExp():
            yield lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
        case ast.BoolOp():
            yield lambda n: setattr(n, "op", ast.And() if isinstance(n.op, ast.Or) else ast.Or())
        case ast.Match(cases=cases):
            for place in range(len(cases) - 1):
                yield lambda n, p=place: setattr(n, "cases", [*n.cases[:p], *n.cases[p + 1 :]])
        case ast.Call(args=arguments, keywords=keywords):
            for place in range(len(arguments) - 1):
                yield lambda n, p=place: setattr(n, "args", _swapped(n.args, p))
            for place in range(len(keywords) - 1):
                yield lambda n, p=place: setattr(n, "keywords", _crossed(n.keywords, p))


def _swapped(items, place):
    return [*items[:place], items[place + 1], items[place], *items[place + 2 :]]


def _crossed(keywords, place):
    """The values of two neighbours, each under the other's name."""
    one, other = keywords[place : place + 2]
    crossed = [ast.keyword(one.arg, other.value), ast.keyword(other.arg, one.value)]
    return [*keywords[:place], *crossed, *keywords[place + 2 :]]
