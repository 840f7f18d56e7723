// generate: made-up transactions of the Online Retail data set's shape, as NDJSON.
#pragma once
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "client/progress.h"

namespace tillrace::client {

struct GenerateOptions {
  std::uint64_t rows = 10'000;  // up to 10^12
  std::uint64_t seed = 1;
  std::uint64_t rate_per_s = 0;  // rows a second; 0: as fast as they are taken
  // The first day; the rows spread over the 365 days from there.
  UtcMicros start = {1'291'161'600'000'000};  // 2010-12-01
};

struct GenerateSummary {
  std::uint64_t rows = 0;
  std::uint64_t invoices = 0;
  std::uint64_t bytes = 0;
};

// Whole lines, each with its line end. What it fails with ends the run.
using LineSink = std::function<Status(std::string_view)>;

// Invoices of 20 lines on average, many short and a few very long; 4,000 products, 4,300 customers
// of whom few buy much, 38 countries with nine tenths of the lines in one; 2 % of the lines are
// cancellations of goods sold before, a quarter belong to guests; some write-offs without a
// description, some lines that repeat another of their invoice. Times rise through the business
// hours, invoice numbers from 536365. Each line has its LineNo.
//
// The same rows, seed and start give the same bytes, on every machine; the rate changes nothing in
// them. invalid: rows or start are out of range. shutting_down: `stop` asked for it.
Result<GenerateSummary> generate(const GenerateOptions& options, const LineSink& sink,
                                 const OnProgress& progress, Clock& clock,
                                 std::stop_token stop = {});

}  // namespace tillrace::client
