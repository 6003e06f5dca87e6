#!/bin/sh
# Puts the jars of ivy.xml into a folder, by the Ivy that PySpark brings; fails where they are not those of jars.sha256.
#
#     k8s/spark/jars.sh ENVIRONMENT FOLDER    # the Python environment that has PySpark
#
# IVY_SETTINGS names a file or a URL of Ivy settings, for a mirror. After a change of ivy.xml, write the new list yourself:
# (cd FOLDER.new && LC_ALL=C sha256sum *.jar) > k8s/spark/jars.sha256
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$2
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
rm -rf "$folder" "$folder.new"
java -jar "$1"/lib/python3*/site-packages/pyspark/jars/ivy-*.jar ${IVY_SETTINGS:+-settings "$IVY_SETTINGS"} \
  -warn -ivy "$here/ivy.xml" -cache "$cache" -types jar -retrieve "$folder.new/[artifact]-[revision].[ext]" \
  > "$cache/log" 2>&1 || { cat "$cache/log" >&2; exit 1; }
if ! (cd "$folder.new" && LC_ALL=C sha256sum -- *) | diff "$here/jars.sha256" - >&2; then
  echo "The jars in $folder.new are not those of $here/jars.sha256" >&2
  exit 1
fi
mv "$folder.new" "$folder"
