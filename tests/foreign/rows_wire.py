"""What `grpc-status-details-bin` says, read field by field: google.rpc's own classes are no package that we need."""

ERROR_INFO = b"type.googleapis.com/google.rpc.ErrorInfo"
RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"


def number(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def fields(data):
    """Of each field its number and its bytes, or its value if it is a varint."""
    at, found = 0, []
    while at < len(data):
        tag, at = number(data, at)
        size, at = number(data, at)
        if tag & 7 == 2:
            found.append((tag >> 3, data[at:at + size]))
            at += size
        elif tag & 7 == 0:
            found.append((tag >> 3, size))
        else:
            raise ValueError(f"a field of kind {tag & 7}")
    return found


def first(data, wanted, none=b""):
    return next((value for field, value in fields(data) if field == wanted), none)


def retry_millis(details):
    """When to come again, as google.rpc.RetryInfo and its google.protobuf.Duration have it; none: ''."""
    for detail in (value for field, value in fields(details) if field == 3):
        if first(detail, 1) == RETRY_INFO:
            delay = first(first(detail, 2), 1)
            return str(first(delay, 1, 0) * 1000 + first(delay, 2, 0) // 1_000_000)
    return ""


def reason_and_facts(details):
    """Those of error_info(). When to come again is said twice, for clients that know only one of the two."""
    reason, facts = error_info(details)
    said, retry = facts.get("retry_after_ms", ""), retry_millis(details)
    if said != retry:
        facts["retry_after_ms"] = f"{said}, as RetryInfo {retry}"
    return reason, facts


def error_info(details):
    """The reason word and the facts of the ErrorInfo of our domain; none: '' and none."""
    for detail in (value for field, value in fields(details) if field == 3):
        info = first(detail, 2) if first(detail, 1) == ERROR_INFO else b""
        if first(info, 2) != b"kvstore":
            continue
        pairs = [pair for field, pair in fields(info) if field == 3]
        return first(info, 1).decode(), {first(pair, 1).decode(): first(pair, 2).decode() for pair in pairs}
    return "", {}
