#!/usr/bin/env bash
# python_rows.sh SERVER WORK_DIRECTORY INNER_SERVER FAULTS_LIBRARY: stubs of both services by Debian's protoc and grpc
# plugin, then every row of tests/rows through Debian's python3-grpcio.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server=$1 work=$2 inner=$3 faults=$4
stubs=$work/python_rows
mkdir -p "$stubs"
(cd "$here/../../protos" && protoc -I . --python_out="$stubs" --grpc_out="$stubs" \
  --plugin=protoc-gen-grpc="$(command -v grpc_python_plugin)" kvstore/kvstore.proto kvstore/v1/*.proto)
# Debian's own python: another one in front of it would not have Debian's grpcio.
export PATH=/usr/bin:$PATH
export STUBS=$stubs PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/v1_rows.py" "$server" "$inner" "$faults" "$work"
