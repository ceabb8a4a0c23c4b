// Whether an answer may be, given what was acknowledged before it was asked for; and what its own acknowledgement adds.
//
// Threads: any; the record is the caller's own.
#pragma once

#include "bench/ledger.h"
#include "bench/record.h"
#include "bench/shot.h"

namespace kv {

// Before the shot is sent.
void note_floors(const Ledger& ledger, Shot& shot);
// When it was answered.
void judge(const Shot& shot, Ledger& ledger, VerifyRecord& record);

}  // namespace kv
