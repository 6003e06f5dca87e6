#!/bin/sh
# Installs into /opt/loan, which holds neither pip nor what packages have for developers: an image carries what runs.
# Bytecode stays: no container can write it, and without it each start compiles everything.
set -eu
/opt/build/bin/pip --python /opt/loan/bin/python install --no-cache-dir "$@"
find /opt/loan -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find /opt/loan -type f \( -name '*.pyi' -o -name '*.h' -o -name '*.a' \) -delete
# onnxruntime has its library twice, the second time for programs in C, and tools that change models.
for package in /opt/loan/lib/python3*/site-packages/onnxruntime; do
  rm -rf "$package"/capi/libonnxruntime.so* "$package"/datasets "$package"/quantization "$package"/tools "$package"/transformers
done
