#!/bin/sh
# Builds the module and wsgictl for the given Python, copies them to the directories that apxs names (below DESTDIR if that
# is set) and prints the lines for httpd's configuration.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$1

module=$("$here/build.sh" "$python")
directory=$("${APXS:-apxs}" -q LIBEXECDIR)
install -d "${DESTDIR:-}$directory"
# Under another name first: a running httpd has the old file mapped.
install -m 644 "$module" "${DESTDIR:-}$directory/mod_wsgi.so.new"
mv "${DESTDIR:-}$directory/mod_wsgi.so.new" "${DESTDIR:-}$directory/mod_wsgi.so"
programs=$("${APXS:-apxs}" -q SBINDIR)
install -d "${DESTDIR:-}$programs"
install -m 755 "$(dirname "$module")/wsgictl" "${DESTDIR:-}$programs/wsgictl"
echo "LoadModule wsgi_module $directory/mod_wsgi.so"
echo "WSGIPythonHome $("$python" -c 'import sys; print(sys.prefix)')"
