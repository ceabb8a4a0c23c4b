"""What `grpc-status-details-bin` says, read field by field: google.rpc's own classes are no package that we need."""

ERROR_INFO = b"type.googleapis.com/google.rpc.ErrorInfo"


def number(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def fields(data):
    """Of each length-delimited field its number and its bytes."""
    at, found = 0, []
    while at < len(data):
        tag, at = number(data, at)
        size, at = number(data, at)  # of a varint the value, and then there are no bytes
        if tag & 7 == 2:
            found.append((tag >> 3, data[at:at + size]))
            at += size
        elif tag & 7 != 0:
            raise ValueError(f"a field of kind {tag & 7}")
    return found


def first(data, wanted):
    return next((value for field, value in fields(data) if field == wanted), b"")


def error_info(details):
    """The reason word and the facts of the ErrorInfo of our domain; none: '' and none."""
    for detail in (value for field, value in fields(details) if field == 3):
        info = first(detail, 2) if first(detail, 1) == ERROR_INFO else b""
        if first(info, 2) != b"kvstore":
            continue
        pairs = [pair for field, pair in fields(info) if field == 3]
        return first(info, 1).decode(), {first(pair, 1).decode(): first(pair, 2).decode() for pair in pairs}
    return "", {}
