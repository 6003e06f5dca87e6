#!/bin/sh
# Removes from PySpark what neither scoring nor training ever loads: half of it.
set -eu
cd "$1"
rm -rf data examples
cd jars
rm -rf connect-repl
# Connect, the shell, YARN, streams and declarative pipelines.
rm -f spark-connect_* spark-pipelines_* spark-repl_* spark-yarn_* scala-compiler-* jline-*
# State of streams, and of a history server.
rm -f rocksdbjni-*
# Hive and its database; hive-storage-api is ORC's.
rm -f spark-hive* hive-beeline-* hive-cli-* hive-common-* hive-exec-* hive-jdbc-* hive-metastore-* hive-serde-* \
  hive-service-rpc-* hive-shims-* derby* datanucleus-* jdo-api-* javax.jdo-* HikariCP-* libthrift-* libfb303-* \
  javolution-* antlr-runtime-* ST4-* opencsv-* super-csv-* commons-dbcp-* commons-pool-* jta-* transaction-api-* jpam-*
# Masters of a standalone cluster elect their leader by these.
rm -f curator-* zookeeper-*
# Native code for other systems, and for QUIC.
rm -f netty-*-osx-* netty-*-windows-* netty-*-riscv64.jar netty-codec-*quic-*
# Arrow's own client and server.
cd ../../pyarrow
rm -f libarrow_flight.so* libarrow_python_flight.so* _flight.*.so
