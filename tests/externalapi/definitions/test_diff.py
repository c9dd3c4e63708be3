from django.template.loader import render_to_string

from externalapi.definitions.diff import diff_lines, diff_words


def marked(pieces):
    """[same] as it is, changed in brackets."""
    if pieces is None:
        return None
    return "".join(f"[{p.text}]" if p.is_changed else p.text for p in pieces)


def shown(before, after, context=3):
    return [
        (row.kind, marked(row.before), marked(row.after))
        for row in diff_lines(before, after, context)
    ]


def test_equal_texts_have_no_rows():
    assert diff_lines("a\nb", "a\nb") == []


def test_a_changed_word_is_marked_within_its_line():
    assert shown('{\n  "age": 36\n}', '{\n  "age": 37\n}') == [
        ("same", "{", "{"),
        ("changed", '  "age": [36]', '  "age": [37]'),
        ("same", "}", "}"),
    ]


def test_lines_that_have_nothing_in_common_are_marked_as_a_whole():
    assert shown("first_name", "a completely different line") == [
        ("changed", "[first_name]", "[a completely different line]"),
    ]


def test_a_new_line_has_no_other_side_and_numbers_go_on():
    rows = diff_lines("a\nc", "a\nb\nc")
    assert [(r.kind, r.before_number, r.after_number) for r in rows] == [
        ("same", 1, 1),
        ("added", None, 2),
        ("same", 2, 3),
    ]


def test_only_what_is_near_a_difference_is_kept():
    before = [f"line {n}" for n in range(50)]
    after = [*before[:25], "new", *before[25:]]
    rows = shown("\n".join(before), "\n".join(after), context=1)
    assert [kind for kind, *_ in rows] == [
        *("skipped", "same", "added", "same", "skipped"),
    ]
    found = diff_lines("\n".join(before), "\n".join(after), 1)
    assert [row.skipped for row in found] == [24, 0, 0, 0, 24]
    assert len(shown("\n".join(before), "\n".join(after), None)) == 51


def test_very_long_lines_are_not_compared_word_by_word():
    before, after = diff_words("x " * 2_000 + "a", "x " * 2_000 + "b")
    assert [len(before), len(after)] == [1, 1]
    assert before[0].is_changed


def test_the_table_marks_by_sign_as_well_as_by_colour_and_escapes():
    html = render_to_string(
        "externalapi/diff.html",
        {"rows": diff_lines("say <b>one</b>", "say <b>two</b>"), "before": "A"},
    )
    assert "−" in html
    assert "+" in html
    assert "<del>one</del>" in html
    assert "<ins>two</ins>" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_no_difference_is_said():
    assert "No difference." in render_to_string("externalapi/diff.html", {"rows": []})
