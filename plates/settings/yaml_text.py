"""Reads user-written YAML as plain values: nothing in it is run, and whatever is wrong is reported."""

from typing import Any

import yaml

from plates.errors import UserError

TUPLE = "tag:yaml.org,2002:python/tuple"
DEEPEST = 50  # levels; the parser itself ends in a RecursionError at some hundreds
MOST = 100_000  # values, those of an alias counted wherever it is used


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which knows Python's tuples too."""


def _tuple(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> tuple[Any, ...]:
    return tuple(loader.construct_sequence(node, deep=True))


_Loader.add_constructor(TUPLE, _tuple)


def read_yaml(text: str, source: str, tuples: bool = False) -> Any:
    """The values of a YAML document.

    Args:
        text: the document.
        source: what errors call it.
        tuples: take `!!python/tuple`, as Python's YAML writes it.

    Raises:
        UserError: no YAML, a tag that is not plain, a value that its own tag does not fit (`!!int x`, the 99th of a
            month), a key that is there twice, more than `DEEPEST` levels, more than `MOST` values (which a page of
            aliases can say), or an alias of itself.
    """
    content = _plain(text, source, tuples)
    count, waiting = 0, [content]
    while waiting:
        value = waiting.pop()
        count += 1
        if count + len(waiting) > MOST:
            raise UserError(f"{source} is not a settings file: it has over {MOST:,} values.")
        waiting += [*value.keys(), *value.values()] if isinstance(value, dict) else []
        waiting += value if isinstance(value, list | tuple | set) else []
    return content


def _plain(text: str, source: str, tuples: bool) -> Any:
    try:
        deepest = depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            deepest = max(deepest, depth)
            if deepest > DEEPEST:
                raise UserError(f"{source} is not a settings file: it is over {DEEPEST} levels deep.")
        loader = (_Loader if tuples else yaml.SafeLoader)(text)
        node = loader.get_single_node()
        if twice := _twice(node):
            raise UserError(f"{source} is not a settings file: {twice}. Keep one of them.")
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        raise UserError(f"{source} is not YAML: {error}") from None
    except (ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:  # the constructors' own
        raise UserError(f"{source} has a value that does not match its tag or format: {error}") from None


def _twice(node: yaml.Node | None) -> str | None:
    """A key that occurs twice in one section, and its lines: YAML would silently take the last."""
    waiting, seen = [node], set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, yaml.CollectionNode) or id(one) in seen:
            continue
        seen.add(id(one))
        lines: dict[tuple[str, str], int] = {}
        for entry in one.value:
            key, value = entry if isinstance(one, yaml.MappingNode) else (None, entry)
            waiting.append(value)
            if isinstance(key, yaml.ScalarNode):
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in lines:
                    return f"{key.value} occurs twice, in lines {lines[name]} and {line}"
                lines[name] = line
    return None
