// rejected resend: records go through the gateway again, and are marked when it has taken them.
#include "app/commands.h"
#include "app/editor.h"
#include "app/rejected_selection.h"
#include "app/screen.h"
#include "app/sessions.h"
#include "app/signals.h"
#include "base/blanks.h"
#include "base/files.h"
#include "client/event_sender.h"
#include "client/identity.h"
#include "client/post.h"

namespace tillrace::app {
namespace {

using warehouse::Connection;
using warehouse::RejectedRow;

// Called with a record and the text that is to be sent for it.
using Take = std::function<Status(const RejectedRow&, std::string_view text)>;

// The event with a name of its own, so that sending it again changes nothing: where it brings none,
// the record's, which every reader of the log gives it alike. invalid, saying why, when it is not
// one JSON object: a gateway would take an array too, and name its events anew each time. Nor may
// what only the editor has shown become the event.
Result<std::string> named_event(std::string_view text, const RejectedRow& row,
                                EventParser& parser) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  auto event = parser.parse(text);
  if (!event && event.error().malformed) return fail(Code::invalid, "{}", to_string(event.error()));
  if (holds_stand_ins(text, row))
    return fail(Code::invalid,
                "U+FFFD stands where the record has bytes that are not UTF-8; put the right "
                "characters in its place, or \\ufffd where it is to stay");
  return client::brings_identity(text) ? std::string(text)
                                       : client::with_event_id(text, row.event_id);
}

// What became of the records, and where to say so.
class Outcome {
 public:
  explicit Outcome(Screen& screen) : screen_(screen) {}

  void begin() { ++selected_; }
  void resent() {
    ++resent_;
    auto done = static_cast<std::uint64_t>(selected_);
    screen_.update({done, {}, static_cast<std::uint64_t>(resent_)});
  }
  Status refused(const RejectedRow& row, std::string_view why) {
    ++refused_;
    screen_.warn(fmt::format("{}: {}", to_string(place_of(row)), why));
    return {};
  }

  bool is_clean() const { return refused_ == 0; }
  Table table() const {
    auto number = [](std::int64_t value) { return std::optional(std::to_string(value)); };
    return {{{"selected", CellKind::number},
             {"resent", CellKind::number},
             {"refused", CellKind::number},
             {"open", CellKind::number}},
            {{number(selected_), number(resent_), number(refused_),
              number(selected_ - resent_ - refused_)}}};
  }

 private:
  Screen& screen_;
  std::int64_t selected_ = 0;
  std::int64_t resent_ = 0;
  std::int64_t refused_ = 0;
};

// Prints what would be sent, and finds out what the gateway would find.
class Rehearsal {
 public:
  Rehearsal(TimeZone shop, Outcome& outcome) : parser_(std::move(shop)), outcome_(outcome) {}

  Status take(const RejectedRow& row, std::string_view text) {
    outcome_.begin();
    auto event = named_event(text, row, parser_);
    if (!event) return outcome_.refused(row, event.error().message);
    if (event->size() > EventParser::kMostBytes)
      return outcome_.refused(row, "longer than an event may be");
    auto parsed = parser_.parse(*event);
    if (!parsed) return outcome_.refused(row, to_string(parsed.error()));
    print_out(*event + "\n");
    return {};
  }

 private:
  EventParser parser_;
  Outcome& outcome_;
};

class Resending {
 public:
  Resending(client::EventSender sender, Connection marks, std::stop_token stop, Outcome& outcome)
      : sender_(std::move(sender)),
        marks_(std::move(marks)),
        stop_(std::move(stop)),
        outcome_(outcome) {}

  Status take(const RejectedRow& row, std::string_view text) {
    if (stop_.stop_requested()) return fail(Code::shutting_down, "stopped");
    outcome_.begin();
    auto event = named_event(text, row, parser_);
    if (!event) return outcome_.refused(row, event.error().message);
    auto answer = sender_.send(*event, stop_);
    if (!answer) return fail(answer.error());
    if (!answer->accepted_as) return outcome_.refused(row, answer->why);
    outcome_.resent();
    return warehouse::mark_resent(marks_, row, *answer->accepted_as, text != row.value);
  }

 private:
  client::EventSender sender_;
  Connection marks_;
  std::stop_token stop_;
  Outcome& outcome_;
  EventParser parser_{TimeZone()};
};

Status check(const RejectedArguments& a) {
  bool conditions =
      a.topic || a.partition || a.kind || a.field || a.since || a.not_resent || a.count;
  if (a.from && (conditions || a.all || a.edit || !a.records.empty()))
    return fail(Code::invalid, "--from names the records itself; leave the other conditions out");
  if (!a.records.empty() && (a.all || a.partition || a.kind || a.field || a.since || a.count))
    return fail(Code::invalid, "records are named one by one or by conditions, not both");
  if (!a.from && a.records.empty() && !conditions && !a.all)
    return fail(
        Code::invalid,
        "which records? Name them as PARTITION:OFFSET, by a condition such as --reason field, "
        "by --from FILE, or say --all");
  return {};
}

Status take_file(Connection& connection, const std::filesystem::path& path, const Take& take) {
  auto text = read_file(path);
  if (!text) return fail(text.error());
  auto records = parse_records(*text);
  if (!records) return fail(records.error(), path.string());
  std::vector<warehouse::RejectedFilter> filters;
  for (const FileRecord& record : *records) filters.push_back(filter_of(record.place));
  Status all_there =
      for_each_selected(connection, filters, [](const RejectedRow&) { return Status(); });
  if (!all_there) return all_there;
  for (std::size_t i = 0; i < filters.size(); ++i) {
    Status taken = for_each_selected(connection, {filters[i]}, [&](const RejectedRow& row) {
      return take(row, (*records)[i].value);
    });
    if (!taken) return taken;
  }
  return {};
}

// The file for the editor, of all that is selected.
Result<std::filesystem::path> edited_file(Connection& connection,
                                          const std::vector<warehouse::RejectedFilter>& filters) {
  std::string text;
  Status read = for_each_selected(connection, filters, [&](const RejectedRow& row) {
    text += editable(row);
    return Status();
  });
  if (!read) return fail(read.error());
  if (text.empty()) return fail(Code::not_found, "no record is selected");
  auto file = write_private_file(text);
  if (!file) return file;
  if (Status edited = edit(preferred_editor(), *file); !edited) return fail(edited.error());
  return file;
}

// What is sent from: the edited file, or nothing for the records as they came.
Result<std::optional<std::filesystem::path>> file_of(
    Connection& connection, const RejectedArguments& arguments,
    const std::vector<warehouse::RejectedFilter>& filters) {
  if (arguments.from || !arguments.edit) return arguments.from;
  auto file = edited_file(connection, filters);
  if (!file) return fail(file.error());
  return std::optional(*file);
}

Result<Resending> open_resending(const Context& context, const RejectedArguments& arguments,
                                 Clock& clock, Random& random, std::stop_token stop,
                                 Outcome& outcome) {
  auto url = gateway_url(context.config(), arguments.url);
  if (!url) return fail(url.error());
  auto endpoint = client::endpoint_of(*url);
  if (!endpoint) return fail(endpoint.error());
  auto marks = open_warehouse(context.config());
  if (!marks) return fail(marks.error());
  client::Patience patience;
  patience.retry_for_s = arguments.retry_for_s;
  client::EventSender sender(*endpoint, patience,
                             arguments.url.empty() ? own_server_options(context.config())
                                                   : http_client_options(context.config()),
                             clock, random);
  return Resending(std::move(sender), std::move(*marks), std::move(stop), outcome);
}

// What to go through, and where from.
struct Work {
  Connection connection;
  std::vector<warehouse::RejectedFilter> filters;
  std::optional<std::filesystem::path> file;  // instead of the records as they came

  Status each(const Take& take) {
    if (file) return take_file(connection, *file, take);
    return for_each_selected(connection, filters,
                             [&](const RejectedRow& row) { return take(row, row.value); });
  }
};

Result<Work> open_work(const Context& context, RejectedArguments arguments) {
  if (Status checked = check(arguments); !checked) return fail(checked.error());
  if (arguments.records.empty()) arguments.not_resent = true;
  auto filters = selected(context.config(), arguments);
  if (!filters) return fail(filters.error());
  auto connection = open_warehouse(context.config());
  if (!connection) return fail(connection.error());
  auto file = file_of(*connection, arguments, *filters);
  if (!file) return fail(file.error());
  return Work{std::move(*connection), std::move(*filters), std::move(*file)};
}

// An edited file goes when nothing of it is left to do.
void settle_edits(const std::filesystem::path& file, bool all_done) {
  if (all_done) {
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
  } else {
    print_err(fmt::format("your edits are kept; go on with `tillrace rejected resend --from {}`\n",
                          file.string()));
  }
}

Exit exit_after(const Status& done, const Outcome& outcome) {
  if (!done && done.error().code != Code::shutting_down) return report(done.error());
  return done && outcome.is_clean() ? Exit::ok : Exit::not_so;
}

Exit rehearse(const Context& context, const RejectedArguments& arguments) {
  auto shop = TimeZone::find(context.config().shop.time_zone);
  if (!shop) return report(shop.error());
  auto work = open_work(context, arguments);
  if (!work) return report(work.error());
  SystemClock clock;
  Screen screen("resend", true, clock);
  Outcome outcome(screen);
  Rehearsal rehearsal(*shop, outcome);
  Status done = work->each(
      [&](const RejectedRow& row, std::string_view text) { return rehearsal.take(row, text); });
  if (arguments.edit) settle_edits(*work->file, false);
  return exit_after(done, outcome);
}

}  // namespace

Exit run_rejected_resend(const Context& context, const RejectedArguments& arguments) {
  if (arguments.dry_run) return rehearse(context, arguments);
  auto work = open_work(context, arguments);
  if (!work) return report(work.error());
  StopOnSignal stop;  // behind the editor, which has the terminal's signals to itself
  SystemClock clock;
  SystemRandom random;
  Screen screen("resend", context.quiet, clock);
  Outcome outcome(screen);
  auto resending = open_resending(context, arguments, clock, random, stop.token(), outcome);
  Status done = resending ? work->each([&](const RejectedRow& row, std::string_view text) {
    return resending->take(row, text);
  })
                          : Status(fail(resending.error()));
  screen.bar.clear();
  if (arguments.edit) settle_edits(*work->file, done && outcome.is_clean());
  if (resending) print_summary(context, outcome.table());
  return exit_after(done, outcome);
}

}  // namespace tillrace::app
