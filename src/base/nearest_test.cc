#include "base/nearest.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <string>

namespace tillrace {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"status", "topics", "tail", "data_dir",
                                                    "customer-summary"};

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("stauts", "status"), 2u);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2u);
}

TEST(EditDistance, IsSymmetricAndAtMostTheLongerLength) {
  EXPECT_TRUE(rc::check([](const std::string& a, const std::string& b) {
    std::size_t distance = edit_distance(a, b);
    RC_ASSERT(distance == edit_distance(b, a));
    RC_ASSERT(distance <= std::max(a.size(), b.size()));
    RC_ASSERT(distance + std::min(a.size(), b.size()) >= std::max(a.size(), b.size()));
    RC_ASSERT((distance == 0) == (a == b));
  }));
}

TEST(Nearest, FindsWhatWasMeant) {
  EXPECT_EQ(nearest("stauts", kNames), "status");
  EXPECT_EQ(nearest("topic", kNames), "topics");
  EXPECT_EQ(nearest("data-dir", kNames), "data_dir");
  EXPECT_EQ(nearest("customersummery", kNames), "customer-summary");
}

TEST(Nearest, FindsNothingInWhatIsTooFarAway) {
  EXPECT_EQ(nearest("frobnicate", kNames), std::nullopt);
  EXPECT_EQ(nearest("", kNames), std::nullopt);
  EXPECT_EQ(nearest("status", {}), std::nullopt);
  EXPECT_EQ(nearest("stxxxs", kNames), std::nullopt);  // three of six; at most two
}

TEST(Nearest, TakesTheFirstOfTheEquallyNear) {
  constexpr std::array<std::string_view, 3> names = {"cat", "bat", "hat"};
  EXPECT_EQ(nearest("rat", names), "cat");
  EXPECT_EQ(nearest("hat", names), "hat");
}

}  // namespace
}  // namespace tillrace
