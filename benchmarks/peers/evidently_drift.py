"""Evidently's default test of drift for each column of windows, whose files are named on standard input.

Prints for each window the columns that it takes as drifted. The tests are those that its preset of data drift chooses,
without the report around them, which takes most of its time.
"""

import json
import sys

import pandas as pd
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType

FEW = 10  # distinct values, up to which its definition of data takes integers for a category

reference = pd.read_parquet(sys.argv[1])
for line in sys.stdin:
    window = pd.read_parquet(line.strip())
    drifted = []
    for column in window:
        one, other = reference[column].dropna(), window[column].dropna()
        kind = ColumnType.Categorical if one.nunique() <= FEW else ColumnType.Numerical
        if get_stattest(one, other, kind, None)(one, other, kind, None).drifted:
            drifted.append(column)
    print(json.dumps(drifted), flush=True)
