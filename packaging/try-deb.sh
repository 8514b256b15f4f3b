#!/bin/sh
# Tries the Debian package as an operator does, on a fresh Debian that holds apache2 and nothing of this project: installs
# it, serves a Django project by the lines of Django's own documentation, removes and purges it.
#
#   packaging/try-deb.sh bookworm package.deb
#
# Needs root and mmdebstrap. Package sources are those of this machine.
set -eu
suite=$1
package=$(realpath "$2")

root=$(mktemp -d)
leave() {
  umount "$root/proc" "$root/dev" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap leave EXIT
trap 'exit 1' HUP INT TERM

apt_sources=$(find /etc/apt/sources.list.d -name '*.sources')
# shellcheck disable=SC2086  # a list of files
mmdebstrap --quiet --variant=apt --include=apache2,python3-django,curl,ca-certificates "$suite" "$root" $apt_sources
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp "$package" "$root/tmp/package.deb"
mount --bind /proc "$root/proc"
mount --bind /dev "$root/dev"

cat >"$root/tmp/site.conf" <<'CONF'
Listen 127.0.0.1:8085
ServerName localhost
WSGIScriptAlias / /srv/mysite/mysite/wsgi.py
WSGIPythonPath /srv/mysite
<Directory /srv/mysite/mysite>
<Files wsgi.py>
Require all granted
</Files>
</Directory>
CONF
cat >"$root/tmp/try.sh" <<'TRY'
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt-get -qq update
apt-get -qq install -y --no-install-recommends /tmp/package.deb >/dev/null
cd /srv
django-admin startproject mysite
sed -i "s/ALLOWED_HOSTS = .*/ALLOWED_HOSTS = ['127.0.0.1']/" mysite/mysite/settings.py
cp /tmp/site.conf /etc/apache2/sites-available/django.conf
sed -i 's/^Listen 80/#Listen 80/' /etc/apache2/ports.conf
a2ensite -q django
a2dissite -q 000-default
apachectl configtest
apachectl start
page=$(curl -s --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:8085/)
apachectl stop
while [ -e /run/apache2/apache2.pid ]; do sleep 0.1; done
case $page in *"The install worked successfully"*) echo "Django answers" ;; *) echo "no Django: $page"; cat /var/log/apache2/error.log; exit 1 ;; esac
a2dissite -q django
apt-get -qq remove -y libapache2-mod-wsgi-rs >/dev/null
[ ! -e /etc/apache2/mods-enabled/wsgi.load ] || { echo "removing left the module enabled"; exit 1; }
apachectl configtest
apt-get -qq purge -y libapache2-mod-wsgi-rs >/dev/null
[ ! -e /etc/apache2/mods-available/wsgi.load ] || { echo "purging left its configuration"; exit 1; }
echo "installed, served, removed and purged"
TRY
chroot "$root" sh /tmp/try.sh
