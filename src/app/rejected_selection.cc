#include "app/rejected_selection.h"

#include "base/nearest.h"
#include "model/fields.h"
#include "warehouse/batch_writer.h"

namespace tillrace::app {
namespace {

using warehouse::RejectedFilter;

Status check_known(std::string_view what, const std::optional<std::string>& word,
                   const std::vector<std::string_view>& known) {
  if (!word || std::find(known.begin(), known.end(), *word) != known.end()) return {};
  auto like = nearest(*word, known);
  return fail(
      Code::invalid, "there is no {} '{}'; {}", what, *word,
      like ? fmt::format("did you mean '{}'?", *like) : fmt::format("{}", fmt::join(known, ", ")));
}

Status check_words(const RejectedArguments& arguments) {
  std::vector<std::string_view> kinds;
  for (warehouse::RejectedKind kind : warehouse::kRejectedKinds) kinds.push_back(name(kind));
  if (Status known = check_known("reason", arguments.kind, kinds); !known) return known;
  std::vector<std::string_view> names;
  for (const Field& field : fields()) names.push_back(field.name);
  return check_known("field", arguments.field, names);
}

RejectedFilter conditions(const RejectedArguments& arguments) {
  RejectedFilter filter;
  filter.topic = arguments.topic;
  if (arguments.partition) filter.partition = Partition{*arguments.partition};
  filter.kind = arguments.kind;
  filter.field = arguments.field;
  filter.since = arguments.since;
  filter.not_resent = arguments.not_resent;
  filter.count = arguments.count;
  return filter;
}

}  // namespace

Result<std::vector<RejectedFilter>> selected(const Config& config,
                                             const RejectedArguments& arguments) {
  if (Status known = check_words(arguments); !known) return fail(known.error());
  if (arguments.records.empty()) return std::vector{conditions(arguments)};
  std::vector<RejectedFilter> filters;
  for (const std::string& record : arguments.records) {
    auto place = parse_place(record, arguments.topic.value_or(config.log.topic));
    if (!place) return fail(place.error());
    filters.push_back(filter_of(*place));
  }
  return filters;
}

RejectedFilter filter_of(const RecordPlace& place) {
  RejectedFilter filter;
  filter.topic = place.topic;
  filter.partition = place.partition;
  filter.offset = place.offset;
  return filter;
}

Status for_each_selected(warehouse::Connection& connection,
                         const std::vector<RejectedFilter>& filters,
                         const std::function<Status(const warehouse::RejectedRow&)>& visit) {
  for (const RejectedFilter& filter : filters) {
    bool found = false;
    Status done =
        warehouse::for_each_rejected(connection, filter, [&](const warehouse::RejectedRow& row) {
          found = true;
          return visit(row);
        });
    if (!done) return done;
    if (filter.offset && !found)
      return fail(Code::not_found,
                  "{}/{}:{} is not among the rejected records; see `tillrace "
                  "rejected list`",
                  *filter.topic, filter.partition->value, filter.offset->value);
  }
  return {};
}

}  // namespace tillrace::app
