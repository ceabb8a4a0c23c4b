#!/usr/bin/env bash
# python_client.sh SERVER WORK_DIRECTORY: stubs from the original's schema by Debian's protoc and grpc plugin, then the
# old client's calls through Debian's python3-grpcio.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server=$1
work=$2
stubs=$work/python
mkdir -p "$stubs"
protoc -I "$here" --python_out="$stubs" --grpc_out="$stubs" --plugin=protoc-gen-grpc="$(command -v grpc_python_plugin)" original.proto
# Debian's own python: another one in front of it would not have Debian's grpcio.
export PATH=/usr/bin:$PATH
export STUBS=$stubs PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/with_server.py" "$server" "$work" python3 "$here/old_client.py"
