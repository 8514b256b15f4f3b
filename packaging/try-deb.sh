#!/bin/sh
# Tries the Debian package as an operator does, on a fresh Debian that holds apache2 and nothing of this project: installs
# it, serves a Django project by the lines of Django's own documentation, removes and purges it.
#
#   packaging/try-deb.sh bookworm|trixie [package.deb]
#
# Without a package it is built first, for that Debian's own python3. A package with a Python of its own (see setup/deb.sh)
# can be given for trixie, whose Django runs with it. Needs root and mmdebstrap; lintian is asked where it is installed.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
suite=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
say() { echo "try-deb: $*" >&2; }

if [ -n "${2:-}" ]; then
  package=$(realpath "$2")
else
  say "building the package in a system of $suite"
  "$here/build.sh" "$suite" deb "$work/package"
  package=$(echo "$work"/package/*.deb)
fi
if command -v lintian >/dev/null 2>&1; then
  lintian --fail-on error "$package"
fi

root="$work/root"
"$here/root.sh" "$suite" "$root" apache2,python3-django,curl
"$here/in-root.sh" "$root" apt-get -qq update
cp "$package" "$root/tmp/package.deb"
cat >"$root/tmp/site.conf" <<'CONF'
Listen 127.0.0.1:8085
ServerName localhost
WSGIScriptAlias / /srv/mysite/mysite/wsgi.py
WSGIPythonPath /srv/mysite:/usr/lib/python3/dist-packages
<Directory /srv/mysite/mysite>
<Files wsgi.py>
Require all granted
</Files>
</Directory>
CONF
cat >"$root/tmp/try.sh" <<'TRY'
set -eu
apt-get -qq install -y --no-install-recommends /tmp/package.deb >/dev/null 2>&1
cd /srv
django-admin startproject mysite
sed -i "s/ALLOWED_HOSTS = .*/ALLOWED_HOSTS = ['127.0.0.1']/" mysite/mysite/settings.py
cp /tmp/site.conf /etc/apache2/sites-available/django.conf
sed -i 's/^Listen 80/#Listen 80/' /etc/apache2/ports.conf
a2ensite -q django
a2dissite -q 000-default
apachectl configtest
apachectl start
wsgictl --version >/dev/null
page=$(curl -s --retry 60 --retry-connrefused --retry-delay 1 http://127.0.0.1:8085/)
date +%s.%N >/tmp/served
apachectl stop
while [ -e /run/apache2/apache2.pid ]; do sleep 0.1; done
case $page in *"The install worked successfully"*) ;; *) echo "no Django: $page"; cat /var/log/apache2/error.log; exit 1 ;; esac
a2dissite -q django
apt-get -qq remove -y libapache2-mod-wsgi-rs >/dev/null 2>&1
[ ! -e /etc/apache2/mods-enabled/wsgi.load ] || { echo "removing left the module enabled"; exit 1; }
apachectl configtest
apt-get -qq purge -y libapache2-mod-wsgi-rs >/dev/null 2>&1
[ ! -e /etc/apache2/mods-available/wsgi.load ] || { echo "purging left its configuration"; exit 1; }
TRY
began=$(date +%s.%N)
"$here/in-root.sh" "$root" sh /tmp/try.sh
seconds=$(echo "$(cat "$root/tmp/served") - $began" | awk '{ printf "%.1f", $1 - $3 }')
say "on $suite: Django answered $seconds s after the first command; then removed and purged"
