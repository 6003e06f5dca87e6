"""The model card: what a committee or an examiner asks of one version, from the version's own files.

`subject` is what is known of the version, one module for each group of sections says it, `document` is their form, and
`html` and `markdown` write it down. `evidence` puts it in an archive with the files that it rests on.
"""
