#include "warehouse/known_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "warehouse/batch_for_tests.h"

namespace tillrace::warehouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

std::vector<Line> lines_of(const std::vector<Sale>& sales) {
  return TestSource().batch(sales).lines;
}

TEST(KnownNames, NamesEachOnceAndWithTheFirstDescription) {
  auto lines = lines_of({{.stock_code = "1", .country = "EIRE", .description = {}},
                         {.stock_code = "1", .country = "EIRE", .description = "FIRST"},
                         {.stock_code = "1", .customer = {}, .description = "SECOND"},
                         {.stock_code = "2", .customer = "1"}});
  Names names = KnownNames().missing_in(lines);
  EXPECT_THAT(names.countries, UnorderedElementsAre("EIRE", "United Kingdom"));
  EXPECT_THAT(names.customers, UnorderedElementsAre("17850", "1"));
  EXPECT_THAT(names.products, ElementsAre(Pair("1", "FIRST"), Pair("2", "WHITE HANGING HEART")));
}

TEST(KnownNames, WhatWasAddedIsMissingNoMoreUntilItIsForgotten) {
  auto lines = lines_of({Sale{}});
  KnownNames known;
  known.add(known.missing_in(lines));
  EXPECT_TRUE(known.missing_in(lines).empty());
  auto other = lines_of({{.stock_code = "17850", .customer = "85123A"}});
  Names names = known.missing_in(other);
  EXPECT_THAT(names.customers, ElementsAre("85123A")) << "a product is no customer";
  EXPECT_THAT(names.countries, IsEmpty());
  known.forget();
  EXPECT_FALSE(known.missing_in(lines).empty());
}

TEST(KnownNames, AProductWithoutADescriptionStaysMissing) {
  auto nameless = lines_of({{.description = {}}});
  KnownNames known;
  known.add(known.missing_in(nameless));
  EXPECT_EQ(known.missing_in(nameless).products.size(), 1u);
}

TEST(KnownNames, ForgetsEverythingBeforeItHoldsTooMuch) {
  KnownNames known;
  std::vector<std::string> customers(KnownNames::kMostNames + 1);
  Names many;
  for (std::size_t i = 0; i < customers.size(); ++i)
    many.customers.push_back(customers[i] = std::to_string(i));
  known.add(many);
  auto lines = lines_of({Sale{}});
  EXPECT_THAT(known.missing_in(lines).customers, IsEmpty());
  known.add({});
  EXPECT_THAT(known.missing_in(lines).customers, ElementsAre("17850"));
}

}  // namespace
}  // namespace tillrace::warehouse
