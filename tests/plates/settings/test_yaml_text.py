import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plates.errors import UserError
from plates.settings.yaml_text import DEEPEST, read_yaml

ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is not YAML"),
        ("a: \x00", "is not YAML"),
        ("a: !!python/object/apply:os.system [id]", "is not YAML"),
        ("a: !!python/tuple [1, 2]", "is not YAML"),
        ("day: 2001-99-99", "does not match its tag or format"),
        ("a: !!int x", "does not match its tag or format"),
        ("a: !!bool x", "does not match its tag or format"),
        ("a: !!timestamp x", "does not match its tag or format"),
        ("a: " + "9" * 5000, "does not match its tag or format"),
        ("[" * 2000, f"over {DEEPEST} levels deep"),
        (ALIASES, "over 100,000 values"),
        ("a: &a [*a]", "over 100,000 values"),
        ("a: {b: 1}\nc: 2\na: {b: 3}\n", "a occurs twice, in lines 1 and 3"),
        ("a:\n  b: 1\n  b: 1\n", "b occurs twice, in lines 2 and 3"),
    ],
)
def test_what_is_wrong_with_a_document_is_said_in_words(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_yaml(text, "file")


def test_tuples_are_taken_where_asked_for_and_no_other_tag() -> None:
    assert read_yaml("a: !!python/tuple [1, [2]]", "file", tuples=True) == {"a": (1, [2])}
    with pytest.raises(UserError, match="python/object"):
        read_yaml("a: !!python/object/apply:os.system [id]", "file", tuples=True)


def test_keys_of_two_kinds_and_merged_ones_are_not_twice() -> None:
    assert read_yaml('{1: a, "1": b}', "file") == {1: "a", "1": "b"}
    assert read_yaml("a: &a {x: 1}\nb: {<<: *a, x: 2}", "file")["b"] == {"x": 2}


words = st.text(st.characters(exclude_categories=["C", "Z"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_plain_values_come_back_as_they_were(value: object) -> None:
    assert read_yaml(yaml.safe_dump(value, allow_unicode=True), "file") == value


@given(st.text(alphabet=st.sampled_from("ab!&*:-[]{}#|>%@`'\"? \n\t0123._~"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UserError):
        read_yaml(text, "file", tuples=True)
