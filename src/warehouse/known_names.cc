#include "warehouse/known_names.h"

#include <map>

#include "warehouse/batch_writer.h"

namespace tillrace::warehouse {
namespace {

constexpr char kCountry = 'c';
constexpr char kCustomer = 'u';
constexpr char kProduct = 'p';

std::uint64_t hash_of(char kind, std::string_view name) {
  return std::hash<std::string_view>{}(name)*0x9e3779b97f4a7c15 + static_cast<std::uint64_t>(kind);
}

}  // namespace

bool KnownNames::knows(char kind, std::string_view name) const {
  return hashes_.contains(hash_of(kind, name));
}

// Neighbouring lines are mostly of one invoice, so country and customer are looked up once for all
// of them.
Names KnownNames::missing_in(const std::vector<Line>& lines) const {
  std::unordered_set<std::string_view> countries;
  std::unordered_set<std::string_view> customers;
  std::map<std::string_view, std::optional<std::string_view>> products;
  const Transaction* before = nullptr;
  for (const Line& line : lines) {
    const Transaction& event = line.transaction;
    if ((before == nullptr || event.country != before->country) && !knows(kCountry, event.country))
      countries.insert(event.country);
    if (event.customer_id && (before == nullptr || event.customer_id != before->customer_id) &&
        !knows(kCustomer, *event.customer_id))
      customers.insert(*event.customer_id);
    if (!knows(kProduct, event.stock_code)) {
      auto& description = products[event.stock_code];
      if (!description && event.description) description = *event.description;
    }
    before = &event;
  }
  return {{countries.begin(), countries.end()},
          {customers.begin(), customers.end()},
          {products.begin(), products.end()}};
}

void KnownNames::add(const Names& names) {
  if (hashes_.size() > kMostNames) forget();
  for (std::string_view country : names.countries) hashes_.insert(hash_of(kCountry, country));
  for (std::string_view customer : names.customers) hashes_.insert(hash_of(kCustomer, customer));
  for (const auto& [code, description] : names.products)
    if (description) hashes_.insert(hash_of(kProduct, code));
}

}  // namespace tillrace::warehouse
