#!/usr/bin/env bash
# go_client.sh SERVER WORK_DIRECTORY: stubs from the original's schema by Debian's protoc-gen-go, then the old client's
# calls through Debian's grpc for Go. Everything it builds, Go's cache too, lies in WORK_DIRECTORY.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server=$1
work=$2
source=$work/go/src/kvstore
mkdir -p "$source/stubs" "$source/oldclient"
# This plugin is older than the place where newer schemas say that Go finds Empty.
empty=Mgoogle/protobuf/empty.proto=github.com/golang/protobuf/ptypes/empty
protoc -I "$here" --go_out="plugins=grpc,import_path=stubs,$empty:$source/stubs" original.proto
cp "$here/old_client_test.go" "$source/oldclient/"
export GO111MODULE=off GOFLAGS=-p=2 GOPATH=$work/go:/usr/share/gocode GOCACHE=$work/go-cache
go test -c -vet=off -o "$work/go_client" kvstore/oldclient
exec python3 "$here/with_server.py" "$server" "$work" "$work/go_client"
