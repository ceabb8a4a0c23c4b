// Every call that the old client and its tests make, in the language they were written in: Debian's grpc for Go, stubs
// generated from the original's schema, one second for each call.
package oldclient

import (
	"bytes"
	"context"
	"io"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"

	pb "kvstore/stubs"
)

const (
	keyBytesMax   = 64 << 10
	entryBytesMax = 4<<20 - 4<<10
)

func second() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	time.AfterFunc(2*time.Second, cancel)
	return ctx
}

type client struct {
	*testing.T
	connection *grpc.ClientConn
	stub       pb.KeyValueStoreClient
}

// Dials as the old client does, and begins with an empty store.
func dial(t *testing.T) client {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	connection, err := grpc.DialContext(ctx, os.Getenv("KVSTORE_SERVER_ADDR"), grpc.WithInsecure(), grpc.WithBlock())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { connection.Close() })
	c := client{t, connection, pb.NewKeyValueStoreClient(connection)}
	for _, key := range c.keys() {
		c.del(key)
	}
	return c
}

func (c client) set(key string, value []byte) {
	c.Helper()
	if _, err := c.stub.Set(second(), &pb.SetRequest{Key: key, Value: value}); err != nil {
		c.Fatalf("Set %q: %v", key, err)
	}
}

func (c client) wantValue(key string, want []byte) {
	c.Helper()
	got, err := c.stub.Get(second(), &pb.GetRequest{Key: key})
	if err != nil || !bytes.Equal(got.Value, want) {
		c.Fatalf("Get %q: %.40q, %v; want %.40q", key, got.GetValue(), err, want)
	}
}

func (c client) del(key string) bool {
	c.Helper()
	answer, err := c.stub.Del(second(), &pb.DelRequest{Key: key})
	if err != nil {
		c.Fatalf("Del %q: %v", key, err)
	}
	return answer.Success
}

func (c client) keys() []string {
	c.Helper()
	answer, err := c.stub.Keys(second(), &pb.KeysRequest{})
	if err != nil {
		c.Fatalf("Keys: %v", err)
	}
	sort.Strings(answer.Keys)
	return answer.Keys
}

func (c client) wantRefused(err error, code codes.Code, word string) {
	c.Helper()
	if status.Code(err) != code || !strings.HasPrefix(status.Convert(err).Message(), word) {
		c.Fatalf("got %v, want %v %s", err, code, word)
	}
}

// Sends bytes as they are: what no generated stub would.
type rawCodec struct{}

func (rawCodec) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (rawCodec) Name() string { return "proto" }

func (c client) raw(method string, request []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var answer []byte
	return c.connection.Invoke(ctx, "/kvstore.KeyValueStore/"+method, &request, &answer, grpc.ForceCodec(rawCodec{}))
}

func TestSetGetDelete(t *testing.T) {
	c := dial(t)
	c.set("name", []byte("janedoe"))
	c.set("name", []byte("johndoe"))
	c.wantValue("name", []byte("johndoe"))
	if !c.del("name") || c.del("name") {
		t.Fatal("Del must tell whether the key was there")
	}
	c.wantValue("name", nil)
}

func TestMissingKeyIsOkAndEmpty(t *testing.T) {
	dial(t).wantValue("nobody wrote this", nil)
}

func TestKeysListsEveryKey(t *testing.T) {
	c := dial(t)
	for _, key := range []string{"key1", "key2", "key3"} {
		c.set(key, []byte("value"))
	}
	if got := strings.Join(c.keys(), " "); got != "key1 key2 key3" {
		t.Fatalf("Keys: %s", got)
	}
}

func TestAnyBytes(t *testing.T) {
	c := dial(t)
	value := []byte("blanks  and\nSET forged value\n\x00\xff\xfe ")
	for _, key := range []string{" ", "two words", "line\nDEL other", "nul\x00", "grüße"} {
		c.set(key, value)
		c.wantValue(key, value)
	}
	c.set("empty", nil)
	c.wantValue("empty", nil)
	if len(c.keys()) != 6 {
		t.Fatalf("Keys: %q", c.keys())
	}
}

func TestEveryModeIsTakenWithinASecond(t *testing.T) {
	c := dial(t)
	c.set("kept", []byte("through all modes"))
	requests := []*pb.ConfigRequest{
		{StorageMode: pb.StorageMode_NON_PERSISTENT},
		{StorageMode: pb.StorageMode_SNAPSHOT, SnapshotInterval: 60, MaxSnapshots: 3},
		{StorageMode: pb.StorageMode_AOF, AofMaxSize: 1 << 20},
		{StorageMode: pb.StorageMode_HYBRID, SnapshotInterval: 60, MaxSnapshots: 3, AofMaxSize: 1 << 20},
		{},
		{StorageMode: pb.StorageMode_HYBRID},
	}
	for _, request := range requests {
		answer, err := c.stub.Config(second(), request)
		if err != nil || !answer.Success {
			t.Fatalf("Config %v: %v, %v", request, answer, err)
		}
		c.set("after", []byte(request.String()))
		c.wantValue("kept", []byte("through all modes"))
	}
}

func TestBadConfigIsRefused(t *testing.T) {
	c := dial(t)
	for _, request := range []*pb.ConfigRequest{
		{StorageMode: 4},
		{StorageMode: pb.StorageMode_SNAPSHOT, SnapshotInterval: -1},
		{StorageMode: pb.StorageMode_SNAPSHOT, MaxSnapshots: -1},
		{StorageMode: pb.StorageMode_AOF, AofMaxSize: -1},
	} {
		_, err := c.stub.Config(second(), request)
		c.wantRefused(err, codes.InvalidArgument, "CONFIG_INVALID")
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	c := dial(t)
	_, err := c.stub.Set(second(), &pb.SetRequest{Value: []byte("v")})
	c.wantRefused(err, codes.InvalidArgument, "EMPTY_KEY")
	_, err = c.stub.Get(second(), &pb.GetRequest{})
	c.wantRefused(err, codes.InvalidArgument, "EMPTY_KEY")
	_, err = c.stub.Get(second(), &pb.GetRequest{Key: strings.Repeat("k", keyBytesMax+1)})
	c.wantRefused(err, codes.InvalidArgument, "KEY_TOO_LARGE")
	c.wantRefused(c.raw("Get", []byte("\x0a\x02\xff\xfe")), codes.InvalidArgument, "KEY_NOT_UTF8")
	c.wantValue("still serving", nil)
}

func TestLargestEntryAndOneByteMore(t *testing.T) {
	c := dial(t)
	value := bytes.Repeat([]byte("v"), entryBytesMax-len("large"))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := c.stub.Set(ctx, &pb.SetRequest{Key: "large", Value: value}); err != nil {
		t.Fatal(err)
	}
	c.wantValue("large", value) // With the receive limit of a default client.
	_, err := c.stub.Set(ctx, &pb.SetRequest{Key: "large", Value: append(value, 'v')})
	c.wantRefused(err, codes.InvalidArgument, "ENTRY_TOO_LARGE")
}

func TestGarbageIsRefused(t *testing.T) {
	c := dial(t)
	for _, method := range []string{"Set", "Get", "Del", "Keys", "Config"} {
		c.wantRefused(c.raw(method, []byte("\xff\xff\xff\xff")), codes.InvalidArgument, "MESSAGE_INVALID")
	}
	c.wantRefused(c.raw("Flush", nil), codes.Unimplemented, "")
	c.wantValue("still serving", nil)
}

func TestTrailersTellMissingFromEmpty(t *testing.T) {
	c := dial(t)
	c.set("empty", nil)
	for key, want := range map[string]string{"empty": "1", "missing": "0"} {
		var trailer metadata.MD
		ctx := metadata.AppendToOutgoingContext(second(), "kvstore-want-trailers", "1")
		if _, err := c.stub.Get(ctx, &pb.GetRequest{Key: key}, grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(trailer.Get("kvstore-found"), ","); got != want {
			t.Fatalf("kvstore-found of %s: %q", key, got)
		}
	}
}

func TestHealth(t *testing.T) {
	c := dial(t)
	answer, err := health.NewHealthClient(c.connection).Check(second(), &health.HealthCheckRequest{})
	if err != nil || answer.Status != health.HealthCheckResponse_SERVING {
		t.Fatalf("health: %v, %v", answer, err)
	}
}

func TestReflectionListsTheService(t *testing.T) {
	c := dial(t)
	stream, err := reflection.NewServerReflectionClient(c.connection).ServerReflectionInfo(second())
	if err != nil {
		t.Fatal(err)
	}
	request := &reflection.ServerReflectionRequest_ListServices{ListServices: "*"}
	if err := stream.Send(&reflection.ServerReflectionRequest{MessageRequest: request}); err != nil {
		t.Fatal(err)
	}
	stream.CloseSend()
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(answer.String(), "kvstore.KeyValueStore") {
		t.Fatalf("not listed: %v", answer)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Fatalf("after the answer: %v", err)
	}
}
