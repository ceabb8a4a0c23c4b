// What makes a fuzz program: a decoder that is given any bytes, and fuzz_main.cc around it.
//
// decode() must end, whatever the bytes are. That it reads nothing beyond them is for the sanitizers to see; that its
// verdict is right it checks itself, where somebody else can be asked: a second reader of the same format, or the
// library whose format it is.
//
// A format with checksums is given twice: as it is, and with its checksums put right (seal.h), else no change would get
// past the first of them.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/checksum.h"

namespace kv::fuzz {

// Each program has its own.
void decode(Bytes input);

// Inputs in which the decoder found something good. A program that never does looks at nothing.
inline std::uint64_t taken = 0;

// Ends the process, so that whoever drives it keeps the input.
[[noreturn]] inline void wrong(const std::string& what) {
  std::fprintf(stderr, "WRONG: %s\n", what.c_str());
  std::abort();
}

}  // namespace kv::fuzz
