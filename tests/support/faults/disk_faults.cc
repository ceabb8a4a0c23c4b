// A library to preload into a server: makes its disk or its fork fail or hang, on demand and from outside.
//
// $KV_FAULTS names a folder. While it holds a file of one of these names, calls on regular files behave so:
//   no_space     fallocate, and writes that would grow a file, fail with ENOSPC
//   writes_hang   pwrite does not return
//   sync_hangs   fsync and fdatasync do not return
//   sync_fails   fsync and fdatasync fail with EIO
//   child_sync_hangs   as sync_hangs, in forked children only: a snapshot stays unfinished for as long as wanted
//   fork_fails   _Fork, by which snapshots fork, fails with EAGAIN
// Every fault delivered appends one byte to KV_FAULTS/delivered, so that a test can demand that its fault was met.
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

bool wanted(const char* fault) {
  static const char* const folder = std::getenv("KV_FAULTS");
  if (folder == nullptr) return false;
  char path[4096];
  std::snprintf(path, sizeof path, "%s/%s", folder, fault);
  return ::access(path, F_OK) == 0;
}

void note_delivery() {
  char path[4096];
  std::snprintf(path, sizeof path, "%s/delivered", std::getenv("KV_FAULTS"));
  const int file = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (::write(file, "x", 1) != 1) std::abort();
  ::close(file);
}

bool grows_regular_file(int descriptor, off64_t end) {
  struct stat info;
  return ::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) && end > info.st_size;
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// The server's own process id, taken when this library is loaded.
const pid_t server = ::getpid();
bool in_child() { return ::getpid() != server; }

void hang_while_wanted(const char* fault) {
  if (wanted(fault)) note_delivery();
  while (wanted(fault)) ::usleep(1000);
}

int sync_or_fail(const char* name, int descriptor) {
  if (wanted("sync_fails")) {
    note_delivery();
    errno = EIO;
    return -1;
  }
  hang_while_wanted("sync_hangs");
  if (in_child()) hang_while_wanted("child_sync_hangs");
  return real<int(int)>(name)(descriptor);
}

int allocate_or_fail(int descriptor, int mode, off64_t offset, off64_t length) {
  if (wanted("no_space") && grows_regular_file(descriptor, offset + length)) {
    note_delivery();
    errno = ENOSPC;
    return -1;
  }
  return real<int(int, int, off64_t, off64_t)>("fallocate64")(descriptor, mode, offset, length);
}

ssize_t write_or_fail(int descriptor, const void* data, size_t size, off64_t offset) {
  hang_while_wanted("writes_hang");
  if (wanted("no_space") && grows_regular_file(descriptor, offset + static_cast<off64_t>(size))) {
    note_delivery();
    errno = ENOSPC;
    return -1;
  }
  return real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64")(descriptor, data, size, offset);
}

}  // namespace

extern "C" {

pid_t _Fork() {
  if (!wanted("fork_fails")) return real<pid_t()>("_Fork")();
  note_delivery();
  errno = EAGAIN;
  return -1;
}
int fsync(int descriptor) { return sync_or_fail("fsync", descriptor); }
int fdatasync(int descriptor) { return sync_or_fail("fdatasync", descriptor); }
int fallocate(int descriptor, int mode, off_t offset, off_t length) {
  return allocate_or_fail(descriptor, mode, offset, length);
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
  return allocate_or_fail(descriptor, mode, offset, length);
}
ssize_t pwrite(int descriptor, const void* data, size_t size, off_t offset) {
  return write_or_fail(descriptor, data, size, offset);
}
ssize_t pwrite64(int descriptor, const void* data, size_t size, off64_t offset) {
  return write_or_fail(descriptor, data, size, offset);
}
}
