#!/bin/sh
# Installs Java, and what gives a name to a UID that /etc/passwd does not know: the entrypoint writes it to /tmp/passwd.
set -eu
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates default-jre-headless \
  libnss-extrausers >/dev/null
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
# Java keeps certificates of its own; it trusts those too that the base has in its bundle besides Debian's.
mkdir /tmp/bundle
awk '/BEGIN CERTIFICATE/ { n++ } { print > "/tmp/bundle/base-" n ".pem" }' /etc/ssl/certs/ca-certificates.crt
printf '+%s\n' /tmp/bundle/*.pem | java -jar /usr/share/ca-certificates-java/ca-certificates-java.jar -storepass changeit >/dev/null
rm -rf /tmp/bundle /tmp/hsperfdata_*
echo 'loan:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd
sed -i 's/^passwd: *files/& extrausers/' /etc/nsswitch.conf
ln -sf /tmp/passwd /var/lib/extrausers/passwd
