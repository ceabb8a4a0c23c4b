// A line from a person at a terminal: editing, history, completion (libedit), Ctrl-C and Ctrl-D.
//
// Hard part: libedit reads the keyboard itself and lets Ctrl-C through as a signal that any thread may get. So it is
// given a reader of ours that waits for key or signal, decodes UTF-8, and ends the line when the signal was Ctrl-C.
//
// Threads: one; one Terminal a process (catch_terminal_signals() first). Lifetime: the terminal's modes are put back
// after every line and at the end.
#pragma once

#include <string>

#include <histedit.h>

#include "client/cli/history.h"
#include "client/cli/tab_offer.h"

namespace kv {

struct TypedLine {
  enum class Event { kLine, kDropped, kEnd };
  Event event = Event::kEnd;  // kDropped: Ctrl-C; kEnd: Ctrl-D on an empty line, or the terminal went away.
  std::string line;
};

class Terminal {
 public:
  // `find_keys`: for the Tab key; may be empty.
  explicit Terminal(LineHistory& history, FindKeys find_keys = {});
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  TypedLine read_line(const std::string& prompt);

 private:
  static const char* prompt_of(EditLine* editor);
  static int read_key(EditLine* editor, wchar_t* key);
  static unsigned char on_tab(EditLine* editor, int key);

  LineHistory& history_;
  const FindKeys find_keys_;
  EditLine* const editor_;
  std::string prompt_;
};

}  // namespace kv
