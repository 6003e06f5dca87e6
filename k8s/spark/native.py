"""Unpacks the native code of compression from PySpark's jars into a folder where Java looks for such.

    python3 k8s/spark/native.py JARS FOLDER

Else each start unpacks it into /tmp, and a hardened machine runs nothing from there. Snappy looks in its jar alone,
unless a file of properties on the classpath says otherwise.
"""

import platform
import sys
from pathlib import Path
from zipfile import ZipFile

ALIAS = {"x86_64": "amd64"}.get(platform.machine(), platform.machine())
FOLDERS = {
    "snappy-java-*.jar": f"org/xerial/snappy/native/Linux/{platform.machine()}/",
    "zstd-jni-*.jar": f"linux/{ALIAS}/",
    "lz4-java-*.jar": f"net/jpountz/util/linux/{ALIAS}/",
}

jars, folder = map(Path, sys.argv[1:])
folder.mkdir(parents=True)
for pattern, inside in FOLDERS.items():
    (file,) = jars.glob(pattern)
    with ZipFile(file) as jar:
        (name,) = (name for name in jar.namelist() if name.startswith(inside) and name.endswith(".so"))
        (folder / Path(name).name).write_bytes(jar.read(name))
with ZipFile(jars / "snappy-settings.jar", "w") as jar:
    jar.writestr("org-xerial-snappy.properties", "org.xerial.snappy.use.systemlib=true\n")
