#!/bin/sh
# Called as Spark on Kubernetes calls an image: `driver` and `executor` are its own, all else is a command of `loan`.
set -eu

# Hadoop wants a name for whoever runs it, and Java finds none for a UID that /etc/passwd does not know.
getent passwd "$(id -u)" >/dev/null || echo "loan:x:$(id -u):65532::/tmp:/usr/sbin/nologin" > /tmp/passwd

# Java reads no authorities in PEM.
if [ -n "${SSL_CERT_FILE-}" ]; then
  python -m loan_spark.authorities /tmp/authorities.p12
  JAVA_TOOL_OPTIONS="-Djavax.net.ssl.trustStore=/tmp/authorities.p12 -Djavax.net.ssl.trustStorePassword=changeit ${JAVA_TOOL_OPTIONS-}"
  export JAVA_TOOL_OPTIONS
fi

case ${1-} in
  driver)
    shift
    exec "$SPARK_HOME/bin/spark-submit" --deploy-mode client \
      --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
      --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" "$@"
    ;;
  executor)
    set --
    while eval "option=\${SPARK_JAVA_OPT_$#-}" && [ -n "$option" ]; do
      set -- "$@" "$option"
    done
    jars=${SPARK_CONF_DIR:-$SPARK_HOME/conf}:${HADOOP_CONF_DIR:+$HADOOP_CONF_DIR:}${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}
    jars=$jars$SPARK_HOME/jars/*${SPARK_EXTRA_CLASSPATH:+:$SPARK_EXTRA_CLASSPATH}
    exec "$JAVA_HOME/bin/java" "$@" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$jars" \
      org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend --driver-url "$SPARK_DRIVER_URL" \
      --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" --app-id "$SPARK_APPLICATION_ID" \
      --hostname "$SPARK_EXECUTOR_POD_IP" --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
      --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
esac
exec loan "$@"
