"""neighbour.py sync FILE | compute: another process on the machine, doing one thing until it is ended."""
import hashlib
import os
import sys

BLOCK = b"\x5a" * 4096
FILE_BYTES = 16 << 20


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


if sys.argv[1] == "sync":
    sync(sys.argv[2])
else:
    compute()
