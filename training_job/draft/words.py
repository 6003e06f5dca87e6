"""What the name of a column suggests, in English, German, French and Spanish. Each guess is reported."""

import re
import unicodedata

_AGE = ("age", "alter", "edad", "agegroup", "ageband", "lebensalter")
_PROTECTED = (
    *_AGE,
    *("sex", "sexe", "sexo", "gender", "geschlecht", "genre", "genero", "female", "male"),
    *("marital", "married", "marriage", "familienstand", "verheiratet", "civil", "matrimonial", "spouse"),
    *("race", "racial", "rasse", "raza", "ethnic*", "ethni*", "etnia", "etnic*", "hautfarbe", "skin"),
    *("relig*", "konfession", "confession", "glaube", "church", "kirche*"),
    *("national*", "nacional*", "staatsangeh*", "citizen*", "foreign*", "auslaend*", "ausland*", "etrang*"),
    *("extranj*", "immigra*", "migra*", "herkunft", "origin"),
    *("disab*", "behinder*", "schwerbehind*", "handicap*", "discapac*", "invalid*"),
    *("birth*", "geburt*", "naissance", "nacimiento", "dob", "born"),
    *("pregnan*", "schwanger*", "enceinte", "grossesse", "embaraz*"),
)
_BIRTH = ("birth*", "geburt*", "naissance", "nacimiento", "dob", "born")
_ID_AT_THE_END = ("id", "ids", "uid", "no", "nr", "num", "number", "nummer", "numero", "key", "uuid", "guid", "ref")
_ID = ("id", "uuid", "guid", "iban", "ssn", "reference", "referenz", "identifier", "kundennummer", "antragsnummer")
_ROW = ("index", "row", "rownumber", "zeile", "unnamed")
_PAST = ("past", "prior", "previous", "prev", "ever", "had", "has", "history", "last", "num", "number", "vorher*")
_TARGET = (
    ("target", "label", "y", "class", "outcome", "response", "ziel", "zielvariable", "cible", "objetivo"),
    ("approv*", "accept*", "creditab*", "granted", "bewillig*", "kredit", "genehmig*", "accord*", "aprobad*"),
    ("default*", "bad", "good", "status", "paid", "repaid", "repay*", "risk", "delinq*", "fraud", "result", "decision"),
    ("ausfall*", "impaye*", "moros*", "chargeoff", "arrears", "bankrupt*", "churn", "loss", "serious*", "dlq*"),
)
_BAD_NAME = (
    *("default*", "bad", "delinq*", "dlq*", "fraud", "chargeoff", "charged", "arrears", "bankrupt*", "churn", "loss"),
    *("risk", "late", "serious*", "reject*", "refus*", "declin*", "denied", "ausfall*", "impaye*", "moros*"),
)

_GOOD_VALUE = (
    *("good", "paid", "repaid", "approved", "approve", "approval", "accepted", "accept"),
    *("granted", "ok", "pass", "performing", "current", "gut", "bon", "bueno"),
    *("fully-paid", "paid-off", "bewilligt", "genehmigt", "accorde", "aprobado", "non-default", "no-default"),
    *("nondefault",),
)
_BAD_VALUE = (
    *("bad", "default", "defaulted", "rejected", "reject", "refused", "denied", "declined"),
    *("charged-off", "chargedoff", "late", "fail", "failed", "delinquent", "fraud", "schlecht"),
    *("abgelehnt", "mauvais", "refuse", "rechazado", "malo", "unpaid", "not-paid", "not-approved"),
)
_YES = ("1", "y", "yes", "true", "t", "j", "ja", "wahr", "oui", "o", "vrai", "si", "s")
_NO = ("0", "n", "no", "false", "f", "nein", "falsch", "non", "faux", "-1", "2")


def tokens(name: str) -> tuple[str, ...]:
    """The words of a name in lower case without accents: `annualIncome_EUR` is annual, income, eur."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return tuple(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", plain))


def protected(name: str) -> bool:
    """Whether the name suggests a characteristic that the law protects."""
    return _any(name, _PROTECTED)


def age(name: str) -> bool:
    """Whether a word of the name means an age: `Alter` and `age_group`, but not `average`."""
    return _any(name, _AGE)


def birth(name: str) -> bool:
    """Whether a word of the name means a birth: `DateOfBirth`, `dob` or `Geburtsdatum`."""
    return _any(name, _BIRTH)


def identifier(name: str) -> bool:
    """Whether the name suggests an id: `Loan_ID`, `account number`, but not `Number_of_Accounts`."""
    words = tokens(name)
    return bool(words) and (words[-1] in _ID_AT_THE_END or any(word in _ID for word in words))


def row_number(name: str) -> bool:
    """Whether the name is empty or its first word means a row's number, as in `Unnamed: 0`."""
    return not name.strip() or any(word in _ROW for word in tokens(name)[:1])


def target_rank(name: str) -> int | None:
    """How much the name suggests the target: 0 most, None not at all."""
    if _any(name, _PAST):
        return None
    return next((rank for rank, words in enumerate(_TARGET) if _any(name, words)), None)


def means_bad(name: str) -> bool:
    """Whether `yes` to the name means a loan that went wrong."""
    return _any(name, _BAD_NAME)


def approval(name: str, values: tuple[str, str]) -> str | None:
    """Which of two values of a target means approval, as far as the values and the name tell."""
    for good, bad in (values, values[::-1]):
        if _plain(good) in _GOOD_VALUE or _plain(bad) in _BAD_VALUE:
            return good
    for yes, no in (values, values[::-1]):
        if _plain(yes) in _YES and _plain(no) in _NO:
            return no if means_bad(name) else yes
    return None


def strong(values: tuple[str, str]) -> bool:
    """Whether the values say by themselves which is approval."""
    return any(_plain(value) in _GOOD_VALUE or _plain(value) in _BAD_VALUE for value in values)


def _plain(value: str) -> str:
    """`Fully Paid` as fully-paid, `1.0` as 1."""
    return "-".join(re.findall(r"[a-z]+|-?\d+", re.sub(r"\.0+$", "", value.lower())))


def _any(name: str, words: tuple[str, ...]) -> bool:
    return any(
        token.startswith(word[:-1]) if word.endswith("*") else token == word for token in tokens(name) for word in words
    )
