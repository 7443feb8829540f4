from checks.page import PAGE, render


def test_the_page_is_what_the_suites_and_schemas_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m checks.page`"


def test_the_page_names_every_column_and_expectation() -> None:
    page = render()
    assert "| `coordinates_complete` | a labelled box has four finite coordinates, and all its" in page
    assert "| `broken` |" in page
    assert "the 0 rows" not in page
    assert "|  |" not in page
