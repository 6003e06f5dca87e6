"""The domain for any tabular risk model: declared in a file, trained, compiled, evaluated, versioned, explained.

Names no column of any model, and knows nothing of HTTP, KServe or Kubernetes.

`schema`, `declaration`: what a model is.      `estimators`: families of models, from fitting to compiling.
`registry`, `manifest`, `signing`: versions.   `scoring`, `explain`: what serves.
`evaluate`, `gate`, `report`: how good it is.  `data`: files of rows, read and written.
`card`: a version on paper.
"""
