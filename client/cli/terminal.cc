#include "client/cli/terminal.h"

#include <clocale>
#include <cstdio>
#include <cwchar>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <langinfo.h>
#include <unistd.h>

#include "client/cli/signals.h"
#include "client/cli/tab_offer.h"

namespace kv {
namespace {

// Containers seldom name a locale, and without one libedit takes every byte above 127 for a control character.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::string_view(::nl_langinfo(CODESET)) != "UTF-8") std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

Terminal::Terminal(LineHistory& history, FindKeys find_keys)
    : history_(history),
      find_keys_(std::move(find_keys)),
      editor_((use_utf8(), ::el_init("kvstore_client", stdin, stdout, stderr))) {
  ::el_set(editor_, EL_CLIENTDATA, this);
  ::el_set(editor_, EL_EDITOR, "emacs");
  ::el_set(editor_, EL_PROMPT, &Terminal::prompt_of);
  ::el_set(editor_, EL_HIST, ::history, history_.handle());
  ::el_set(editor_, EL_GETCFN, &Terminal::read_key);
  ::el_set(editor_, EL_ADDFN, "kv-complete", "Complete the word", &Terminal::on_tab);
  ::el_set(editor_, EL_BIND, "^I", "kv-complete", nullptr);
  ::el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  ::el_source(editor_, nullptr);  // The person's own ~/.editrc.
}

Terminal::~Terminal() { ::el_end(editor_); }

const char* Terminal::prompt_of(EditLine* editor) {
  Terminal* self = nullptr;
  ::el_get(editor, EL_CLIENTDATA, &self);
  return self->prompt_.c_str();
}

int Terminal::read_key(EditLine* editor, wchar_t* key) {
  std::mbstate_t state = {};
  for (;;) {
    if (!wait_readable(STDIN_FILENO)) {
      if (was_interrupted()) return -1;
      if (take_resize()) ::el_resize(editor);
      if (take_continuation()) {
        ::el_set(editor, EL_PREP_TERM, 1);
        ::el_set(editor, EL_REFRESH);
      }
      continue;
    }
    char byte = 0;
    const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count <= 0) return static_cast<int>(count);
    switch (std::mbrtowc(key, &byte, 1, &state)) {
      case static_cast<std::size_t>(-2):
        continue;  // The character has more bytes.
      case static_cast<std::size_t>(-1):
        state = {};  // Not UTF-8: such bytes are typed as \xNN.
        continue;
      default:
        return 1;
    }
  }
}

unsigned char Terminal::on_tab(EditLine* editor, int) {
  Terminal* self = nullptr;
  ::el_get(editor, EL_CLIENTDATA, &self);
  const LineInfo* line = ::el_line(editor);
  const TabOffer offer =
      complete({line->buffer, static_cast<std::size_t>(line->cursor - line->buffer)}, self->find_keys_);
  if (!offer.insert.empty()) {
    ::el_insertstr(editor, offer.insert.c_str());
    return CC_REFRESH;
  }
  if (offer.candidates.empty()) return CC_REFRESH_BEEP;
  std::fputc('\n', stdout);
  for (const std::string& candidate : offer.candidates) std::fputs((candidate + "  ").c_str(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
  return CC_REDISPLAY;
}

TypedLine Terminal::read_line(const std::string& prompt) {
  prompt_ = prompt;
  forget_interruption();
  int count = 0;
  const char* text = ::el_gets(editor_, &count);
  if (was_told_to_end()) return {};
  if (text == nullptr && was_interrupted()) {
    std::fputs("^C\n", stdout);
    std::fflush(stdout);
    ::el_reset(editor_);
    return {TypedLine::Event::kDropped, ""};
  }
  if (text == nullptr || count <= 0) return {};
  std::string line(text, static_cast<std::size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  if (line.find_first_not_of(" \t") != line.npos) history_.add(line);
  return {TypedLine::Event::kLine, std::move(line)};
}

}  // namespace kv
