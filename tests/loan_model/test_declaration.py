from loan_model import DECLARATION
from tabular_model.declaration import Declaration

LOAN = Declaration.read(DECLARATION)


def test_the_record_that_ships() -> None:
    assert LOAN.model == "loan"
    assert (LOAN.target.name, LOAN.target.approved, LOAN.target.rejected) == ("Loan_Approval", "1", "0")
    assert [(column.name, column.type, column.range, column.missing, column.monotone) for column in LOAN.columns] == [
        ("Age", "number", (18, 69), True, 0),
        ("Annual_Income", "number", (30_000, 200_000), True, 1),
        ("Credit_Score", "number", (300, 850), True, 1),
        ("Loan_Amount", "number", (5_000, 50_000), True, -1),
        ("Loan_Duration_Years", "integer", (1, 30), False, -1),
        ("Number_of_Open_Accounts", "number", (0, 15), True, -1),
        ("Had_Past_Default", "integer", (0, 1), False, -1),
    ]
    assert LOAN.schema.protected == ("Age",)


def test_its_reasons_keep_their_codes() -> None:
    for column in LOAN.columns:
        name, flag = column.name.upper(), column.name == "Had_Past_Default"
        codes = [column.reason(side).code for side in ("low", "high", "missing")]
        assert codes == [name if flag else f"{name}_LOW", name if flag else f"{name}_HIGH", f"{name}_MISSING"]
        assert all(column.reason(side).text for side in ("low", "high", "missing"))


def test_editors_find_the_schema_from_the_file() -> None:
    first = DECLARATION.read_text().splitlines()[0]
    assert (DECLARATION.parent / first.removeprefix("# yaml-language-server: $schema=")).is_file()
