#!/bin/sh
# The steps that make the image (packaging/Containerfile), as root.
#
#   image-steps.sh build RESULT             in a checkout, where cargo is on PATH: a Python and a wheel for it
#   image-steps.sh install STEPS RESULT     in a fresh Debian 13, the image to be: httpd, that Python, the wheel, the user
#
# What RESULT holds already is not made again.
set -eu

# The Python that `make` takes: free-threaded, 3.14 where it can be had.
build() {
  result=$1
  mkdir -p "$result"
  if [ ! -e "$result/python" ]; then
    setup/toolchain.sh
    python=$(setup/python.sh --quiet)
    prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
    tar -c -C / --exclude=__pycache__ --exclude=include --exclude=share --exclude='*.a' "${prefix#/}" >"$result/python.tar"
    PYTHON=$python setup/wheel.sh "$python" "$result"
    /usr/bin/python3 -m pip download -q --no-deps --only-binary :all: -d "$result" pip
    echo "$python" >"$result/python"
  fi
}

install() {
  steps=$1
  result=$2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends apache2-bin ca-certificates curl media-types passwd \
    libssl3t64 libsqlite3-0 libffi8 zlib1g libbz2-1.0 liblzma5 libreadline8t64 libuuid1 >/dev/null
  rm -rf /var/lib/apt/lists/*
  tar -x -C / -f "$result/python.tar"
  python=$(cat "$result/python")
  "$python" -m venv --without-pip /opt/site
  "$python" "$(echo "$result"/pip-*.whl)/pip" --python /opt/site/bin/python install -q --no-index \
    --root-user-action ignore "$result"/pip-*.whl "$result"/mod_wsgi_rs-*.whl
  # httpd's children run as who starts it: there is no root to change from.
  groupadd --gid 10001 app
  useradd --uid 10001 --gid 10001 --home-dir /srv/app --no-create-home --shell /usr/sbin/nologin app
  mkdir -p /srv/app
  for program in serve healthy; do
    cp "$steps/$program" "/usr/local/bin/$program"
    chmod 755 "/usr/local/bin/$program"
  done
}

"$@"
