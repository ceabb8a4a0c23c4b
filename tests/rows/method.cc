#include "tests/rows/method.h"

#include <algorithm>
#include <stdexcept>

#include <google/protobuf/empty.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include "client/pipeline.h"

namespace kv::rows {
namespace {

using google::protobuf::Empty;
using google::protobuf::Message;
using kvstore::v1::AdminService;
using kvstore::v1::KeyValueService;
namespace v1 = kvstore::v1;

void set_deadline(grpc::ClientContext& context, std::chrono::seconds patience) {
  context.set_deadline(std::chrono::system_clock::now() + patience);
}

// One attempt: a row says what the first one is told.
CallOptions once(std::chrono::seconds patience) { return {.timeout = patience, .retry = {.attempts = 1}}; }

template <class Request>
std::unique_ptr<Message> make() {
  return std::make_unique<Request>();
}

KeyValueService::Stub& stub_of(Stubs& stubs, KeyValueService::Stub*) { return *stubs.keys; }
AdminService::Stub& stub_of(Stubs& stubs, AdminService::Stub*) { return *stubs.admin; }
kvstore::KeyValueStore::Stub& stub_of(Stubs& stubs, kvstore::KeyValueStore::Stub*) { return *stubs.old; }

template <class Stub, class Request, class Response>
Answer ask(Stubs& stubs, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
           const Message& request, std::chrono::seconds patience) {
  grpc::ClientContext context;
  set_deadline(context, patience);
  auto response = std::make_unique<Response>();
  Stub& stub = stub_of(stubs, static_cast<Stub*>(nullptr));
  const grpc::Status status = (stub.*method)(&context, static_cast<const Request&>(request), response.get());
  return answer_of(status, std::move(response));
}

template <class Request, class Response>
Answer ask(Client& client, const UnaryMethod<Request, Response>& method, const Message& request,
           std::chrono::seconds patience) {
  absl::StatusOr<Response> got = wait(client.call(method, static_cast<const Request&>(request), once(patience)));
  auto response = std::make_unique<Response>();
  if (got.ok()) *response = *std::move(got);
  return answer_of(got.status(), std::move(response));
}

template <const auto& kMethod, auto kStub>
Method unary(std::string name) {
  using Request = typename std::remove_cvref_t<decltype(kMethod)>::Request;
  return {std::move(name), &make<Request>,
          [](Stubs& stubs, const Message& m, std::chrono::seconds patience) { return ask(stubs, kStub, m, patience); },
          [](Client& client, const Message& m, std::chrono::seconds patience) {
            return ask(client, kMethod, m, patience);
          }};
}

void add_chunk(v1::ScanResponse& whole, const v1::ScanResponse& chunk) {
  whole.clear_resume_token();
  whole.MergeFrom(chunk);
}

void add_chunk(v1::MultiGetResponse& whole, const v1::MultiGetResponse& chunk) {
  const std::uint32_t first = whole.results_size() == 0 ? chunk.first_index() : whole.first_index();
  whole.MergeFrom(chunk);
  whole.set_first_index(first);
}

void order(v1::ScanResponse& whole) {
  std::sort(whole.mutable_entries()->begin(), whole.mutable_entries()->end(),
            [](const v1::Entry& a, const v1::Entry& b) { return a.key() < b.key(); });
}
void order(v1::MultiGetResponse&) {}

template <class Request, class Response>
Answer ask_stream(Stubs& stubs,
                  std::unique_ptr<grpc::ClientReader<Response>> (KeyValueService::Stub::*method)(grpc::ClientContext*,
                                                                                                 const Request&),
                  const Message& request, std::chrono::seconds patience) {
  grpc::ClientContext context;
  set_deadline(context, patience);
  const auto reader = ((*stubs.keys).*method)(&context, static_cast<const Request&>(request));
  auto whole = std::make_unique<Response>();
  for (Response chunk; reader->Read(&chunk);) add_chunk(*whole, chunk);
  order(*whole);
  return answer_of(reader->Finish(), std::move(whole));
}

template <class Request, class Response>
Answer ask_stream(Client& client, const StreamMethod<Request, Response>& method, const Message& request,
                  std::chrono::seconds patience) {
  auto stream = client.stream(method, static_cast<const Request&>(request), once(patience));
  auto whole = std::make_unique<Response>();
  for (;;) {
    absl::StatusOr<std::optional<Response>> chunk = wait(stream.next());
    if (!chunk.ok()) return answer_of(chunk.status(), std::move(whole));
    if (!*chunk) break;
    add_chunk(*whole, **chunk);
  }
  order(*whole);
  return answer_of(absl::OkStatus(), std::move(whole));
}

template <class Request, const auto& kMethod, auto kStub>
Method stream(std::string name) {
  return {std::move(name), &make<Request>,
          [](Stubs& stubs, const Message& m, std::chrono::seconds patience) {
            return ask_stream(stubs, kStub, m, patience);
          },
          [](Client& client, const Message& m, std::chrono::seconds patience) {
            return ask_stream(client, kMethod, m, patience);
          }};
}

Answer pipeline_through_stubs(Stubs& stubs, const Message& message, std::chrono::seconds patience) {
  grpc::ClientContext context;
  set_deadline(context, patience);
  const auto stream = stubs.keys->Pipeline(&context);
  stream->Write(static_cast<const v1::PipelineRequest&>(message));
  stream->WritesDone();
  auto response = std::make_unique<v1::PipelineResponse>();
  const bool answered = stream->Read(response.get());
  v1::PipelineResponse more;
  if (answered && stream->Read(&more)) throw std::runtime_error("two answers to one message of a pipeline");
  return answer_of(stream->Finish(), std::move(response));
}

// kv::Pipeline has operations, and makes the messages itself.
Answer pipeline_through_client(Client& client, const Message& message, std::chrono::seconds patience) {
  const auto& request = static_cast<const v1::PipelineRequest&>(message);
  if (request.atomic() || request.has_options()) throw std::runtime_error("kv::Pipeline has no such message");
  PipelineOptions options;
  options.call = once(patience);
  Pipeline pipeline(client, options);
  auto response = std::make_unique<v1::PipelineResponse>();
  for (const v1::Operation& operation : request.operations()) {
    v1::OperationResult& result = *response->add_results();
    pipeline.submit(operation, [&result](Pipeline::Result answer) {
      if (answer.ok()) {
        result = *std::move(answer);
        return;
      }
      const Answer refused = answer_of(answer.status(), nullptr);
      result.mutable_error()->set_code(static_cast<int>(answer.status().code()));
      result.mutable_error()->set_reason(refused.reason);
    });
  }
  pipeline.drain();
  Answer answer = answer_of(absl::OkStatus(), std::move(response));
  answer.partial = true;
  return answer;
}

std::vector<Method> make_methods() {
  using Keys = KeyValueService::Stub;
  using Admin = AdminService::Stub;
  using Old = kvstore::KeyValueStore::Stub;
  return {
      unary<methods::kGet, &Keys::Get>("Get"),
      unary<methods::kSet, &Keys::Set>("Set"),
      unary<methods::kDelete, &Keys::Delete>("Delete"),
      unary<methods::kIncrement, &Keys::Increment>("Increment"),
      unary<methods::kAppend, &Keys::Append>("Append"),
      unary<methods::kSetExpiry, &Keys::SetExpiry>("SetExpiry"),
      unary<methods::kTransact, &Keys::Transact>("Transact"),
      unary<methods::kDeleteRange, &Keys::DeleteRange>("DeleteRange"),
      stream<v1::MultiGetRequest, methods::kMultiGet, &Keys::MultiGet>("MultiGet"),
      stream<v1::ScanRequest, methods::kScan, &Keys::Scan>("Scan"),
      {"Pipeline", &make<v1::PipelineRequest>, &pipeline_through_stubs, &pipeline_through_client},
      unary<methods::kOldSet, &Old::Set>("old.Set"),
      unary<methods::kOldGet, &Old::Get>("old.Get"),
      unary<methods::kOldDel, &Old::Del>("old.Del"),
      unary<methods::kOldKeys, &Old::Keys>("old.Keys"),
      unary<methods::kOldConfig, &Old::Config>("old.Config"),
      unary<methods::kGetConfig, &Admin::GetConfig>("admin.GetConfig"),
      unary<methods::kUpdateConfig, &Admin::UpdateConfig>("admin.UpdateConfig"),
      unary<methods::kWaitDurable, &Admin::WaitDurable>("admin.WaitDurable"),
      unary<methods::kCreateSnapshot, &Admin::CreateSnapshot>("admin.CreateSnapshot"),
      unary<methods::kRewriteLog, &Admin::RewriteLog>("admin.RewriteLog"),
  };
}

}  // namespace

Stubs::Stubs(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  keys = KeyValueService::NewStub(channel);
  admin = AdminService::NewStub(channel);
  old = kvstore::KeyValueStore::NewStub(channel);
}

const std::vector<Method>& all_methods() {
  static const std::vector<Method> methods = make_methods();
  return methods;
}

const Method& method_of(const std::string& name) {
  for (const Method& method : all_methods()) {
    if (method.name == name) return method;
  }
  throw std::runtime_error("no method " + name);
}

std::string path_of(const std::string& name) {
  if (name.starts_with("old.")) return "/kvstore.KeyValueStore/" + name.substr(4);
  if (name.starts_with("admin.")) return "/kvstore.v1.AdminService/" + name.substr(6);
  return "/kvstore.v1.KeyValueService/" + name;
}

Answer raw_through_stubs(Stubs& stubs, const std::string& path, const std::string& bytes) {
  grpc::GenericStub generic(stubs.channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  set_deadline(context, kPatience);
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  const auto call = generic.PrepareUnaryCall(&context, path, request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  if (!queue.Next(&tag, &ok)) throw std::runtime_error("the queue ended before the call");
  return answer_of(status, std::make_unique<Empty>());
}

Answer raw_through_client(Client& client, const std::string& path, const std::string& bytes) {
  Empty request;
  if (!request.ParseFromString(bytes)) throw std::runtime_error("kv::Client cannot send bytes that are no fields");
  const UnaryMethod<Empty, Empty> method{path.c_str(), Effect::kWrite};
  const absl::StatusOr<Empty> got = wait(client.call(method, request, once(kPatience)));
  return answer_of(got.status(), std::make_unique<Empty>());
}

}  // namespace kv::rows
