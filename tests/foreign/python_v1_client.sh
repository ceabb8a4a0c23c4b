#!/usr/bin/env bash
# python_v1_client.sh SERVER WORK_DIRECTORY: stubs of kvstore.v1 by Debian's protoc and grpc plugin, then what its page says,
# through Debian's python3-grpcio.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server=$1
work=$2
stubs=$work/python_v1
mkdir -p "$stubs"
protos=$here/../../protos
(cd "$protos" && protoc -I . --python_out="$stubs" --grpc_out="$stubs" \
  --plugin=protoc-gen-grpc="$(command -v grpc_python_plugin)" kvstore/v1/*.proto)
# Debian's own python: another one in front of it would not have Debian's grpcio.
export PATH=/usr/bin:$PATH
export STUBS=$stubs PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/with_server.py" "$server" "$work" python3 "$here/new_client.py"
