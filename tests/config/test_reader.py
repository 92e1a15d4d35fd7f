"""The reader: what YAML it takes, where it says things stand, what it refuses to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvsha.config import reader
from lvsha.config.document import show_path
from lvsha.config.reader import find_file, parse, read
from lvsha.errors import ConfigError, HostError, UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("80", 80),
        ("-1", -1),
        ("0.5", 0.5),
        ("1.0e-05", 1e-05),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("on", "on"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 19, "9" * 19),
        ("2026-11-22", "2026-11-22"),
        ("2001:db8::21", "2001:db8::21"),
        ("'80'", "80"),
        ('"true"', "true"),
    ],
)
def test_a_scalar_means_what_it_looks_like(text: str, value: object) -> None:
    assert parse(f"key: {text}", "f").data == {"key": value}


def test_ipv6_addresses_need_quotes_only_where_yaml_does() -> None:
    document = parse("a: ::1\nb: [2001:db8::21, fe80::1]\nc: {d: 2001:db8::22}\n", "f")
    assert document.data == {
        "a": "::1",
        "b": ["2001:db8::21", "fe80::1"],
        "c": {"d": "2001:db8::22"},
    }


def test_keys_are_always_text() -> None:
    assert parse("{on: 1, 8: 2, null: 3, true: 4}", "f").data == {
        "on": 1,
        "8": 2,
        "null": 3,
        "true": 4,
    }


def test_an_anchor_is_written_out_where_its_alias_stands() -> None:
    document = parse("a: &x {b: 1}\nc: [*x, *x]\n", "f")
    assert document.data == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}
    assert document.locate(("c", 1))[1][:2] == (2, 9)
    assert document.locate(("c", 1, "b"))[1][:2] == (1, 8)


def test_a_place_is_where_the_key_or_the_list_item_stands() -> None:
    document = parse("a:\n  - b: 1\n    c:\n      d: 2\n", "f")
    assert document.locate(("a",))[1][:2] == (1, 1)
    assert document.locate(("a", 0))[1][:2] == (2, 5)
    assert document.locate(("a", 0, "c"))[1][:2] == (3, 5)
    assert document.locate(("a", 0, "c", "d"))[1][:2] == (4, 7)


def test_a_path_the_file_has_not_leads_to_the_nearest_part_it_has() -> None:
    document = parse("a: [{b: 1}]", "f")
    assert document.locate(("a", 7, "b"))[0] == ("a",)
    assert document.locate(("a", 0, "x", "b"))[0] == ("a", 0, "b")
    assert document.locate(("z",)) == ((), document.root)


def test_a_path_is_shown_as_one_writes_it() -> None:
    assert show_path(("virtual_services", 0, "check", "timeout")) == (
        "virtual_services[0].check.timeout"
    )
    assert show_path(("a", "b c", 1)) == "a.'b c'[1]"
    assert show_path(()) == ""


def test_json_is_yaml() -> None:
    assert parse('{"cluster": "web", "list": [1, 2.5, true]}', "f").data == {
        "cluster": "web",
        "list": [1, 2.5, True],
    }


def test_the_first_of_two_equal_keys_counts_while_the_rest_is_judged() -> None:
    document = parse("a: 1\na: {b: 2}\n", "f")
    assert document.data == {"a": 1}
    assert len(document.mistakes) == 1


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_bytes(b"\xef\xbb\xbfcluster: web\n")
    assert read(file).data == {"cluster": "web"}


def test_a_missing_file_is_the_words_fault(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"web\.yaml: no such file$"):
        read(tmp_path / "web.yaml")


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a directory, not a cluster file$"):
        read(tmp_path)


def test_a_name_no_file_can_have_is_an_error_not_a_traceback() -> None:
    with pytest.raises(HostError, match="null byte"):
        read("a\0b")


def test_a_file_beyond_the_bound_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_BYTES", 1_000_000)
    file = tmp_path / "web.yaml"
    file.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match=r"1:1: the file is larger than 1 MB$"):
        read(file)


def test_the_only_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "web.yaml").touch()
    assert find_file(tmp_path) == tmp_path / "web.yaml"


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_file(tmp_path / "lvsha")
    assert str(caught.value) == f"no cluster file given, and {tmp_path}/lvsha holds no *.yaml"


def test_several_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").touch()
    (tmp_path / "a.yaml").touch()
    with pytest.raises(UsageError) as caught:
        find_file(tmp_path)
    assert str(caught.value) == (
        f"no cluster file given, and {tmp_path} holds several: a.yaml, b.yaml"
    )
