// Numbers the lines of each invoice from 1, over one file or several.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

namespace tillrace::client {

// Memory: one entry per distinct invoice. Not thread-safe.
class LineNumbers {
 public:
  // Continues from a state that save() wrote; starts empty when there is no such file. corrupt when
  // it is something else.
  static Result<LineNumbers> load(const std::filesystem::path& state);
  // Replaces the file in one step; durable when it returns.
  Status save(const std::filesystem::path& state) const;

  // The next line's number; nothing when they are used up (2^31 - 1).
  std::optional<std::int32_t> next(const std::string& invoice_no);
  // The invoice has a line of this number: next() goes on behind it.
  void seen(const std::string& invoice_no, std::int32_t line_no);

  // Invoices met by this object, without those that only the state knew.
  std::uint64_t invoices() const { return invoices_; }

 private:
  struct Last {
    std::int32_t line_no = 0;
    bool met = false;
  };
  Last& meet(const std::string& invoice_no);

  std::unordered_map<std::string, Last> last_;
  std::uint64_t invoices_ = 0;
};

}  // namespace tillrace::client
