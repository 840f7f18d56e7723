// convert, generate, post: stage 0 from the terminal.
#include "app/commands.h"
#include "app/screen.h"
#include "app/sessions.h"
#include "app/signals.h"
#include "client/bytes.h"
#include "client/convert.h"
#include "client/generate.h"
#include "client/post.h"
#include "model/invoice_date.h"

namespace tillrace::app {
namespace {

std::string count(std::uint64_t number) { return std::to_string(number); }

Table convert_table(const client::ConvertSummary& summary) {
  return {{{"rows", CellKind::number},
           {"written", CellKind::number},
           {"rejected", CellKind::number},
           {"invoices", CellKind::number},
           {"without_description", CellKind::number},
           {"rejected_file", CellKind::text}},
          {{count(summary.rows), count(summary.written), count(summary.rejected),
            count(summary.invoices), count(summary.without_description),
            summary.rejected_path.empty() ? std::nullopt
                                          : std::optional(summary.rejected_path.string())}}};
}

Table post_table(const client::PostSummary& summary) {
  return {
      {{"read", CellKind::number},
       {"accepted", CellKind::number},
       {"refused", CellKind::number},
       {"open", CellKind::number},
       {"requests", CellKind::number},
       {"retried_requests", CellKind::number},
       {"bytes", CellKind::number},
       {"seconds", CellKind::number},
       {"events_per_s", CellKind::number},
       {"refused_file", CellKind::text}},
      {{count(summary.read), count(summary.accepted), count(summary.refused), count(summary.open()),
        count(summary.requests), count(summary.retried_requests), count(summary.bytes),
        fmt::format("{:.3f}", summary.seconds), fmt::format("{:.0f}", summary.events_per_s),
        summary.refused_path.empty() ? std::nullopt
                                     : std::optional(summary.refused_path.string())}}};
}

// Where results already are on standard output, the summary must not be.
bool writes_to_stdout(const std::filesystem::path& output) {
  return output.empty() || output == "-";
}

}  // namespace

Exit run_convert(const Context& context, const ConvertArguments& arguments) {
  auto order = client::parse_date_order(arguments.date_order);
  if (!order) return report(order.error());
  StopOnSignal stop;
  SystemClock clock;
  Screen screen("convert", context.quiet, clock);
  client::ConvertOptions options{arguments.input, arguments.output, arguments.rejected,
                                 arguments.lines_from, *order};
  client::ConvertCallbacks callbacks;
  callbacks.warn = [&](std::string_view line) { screen.warn(line); };
  callbacks.progress = [&](const client::Progress& progress) { screen.update(progress); };
  auto summary = client::convert(options, callbacks, stop.token());
  screen.bar.clear();
  if (!summary) return report(summary.error());
  Context shown = context;
  if (writes_to_stdout(arguments.output)) shown.format = Format::table;
  print_summary(shown, convert_table(*summary));
  return summary->rejected > 0 ? Exit::not_so : Exit::ok;
}

Exit run_generate(const Context& context, const GenerateArguments& arguments) {
  auto start = parse_invoice_date(arguments.start + " 00:00", TimeZone{});
  if (!start)
    return report({Code::invalid,
                   fmt::format("--start '{}' is not a day such as 2010-12-01", arguments.start)});
  StopOnSignal stop;
  SystemClock clock;
  Screen screen("generate", context.quiet, clock);
  auto output = client::Output::open(arguments.output);
  if (!output) return report(output.error());
  client::GenerateOptions options{arguments.rows, arguments.seed, arguments.rate, *start};
  bool flush_at_once = arguments.rate > 0;
  auto sink = [&](std::string_view lines) -> Status {
    Status written = output->write(lines);
    return written && flush_at_once ? output->flush() : written;
  };
  auto progress = [&](const client::Progress& now) { screen.update(now); };
  auto summary = client::generate(options, sink, progress, clock, stop.token());
  screen.bar.clear();
  if (!summary) return report(summary.error());
  if (Status committed = output->commit(); !committed) return report(committed.error());
  return Exit::ok;
}

Exit run_post(const Context& context, const PostArguments& arguments) {
  auto url = gateway_url(context.config(), arguments.url);
  if (!url) return report(url.error());
  StopOnSignal stop;
  SystemClock clock;
  SystemRandom random;
  Screen screen("post", context.quiet || arguments.each, clock);
  client::PostOptions options;
  options.input = arguments.input;
  options.url = *url;
  options.http = arguments.url.empty() ? own_server_options(context.config())
                                       : http_client_options(context.config());
  options.each = arguments.each;
  options.rate_per_s = arguments.rate;
  options.concurrency = arguments.concurrency;
  options.batch = static_cast<std::size_t>(arguments.batch);
  options.retry_for_s = arguments.retry_for_s;
  client::PostCallbacks callbacks;
  callbacks.warn = [&](std::string_view line) { screen.warn(line); };
  callbacks.status = [&](int status) { print_out(fmt::format("Status code: {}\n", status)); };
  callbacks.progress = [&](const client::Progress& progress) { screen.update(progress); };
  auto summary = client::post(options, callbacks, clock, random, stop.token());
  screen.bar.clear();
  if (!summary) return report(summary.error());
  print_summary(context, post_table(*summary));
  if (summary->failure) return report(*summary->failure);
  return summary->refused > 0 || summary->open() > 0 ? Exit::not_so : Exit::ok;
}

}  // namespace tillrace::app
