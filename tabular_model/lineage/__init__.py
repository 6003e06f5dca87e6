"""The lineage of a version: what it was made of and how, who approved it, and which releases served it when.

`facts` gathers it and says what is not known and why, `served` reads the record of rollouts; `view` shows it to people,
`openlineage` and `tracking` tell it to other systems.
"""
