// A question that a person answers with y or n.
//
// Threads: one. Errors: anything but y or yes is no, the end of the input and Ctrl-C too.
#pragma once

#include <string_view>

namespace kv {

bool ask_yes_no(std::string_view question);

}  // namespace kv
