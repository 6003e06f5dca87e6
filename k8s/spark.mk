SPARK_JARS := build/spark-jars

.PHONY: spark-jars
spark-jars: $(SPARK_JARS) ## Fetch the jars with which Spark reads and writes s3:// on this machine (needs Java)

$(SPARK_JARS): $(VENV)/.spark k8s/spark/ivy.xml k8s/spark/jars.sha256
	@echo "Fetching the jars with which Spark reads and writes s3:// (once; 10 MB)" >&2
	@k8s/spark/jars.sh $(VENV) $(abspath $@)
