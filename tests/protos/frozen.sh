#!/usr/bin/env bash
# frozen.sh: the frozen schema still says what it said when it was frozen, name for name and number for number; and the
# text that foreign clients are generated from says the same. Comments and layout may change, descriptors may not.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

describe() { # FOLDER FILE
  protoc -I "$1" --descriptor_set_out=/dev/stdout "$2" |
    protoc --decode=google.protobuf.FileDescriptorSet google/protobuf/descriptor.proto |
    sed "s|name: \"$2\"|name: \"kvstore/kvstore.proto\"|"
}

stored=$root/protos/kvstore/kvstore.frozen.txtpb
if [ "${1:-}" = --print ]; then
  describe "$root/protos" kvstore/kvstore.proto
  exit
fi
diff -u "$stored" <(describe "$root/protos" kvstore/kvstore.proto)
diff -u "$stored" <(describe "$root/tests/foreign" original.proto)
echo "the frozen schema is unchanged"
