#include "base/base64.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace tillrace {
namespace {

// RFC 4648, section 10.
TEST(Base64, WritesWhatTheStandardShows) {
  for (const auto& [bytes, text] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"f", "Zg=="},
                                                        {"fo", "Zm8="},
                                                        {"foo", "Zm9v"},
                                                        {"foob", "Zm9vYg=="},
                                                        {"fooba", "Zm9vYmE="},
                                                        {"foobar", "Zm9vYmFy"},
                                                        {"\xff\xef\xbe", "/+++"}}) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, GivesAnyBytesBack) {
  EXPECT_TRUE(rc::check(
      [](const std::string& bytes) { RC_ASSERT(base64_decode(base64_encode(bytes)) == bytes); }));
}

TEST(Base64, NoTextHasATwin) {
  for (const char* wrong : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9", "Zm9=", "=",
                            "====", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm-_", "Zm9v="})
    EXPECT_FALSE(base64_decode(wrong)) << wrong;
}

}  // namespace
}  // namespace tillrace
