#include "client/cli/printer.h"

namespace kv {

std::unique_ptr<Printer> make_printer(Console& console, PrinterOptions options) {
  switch (options.format) {
    case OutputFormat::kJson:
      return make_json_printer(console, options);
    case OutputFormat::kRaw:
      return make_raw_printer(console, options);
    case OutputFormat::kAutomatic:
    case OutputFormat::kHuman:
    case OutputFormat::kTable:
      break;
  }
  return make_human_printer(console, options);
}

}  // namespace kv
