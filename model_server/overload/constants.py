"""The numbers of overload control that are not settings, each with its unit and its reason."""

from model_server.errors import Overloaded

# When a queue stands.
FEW = 16  # requests: as many keep a server busy; twice as many are no overload yet
BRIEF = 0.0015  # s: nor are those who are answered in twice this time
LOOK_SECONDS = 0.05  # s between two looks at how many wait; much shorter than any patience that people set
CALM = 1.5 * Overloaded.retry_seconds  # s without a refusal end an overload: all who were refused could ask again

# How refusals are sent.
REFUSALS = 1000  # a second: to refuse takes half as long as to answer one row, so that this costs a twentieth of a core

# What one connection may take.
HEAD_BYTES = 64 * 1024  # of a request's head: more than any client sends, little enough for 10 000 connections
URL_BYTES = 16 * 1024  # of a URL: twice what servers must take (RFC 9110, 4.1)
ID_BYTES = 128  # of a caller's x-request-id, which goes into logs
LENGTH_DIGITS = 20  # of a length that a request announces: more are too many for any limit, and Python reads few more
READ_BYTES = 256 * 1024  # of a request; who sends more reads on in turn with others who do
AT_ONCE = 4  # requests that came together, answered before other connections have their turn
ACCEPTS = 16  # connections in one pass of the loop: uvloop takes one from each socket that listens

# Where work is done.
INLINE_BYTES = 64 * 1024  # of a body that is scored on the event loop: a hop to a thread costs more than a few rows
SCORERS = 8  # threads that score, at most, and no more than cores: they would only make each other late
LOADERS = 8  # threads that wait for the registry and do nothing else
LOADING = 16  # requests that wait for a version at once
NICER = 5  # than the event loop is a thread that scores: Linux has a priority for each thread
# s that a thread may keep the interpreter while others wait. uvloop takes it anew for each connection that has sent
# something: beside reasons for thousands of rows, the 99th percentile is 51 ms by Python's 5 ms, and 9 to 13 by this.
# As many requests a second are answered.
SWITCH_SECONDS = 0.0005

# What gRPC calls may take.
OPEN_CALLS = 1000  # of one connection at once: clients of gRPC keep more waiting by themselves
CONTROL_FRAMES = 10_000  # of one connection at once that are no part of a request, such as PING and WINDOW_UPDATE
CONTROL_FRAMES_A_SECOND = 2_000  # and in the long run: who sends more is sent away
CONTROL_FRAMES_AN_ANSWER = 4  # and for each frame of data that it is sent: to acknowledge it takes two or three
OPEN_STREAMS = 1000  # of callers who watch the health, or read descriptions
STREAMS_SECONDS = 0.5  # s after which these are ended when the server stops, so that it need not wait for them
GOODBYE_SECONDS = 1.0  # s in which a client learns that the server stops, and closes the connection
