// The unary methods of the server's services, by name.
//
// Threads: constant data.
#pragma once

#include <google/protobuf/empty.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include "kvstore/kvstore.pb.h"
#include "kvstore/v1/admin_service.pb.h"
#include "kvstore/v1/key_value.pb.h"
#include "kvstore/v1/key_value_service.pb.h"

namespace kv {

enum class Effect { kRead, kWrite };

template <class RequestMessage, class ResponseMessage>
struct UnaryMethod {
  using Request = RequestMessage;
  using Response = ResponseMessage;

  const char* path;
  Effect effect;
};

// One that answers with a stream.
template <class RequestMessage, class ResponseMessage>
struct StreamMethod {
  const char* path;
};

namespace methods {

// The old service. A missing key has an empty value there; see Connection for what tells the two apart.
inline constexpr UnaryMethod<kvstore::SetRequest, google::protobuf::Empty> kOldSet{"/kvstore.KeyValueStore/Set",
                                                                                   Effect::kWrite};
inline constexpr UnaryMethod<kvstore::GetRequest, kvstore::GetResponse> kOldGet{"/kvstore.KeyValueStore/Get",
                                                                                Effect::kRead};
inline constexpr UnaryMethod<kvstore::DelRequest, kvstore::DelResponse> kOldDel{"/kvstore.KeyValueStore/Del",
                                                                                Effect::kWrite};
inline constexpr UnaryMethod<kvstore::KeysRequest, kvstore::KeysResponse> kOldKeys{"/kvstore.KeyValueStore/Keys",
                                                                                   Effect::kRead};
inline constexpr UnaryMethod<kvstore::ConfigRequest, kvstore::ConfigResponse> kOldConfig{
    "/kvstore.KeyValueStore/Config", Effect::kWrite};

inline constexpr UnaryMethod<kvstore::v1::GetRequest, kvstore::v1::GetResponse> kGet{"/kvstore.v1.KeyValueService/Get",
                                                                                     Effect::kRead};
inline constexpr UnaryMethod<kvstore::v1::SetRequest, kvstore::v1::SetResponse> kSet{"/kvstore.v1.KeyValueService/Set",
                                                                                     Effect::kWrite};
inline constexpr UnaryMethod<kvstore::v1::DeleteRequest, kvstore::v1::DeleteResponse> kDelete{
    "/kvstore.v1.KeyValueService/Delete", Effect::kWrite};
inline constexpr UnaryMethod<kvstore::v1::IncrementRequest, kvstore::v1::IncrementResponse> kIncrement{
    "/kvstore.v1.KeyValueService/Increment", Effect::kWrite};
inline constexpr UnaryMethod<kvstore::v1::AppendRequest, kvstore::v1::AppendResponse> kAppend{
    "/kvstore.v1.KeyValueService/Append", Effect::kWrite};
inline constexpr UnaryMethod<kvstore::v1::SetExpiryRequest, kvstore::v1::SetExpiryResponse> kSetExpiry{
    "/kvstore.v1.KeyValueService/SetExpiry", Effect::kWrite};

inline constexpr UnaryMethod<kvstore::v1::TransactRequest, kvstore::v1::TransactResponse> kTransact{
    "/kvstore.v1.KeyValueService/Transact", Effect::kWrite};
inline constexpr UnaryMethod<kvstore::v1::DeleteRangeRequest, kvstore::v1::DeleteRangeResponse> kDeleteRange{
    "/kvstore.v1.KeyValueService/DeleteRange", Effect::kWrite};
inline constexpr StreamMethod<kvstore::v1::MultiGetRequest, kvstore::v1::MultiGetResponse> kMultiGet{
    "/kvstore.v1.KeyValueService/MultiGet"};
inline constexpr StreamMethod<kvstore::v1::ScanRequest, kvstore::v1::ScanResponse> kScan{
    "/kvstore.v1.KeyValueService/Scan"};

inline constexpr UnaryMethod<kvstore::v1::GetStatusRequest, kvstore::v1::GetStatusResponse> kGetStatus{
    "/kvstore.v1.AdminService/GetStatus", Effect::kRead};
inline constexpr UnaryMethod<kvstore::v1::GetConfigRequest, kvstore::v1::GetConfigResponse> kGetConfig{
    "/kvstore.v1.AdminService/GetConfig", Effect::kRead};
inline constexpr UnaryMethod<kvstore::v1::UpdateConfigRequest, kvstore::v1::UpdateConfigResponse> kUpdateConfig{
    "/kvstore.v1.AdminService/UpdateConfig", Effect::kWrite};
inline constexpr UnaryMethod<kvstore::v1::GetStatsRequest, kvstore::v1::GetStatsResponse> kGetStats{
    "/kvstore.v1.AdminService/GetStats", Effect::kRead};
inline constexpr UnaryMethod<kvstore::v1::ListSlowRequestsRequest, kvstore::v1::ListSlowRequestsResponse>
    kListSlowRequests{"/kvstore.v1.AdminService/ListSlowRequests", Effect::kRead};
inline constexpr UnaryMethod<kvstore::v1::ListBigKeysRequest, kvstore::v1::ListBigKeysResponse> kListBigKeys{
    "/kvstore.v1.AdminService/ListBigKeys", Effect::kRead};
inline constexpr UnaryMethod<kvstore::v1::WaitDurableRequest, kvstore::v1::WaitDurableResponse> kWaitDurable{
    "/kvstore.v1.AdminService/WaitDurable", Effect::kRead};
inline constexpr UnaryMethod<kvstore::v1::CreateSnapshotRequest, kvstore::v1::CreateSnapshotResponse> kCreateSnapshot{
    "/kvstore.v1.AdminService/CreateSnapshot", Effect::kWrite};
inline constexpr UnaryMethod<kvstore::v1::ListSnapshotsRequest, kvstore::v1::ListSnapshotsResponse> kListSnapshots{
    "/kvstore.v1.AdminService/ListSnapshots", Effect::kRead};
inline constexpr UnaryMethod<kvstore::v1::RewriteLogRequest, kvstore::v1::RewriteLogResponse> kRewriteLog{
    "/kvstore.v1.AdminService/RewriteLog", Effect::kWrite};

// HealthCheckRequest{string service = 1} and HealthCheckResponse{enum status = 1} have the bytes of these wrappers.
inline constexpr UnaryMethod<google::protobuf::StringValue, google::protobuf::Int32Value> kHealthCheck{
    "/grpc.health.v1.Health/Check", Effect::kRead};

}  // namespace methods
}  // namespace kv
