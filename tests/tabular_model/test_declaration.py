import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import tabular_model.declaration
from loan_model import DECLARATION
from tabular_model.declaration import Declaration, DeclarationError, json_schema
from tabular_model.schema import Column, Reason, Schema, Target

FOR_EDITORS = Path(tabular_model.declaration.__file__).with_name("declaration.schema.json")

GOOD = """\
model: credit
target: {name: paid, approved: Y, rejected: N}
columns:
- name: Income
  unit: EUR a month
  range: [0, 1e4]
  missing: true
  direction: up
  reasons:
    low: {code: INCOME_LOW, text: the income is low}
- name: Age
  type: integer
  range: [18, 99]
  protected: true
  bands: [25, 62]
- name: Owner
  type: boolean
  direction: up
- name: Housing
  type: category
  levels: [007, 1.50, NO, yes, null, 'a b', 2024-01-01, ~, 0x10, "é"]
  unknown: missing
  missing: true
  protected: true
  groups:
    numbers: [007, 1.50]
ignored: [id, opened]
group: id
time: opened
algorithm: gradient_boosting
parameters: {learning_rate: 0.10, warm: yes}
id: application
law: [eu]
"""


def refused(text: str) -> str:
    with pytest.raises(DeclarationError) as error:
        Declaration.parse(text, "loan.yaml")
    sentence = str(error.value)
    assert "\n" not in sentence
    assert sentence.startswith("loan.yaml")
    assert sentence.endswith((".", "?"))
    return sentence


def test_a_declaration_is_read() -> None:
    found = Declaration.parse(GOOD, "loan.yaml")
    assert found.model == "credit"
    assert found.target == Target(name="paid", approved="Y", rejected="N")
    income, age, owner, _ = found.columns
    assert income == Column(
        name="Income",
        unit="EUR a month",
        range=(0, 10_000),
        missing=True,
        direction="up",
        reasons={"low": Reason(code="INCOME_LOW", text="the income is low")},
    )
    assert age == Column(name="Age", type="integer", range=(18, 99), protected=True, bands=(25, 62))
    assert owner == Column(name="Owner", type="boolean", direction="up")
    assert (found.ignored, found.group, found.time) == (("id", "opened"), "id", "opened")
    assert (found.id, found.law) == ("application", ("eu",))
    assert found.schema == Schema(found.columns)


def test_plain_values_keep_their_spelling() -> None:
    found = Declaration.parse(GOOD, "loan.yaml")
    housing = found.schema["Housing"]
    assert housing.levels == ("007", "1.50", "NO", "yes", "null", "a b", "2024-01-01", "~", "0x10", "é")
    assert housing.groups == {"numbers": ("007", "1.50")}
    assert found.parameters == {"learning_rate": "0.10", "warm": "yes"}


def test_what_is_dumped_reads_back_as_the_same() -> None:
    found = Declaration.parse(GOOD.replace("direction: up\n- name", "proxy: true\n- name"), "loan.yaml")
    assert found.schema["Owner"].proxy
    assert Declaration.parse(found.dump(), "dumped") == found


def test_some_column_must_be_left_to_be_a_reason() -> None:
    proxies = GOOD.replace("  missing: true\n  direction: up", "  missing: true\n  proxy: true")
    said = refused(proxies.replace("  type: boolean\n", "  type: boolean\n  proxy: true\n"))
    assert "every column to train on is a proxy" in said


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12).filter(str.strip)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_ .-]{0,8}[a-z]", fullmatch=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
RANGES = st.tuples(FINITE, FINITE).filter(lambda ends: ends[0] < ends[1])
LEVELS = st.lists(TEXT, min_size=2, max_size=6, unique=True).map(tuple)
REASONS = st.dictionaries(
    st.sampled_from(["low", "high", "missing"]), st.builds(Reason, code=TEXT, text=st.text("aé: #-"))
)


@st.composite
def _columns(draw: st.DrawFn) -> tuple[Column, ...]:
    kinds = (
        st.builds(Column, name=st.just(""), range=RANGES, unit=TEXT, missing=st.booleans(), reasons=REASONS),
        st.builds(Column, name=st.just(""), type=st.just("boolean"), direction=st.sampled_from([None, "up", "down"])),
        st.builds(Column, name=st.just(""), type=st.just("category"), levels=LEVELS, protected=st.booleans()),
    )
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    made = [draw(st.one_of(*kinds)) for _ in names]
    return tuple(msgspec.structs.replace(column, name=f"c {name}") for column, name in zip(made, names, strict=True))


@given(columns=_columns(), two=LEVELS, words=st.dictionaries(TEXT, TEXT, max_size=2))
def test_any_declaration_that_is_dumped_reads_back(
    columns: tuple[Column, ...], two: tuple[str, ...], words: dict[str, str]
) -> None:
    target = Target(name="t", approved=two[0], rejected=two[1])
    made = Declaration(model="m", target=target, columns=columns, parameters=words)
    assert Declaration.parse(made.dump(), "dumped") == made


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("levels:", "levles:", "line 21, column Housing: unknown key 'levles'; did you mean 'levels'?"),
        ("unit:", "zzz:", "line 5, column Income: unknown key 'zzz'; the known keys are name, type, unit"),
        ("text:", "txt:", "line 10, column Income: unknown key 'txt'; did you mean 'text'?"),
        ("    low:", "    lower:", "line 10, column Income: unknown key 'lower'; did you mean 'low'?"),
        ("approved:", "aproved:", "line 2: unknown key 'aproved'; did you mean 'approved'?"),
        ("algorithm:", "algorithmus:", "line 30: unknown key 'algorithmus'; did you mean 'algorithm'?"),
        ("model: credit\n", "", "line 1: key 'model' is missing."),
        ("- name: Owner\n  type", "- type", "line 16: key 'name' is missing."),
        ("{code: INCOME_LOW, ", "{", "line 9, column Income: key 'code' is missing in key 'reasons'."),
        ("[0, 1e4]", "[0, many]", "line 6, column Income: value 2 of 'range' must be a number, not 'many'."),
        ("[0, 1e4]", "[0]", "line 6, column Income: key 'range' must be a list of 2 values, not of 1."),
        ("[0, 1e4]", "10", "line 6, column Income: key 'range' must be a list, not '10'."),
        ("missing: true", "missing: yes", "line 7, column Income: key 'missing' must be true or false, not 'yes'."),
        ("EUR a month", "[EUR]", "line 5, column Income: key 'unit' must be text, not a list."),
        ("EUR a month", "", "line 5, column Income: key 'unit' has no value; write one, or leave it out."),
        (
            ": boolean",
            ": bool",
            "line 17, column Owner: key 'type' must be one of number, integer, boolean, category, ",
        ),
        ("direction: up", "direction: 1", "line 8, column Income: key 'direction' must be one of up, down, not '1'."),
        ("unknown: missing", "unknown: x", "column Housing: key 'unknown' must be one of missing, refused, not 'x'."),
        ("[id, opened]", "{id: 1}", "line 27: key 'ignored' must be a list, not keys with values."),
        ("target: {", "target: [", "line 2: this is not YAML: "),
        ("group: id", "group: id\ngroup: id", "line 29: key 'group' occurs twice, first in line 28."),
        (
            "  type: boolean",
            "  type: boolean\n  type: boolean",
            "line 18, column Owner: key 'type' occurs twice, first",
        ),
        (
            "[25, 62]",
            "&x [25, 62]\n  unit: *x",
            "line 16, column Age: YAML aliases are not supported; write the value itself.",
        ),
        ("group: id", "? [a]\n: id", "line 28: a key must be text."),
        ("[eu]", "[eu, us]", "line 33: value 2 of 'law' must be one of eu, not 'us'."),
        ("[eu]", "eu", "line 33: key 'law' must be a list, not 'eu'."),
    ],
)
def test_what_is_miswritten_is_named_with_its_place(old: str, new: str, sentence: str) -> None:
    assert sentence in refused(edited(old, new))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("model: credit", "model: a/b", "line 1: model 'a/b' is not a valid name; it must be up to 63 letters"),
        ("rejected: N", "rejected: Y", "line 2: approved and rejected are both 'Y'."),
        ("rejected: N", "rejected: ' '", "line 2: key 'rejected' is blank."),
        ("name: Age", "name: Income", "line 11, column Income: a column of this name is declared above."),
        ("name: Age", "name: ''", "line 11: the name of the column is blank."),
        ("name: Age", 'name: "Age\\t"', "the name of the column contains a control character."),
        ("name: Age", "name: decision", "line 11, column decision: 'decision' is the name of an output; rename"),
        ("  range: [0, 1e4]\n", "", "line 4, column Income: a number needs its range, such as range: [0, 100]."),
        ("  range: [18, 99]\n", "", "line 11, column Age: an integer needs its range"),
        ("[0, 1e4]", "[0, 0]", "line 6, column Income: the range must start below its end, but 0 is not below 0."),
        ("[0, 1e4]", "[0, .inf]", "value 2 of 'range' must be a number, not '.inf'."),
        ("[0, 1e4]", "[0, inf]", "line 6, column Income: both ends of the range must be finite."),
        ("[0, 1e4]", "[nan, 1]", "line 6, column Income: both ends of the range must be finite."),
        ("[18, 99]", "[18, 99.5]", "line 13, column Age: both ends of the range of an integer must be integers."),
        ("type: boolean", "type: boolean\n  range: [0, 1]", "line 18, column Owner: a boolean has no range."),
        (
            "type: boolean",
            "type: boolean\n  levels: [a, b]",
            "column Owner: a boolean has no levels; only a category has",
        ),
        ("type: boolean", "type: boolean\n  unknown: missing", "column Owner: a boolean has no unknown levels"),
        ("  unknown: m", "  range: [0, 1]\n  unknown: m", "column Housing: a category has no range."),
        ("'a b'", "NO", "line 21, column Housing: level 'NO' occurs twice."),
        ("'a b'", "' '", "line 21, column Housing: level 6 is blank."),
        ("[007, 1.50, NO, yes, null, 'a b', 2024-01-01, ~, 0x10, \"é\"]", "[a]", "2 to 255 levels, but it has 1."),
        ("'a b'", ", ".join(f"l{i}" for i in range(300)), "a category needs 2 to 255 levels, but it has 309."),
        ("  unknown: m", "  direction: up\n  unknown: m", "column Housing: a category has no direction"),
        ("  missing: true\n  protected", "  protected", "an unknown level can become missing only with missing: true."),
        ("[25, 62]", "[62, 25]", "line 15, column Age: bands must be in ascending order."),
        ("[25, 62]", "[25, 25]", "line 15, column Age: bands must be in ascending order."),
        ("[25, 62]", "[25, inf]", "line 15, column Age: bands must be finite numbers."),
        (
            "  protected: true\n  bands",
            "  protected: true\n  proxy_limit: 75\n  bands",
            "line 15, column Age: the proxy_limit is an AUC between 0.5 and 1, but 75 is not.",
        ),
        (
            "  protected: true\n  bands: [25, 62]",
            "  proxy_limit: 0.75",
            "line 14, column Age: a proxy_limit is only for a column that is protected.",
        ),
        (
            "  protected: true\n  bands",
            "  protected: true\n  proxy: true\n  bands",
            "column Age: a protected column is never a reason and needs no proxy: true; remove one of the two keys.",
        ),
        (
            "  protected: true\n  bands",
            "  bands",
            "column Age: bands are only for a number or integer that is protected",
        ),
        ("  protected: true\n  groups", "  groups", "column Housing: groups are only for a category that is protected"),
        (
            "numbers: [007",
            "numbers: [7",
            "column Housing: group 'numbers' names '7', which is not a level of the column.",
        ),
        ("    numbers", "    more: [007]\n    numbers", "level '007' is in the groups 'more' and 'numbers'."),
        ("[007, 1.50]\nign", "[]\nign", "column Housing: group 'numbers' needs a name and levels."),
        ("code: INCOME_LOW", "code: ''", "line 10, column Income: the code of reason 'low' is blank."),
        ("name: paid", "name: Age", "line 2: the target cannot also be an input of the model, but 'Age' is among"),
        ("group: id", "group: Age", "line 28: the group cannot also be an input of the model"),
        ("id: application", "id: Age", "line 32: the id cannot also be an input of the model"),
        ("id: application", "id: decision", "line 32: 'decision' is the name of an output; name another column."),
        ("time: opened", "time: Age", "line 29: the time cannot also be an input of the model"),
        ("[id, opened]", "[id, Age]", "line 27: an ignored column cannot also be an input of the model"),
        ("[id, opened]", "[id, paid]", "line 27: an ignored column cannot also be the target, but 'paid' is."),
        ("[id, opened]", "[id, '']", "line 27: value 2 of 'ignored' is blank."),
        ("algorithm:", "pipeline: mine\nalgorithm:", "pipeline 'mine' is not of the form package.module:function."),
    ],
)
def test_a_broken_rule_is_named_with_its_place(old: str, new: str, sentence: str) -> None:
    assert sentence in refused(edited(old, new))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "loan.yaml: it is empty."),
        ("# nothing\n", "loan.yaml: it is empty."),
        ("- a\n", "loan.yaml, line 1: the declaration must be keys with their values, not a list."),
        ("word", "loan.yaml, line 1: the declaration must be keys with their values, not 'word'."),
        ("a: \x01", "loan.yaml: this is not YAML: it contains a character that cannot be printed."),
        ("a: " + "[" * 5000, "loan.yaml: it is nested too deeply."),
        ("model: m\n---\nmodel: m\n", "loan.yaml, line 2: this is not YAML: but found another document."),
        ("model: m\ntarget: {name: t}\ncolumns: []\n", "loan.yaml, line 3: there are no columns."),
    ],
)
def test_a_text_that_is_no_declaration(text: str, sentence: str) -> None:
    assert refused(text) == sentence


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"no\.yaml cannot be read: No such file or directory\.$"):
        Declaration.read(tmp_path / "no.yaml")


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("model: café".encode("latin-1"))
    with pytest.raises(DeclarationError, match=r"latin\.yaml is not a declaration: it is not text in UTF-8\.$"):
        Declaration.read(path)


def test_a_byte_order_mark_is_no_part_of_a_declaration(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(GOOD.replace("\n", "\r\n").encode("utf-8-sig"))
    assert Declaration.read(path) == Declaration.parse(GOOD, "x")


def test_the_schema_for_editors_is_that_of_the_types() -> None:
    assert json.loads(FOR_EDITORS.read_text()) == json_schema()


def test_the_schema_for_editors_describes_every_key_that_is_documented() -> None:
    described: dict[str, Any] = json_schema()["$defs"]
    assert all("description" in key for key in described["Declaration"]["properties"].values())
    assert described["Column"]["properties"]["levels"]["description"].startswith("The values of a category")


@pytest.mark.parametrize("text", [GOOD, DECLARATION.read_text()], ids=["made up", "shipped"])
def test_a_declaration_is_valid_by_the_schema_for_editors(text: str) -> None:
    text = text.replace("null,", "'null',").replace("~,", "'~',").replace("2024-01-01", "'2024-01-01'")
    text = text.replace("1e4", "10000")
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


def test_the_schema_for_editors_refuses_an_unknown_key() -> None:
    wrong = yaml.safe_load(DECLARATION.read_text()) | {"colums": []}
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(wrong)


def test_the_declaration_in_the_docs_is_one():
    page = (Path(__file__).parents[2] / "docs/model.md").read_text()
    (text,) = re.findall(r"(?ms)^```yaml\n(.*?)^```", page)
    declared = Declaration.parse(text, "docs/model.md")
    assert [column.name for column in declared.columns] == ["income", "occupation", "age", "postcode_index"]
    assert (declared.group, declared.time, declared.parameters) == ("applicant", "decided_on", {"max_iter": "200"})
