#!/bin/sh
# Installs into /opt/loan, which holds neither pip nor the packages' own tests: an image carries what runs.
set -eu
/opt/build/bin/pip --python /opt/loan/bin/python install --no-cache-dir "$@"
find /opt/loan -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
