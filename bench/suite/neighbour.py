"""neighbour.py sync FILE | compute | write FILE BYTES: another process on the machine, doing one thing until it is ended."""
import hashlib
import os
import sys
import zlib

BLOCK = b"\x5a" * 4096
FILE_BYTES = 16 << 20
SYNC_EVERY = 32 << 20


def sync(path):
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.posix_fallocate(file, 0, FILE_BYTES)
    os.fsync(file)
    print("begun", flush=True)
    offset = 0
    while True:
        os.pwrite(file, BLOCK, offset)
        os.fdatasync(file)
        offset = (offset + len(BLOCK)) % FILE_BYTES


def compute():
    print("begun", flush=True)
    block = BLOCK * 256
    while True:
        hashlib.sha256(block).digest()


def write(path, file_bytes):
    """A file, synced as often as a snapshot's child syncs, over and over."""
    print("begun", flush=True)
    block = os.urandom(1 << 20)
    while True:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        written = checksum = 0
        while written < file_bytes:
            checksum = zlib.crc32(block, checksum)
            written += os.write(file, block)
            if written % SYNC_EVERY == 0:
                os.fdatasync(file)
        os.fsync(file)
        os.close(file)


if sys.argv[1] == "sync":
    sync(sys.argv[2])
elif sys.argv[1] == "write":
    write(sys.argv[2], int(sys.argv[3]))
else:
    compute()
