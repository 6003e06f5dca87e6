"""Our server, sampled from when all is imported to its end; the file named gets the seconds by function."""

import sys
from pathlib import Path

from pyinstrument import Profiler

from model_server.server import LoanModelServer
from model_server.settings import ServerSettings

server = LoanModelServer(ServerSettings())
with Profiler(interval=0.0005) as profiler:
    server.run()
Path(sys.argv[1]).write_text(profiler.output_text(show_all=True, flat=True))
