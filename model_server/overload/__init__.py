"""Overload control: what is admitted when more is asked than can be answered; docs/overload.md explains it.

`policy` decides, for any protocol. `event_loop` and `connections` apply it to HTTP, `calls` to gRPC, `threads` to work
that takes long. `constants` has every number with its unit and reason.
"""
