#include "model/event_json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

namespace tillrace {
namespace {

// An event as text, from members as text; `change` replaces or adds members, an empty value takes
// one out.
std::string event(const std::map<std::string, std::string>& change = {}) {
  std::map<std::string, std::string> members = {
      {"InvoiceNo", R"("536365")"},   {"StockCode", R"("85123A")"},
      {"Description", R"("HEART")"},  {"Quantity", "6"},
      {"UnitPrice", "2.55"},          {"InvoiceDate", R"("2010-12-01 08:26:00")"},
      {"CustomerID", R"("17850.0")"}, {"Country", R"("United Kingdom")"}};
  for (const auto& [name, value] : change) members[name] = value;
  std::string text;
  for (const auto& [name, value] : members)
    if (!value.empty()) text += (text.empty() ? "{\"" : ",\"") + name + "\":" + value;
  return text + "}";
}

tl::expected<Transaction, Rejection> parse(const std::string& json) {
  EventParser parser{TimeZone{}};
  return parser.parse(json);
}

TEST(EventParser, ReadsEveryField) {
  auto line =
      parse(event({{"LineNo", "3"}, {"EventId", R"("018F6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70")"}}));
  ASSERT_TRUE(line) << to_string(line.error());
  EXPECT_EQ(line->invoice_no, "536365");
  EXPECT_EQ(line->stock_code, "85123A");
  EXPECT_EQ(line->description, "HEART");
  EXPECT_EQ(line->quantity, 6);
  EXPECT_EQ(to_string(line->invoiced_at), "2010-12-01T08:26:00.000000Z");
  EXPECT_EQ(to_string(line->unit_price), "2.55");
  EXPECT_EQ(line->customer_id, "17850");
  EXPECT_EQ(line->country, "United Kingdom");
  EXPECT_EQ(line->line_no, 3);
  EXPECT_EQ(to_string(*line->event_id), "018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70");
  EXPECT_EQ(to_string(amount(*line)), "15.3");
}

TEST(EventParser, TakesWhatOtherWritersOfTheSameDataWrite) {
  for (const auto& change : std::vector<std::map<std::string, std::string>>{
           {{"InvoiceNo", "536365"}},
           {{"StockCode", "22423"}},
           {{"CustomerID", "17850"}},
           {{"CustomerID", "17850.0"}},
           {{"CustomerID", "null"}},
           {{"CustomerID", ""}},
           {{"Description", "null"}},
           {{"Description", R"("   ")"}},
           {{"UnitPrice", R"("2.55")"}},
           {{"UnitPrice", "-11062.06"}},
           {{"UnitPrice", "1e2"}},
           {{"InvoiceDate", R"("12/1/2010 8:26")"}},
           {{"InvoiceDate", R"("2010-12-01T08:26")"}},
           {{"Quantity", "-2147483648"}},
           {{"Extra", R"({"a":[1,2.5e-300,null,true,"\u0000"],"b":{}})"}},
           {{"Invoice\\u004eo", R"("1")"}, {"InvoiceNo", ""}}})
    EXPECT_TRUE(parse(event(change))) << event(change);
}

TEST(EventParser, RefusesAFieldThatBreaksItsRuleAndNamesIt) {
  const std::string long_21(21, 'x');
  for (const auto& [field, value] : std::vector<std::pair<std::string, std::string>>{
           {"InvoiceNo", ""},
           {"InvoiceNo", "null"},
           {"InvoiceNo", R"("")"},
           {"InvoiceNo", R"("5363 65")"},
           {"InvoiceNo", "\"" + long_21 + "\""},
           {"InvoiceNo", "536365.0"},
           {"InvoiceNo", "-1"},
           {"InvoiceNo", "true"},
           {"StockCode", R"("  ")"},
           {"StockCode", R"("a\u0000")"},
           {"StockCode", R"("a\tb")"},
           {"StockCode", "\"" + long_21 + "\""},
           {"StockCode", "1e5"},
           {"Description", "7"},
           {"Description", R"("a\u0000b")"},
           {"Description", "\"" + std::string(501, 'x') + "\""},
           {"Quantity", "0"},
           {"Quantity", "1.5"},
           {"Quantity", "6.0"},
           {"Quantity", R"("6")"},
           {"Quantity", "2147483648"},
           {"Quantity", "1" + std::string(400, '0')},
           {"InvoiceDate", R"("2010-13-01 08:26")"},
           {"InvoiceDate", R"("2011-02-29 08:26")"},
           {"InvoiceDate", R"("2010-12-01")"},
           {"InvoiceDate", R"("2010-12-01 24:00")"},
           {"InvoiceDate", R"("2010-12-01 08:26:60")"},
           {"InvoiceDate", R"("0000-01-01 00:00")"},
           {"InvoiceDate", R"("2010-12-01 08:26 Z")"},
           {"InvoiceDate", R"("2010-12-01 08:26+25:00")"},
           {"InvoiceDate", R"("13/1/2010 8:26")"},
           {"InvoiceDate", R"("12/1/10 8:26")"},
           {"InvoiceDate", "1291191960"},
           {"UnitPrice", "2.55001"},
           {"UnitPrice", "1000000000000"},
           {"UnitPrice", "1e400"},
           {"UnitPrice", R"("2,55")"},
           {"UnitPrice", R"("")"},
           {"UnitPrice", R"(" 2.55")"},
           {"UnitPrice", "null"},
           {"UnitPrice", "[2.55]"},
           {"CustomerID", R"("")"},
           {"CustomerID", "17850.5"},
           {"CustomerID", R"("17850.0.0")"},
           {"CustomerID", "{}"},
           {"Country", R"("")"},
           {"Country", "\"" + std::string(65, 'x') + "\""},
           {"Country", R"("a\u0085b")"},
           {"LineNo", "0"},
           {"LineNo", R"("1")"},
           {"EventId", R"("018f6b1c7d2e7c3a9b1f2a3c4d5e6f70")"},
           {"EventId", R"("{18f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f7}")"}}) {
    auto line = parse(event({{field, value}}));
    ASSERT_FALSE(line) << field << " " << value;
    EXPECT_FALSE(line.error().malformed) << field << " " << value;
    ASSERT_EQ(line.error().errors.size(), 1u);
    EXPECT_EQ(line.error().errors[0].field, field);
  }
}

TEST(EventParser, NamesAllFieldsThatAreWrong) {
  auto line = parse(R"({"Quantity":0,"Country":1})");
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().errors.size(), 6u) << to_string(line.error());
}

TEST(EventParser, RefusesAFieldGivenTwice) {
  std::string text = event();
  text.insert(1, R"("Quantity":6,)");
  auto line = parse(text);
  ASSERT_FALSE(line);
  EXPECT_EQ(to_string(line.error()), "Quantity: given once, got it twice");
}

TEST(EventParser, RefusesWhatIsNoJsonObject) {
  const std::string right = event();
  std::string deep = event({{"Extra", std::string(64, '[') + std::string(64, ']')}});
  std::string very_deep = event({{"Extra", std::string(100000, '[') + std::string(100000, ']')}});
  for (const std::string& text :
       std::vector<std::string>{"",
                                " ",
                                "{",
                                "}",
                                "null",
                                "1",
                                "[]",
                                "[" + right + "]",
                                R"("text")",
                                right + right,
                                right + ",",
                                right + "x",
                                "\xef\xbb\xbf" + right,
                                right.substr(0, right.size() - 1),
                                "{" + right + "}",
                                event({{"Extra", "nul"}}),
                                event({{"Extra", "01"}}),
                                event({{"Extra", "1."}}),
                                event({{"Extra", "+1"}}),
                                event({{"Extra", ".5"}}),
                                event({{"Extra", "NaN"}}),
                                event({{"Extra", "[1,]"}}),
                                event({{"Extra", "[1 2]"}}),
                                event({{"Extra", "{\"a\"}"}}),
                                event({{"Extra", "{\"a\":}"}}),
                                event({{"Extra", "[}"}}),
                                event({{"Extra", "\"\xff\""}}),
                                event({{"Extra", "\"\xed\xa0\x80\""}}),
                                event({{"Extra", "\"\\x\""}}),
                                event({{"Extra", "\"\\ud800\""}}),
                                event({{"Extra", "\"a\nb\""}}),
                                event({{"Extra", "'a'"}}),
                                event({{"Extra", "1,\"b\" 2"}}),
                                event({{"Extra", std::string("\"\0\"", 3)}}),
                                deep,
                                very_deep}) {
    auto line = parse(text);
    ASSERT_FALSE(line) << text.substr(0, 300);
    EXPECT_TRUE(line.error().malformed) << text.substr(0, 300) << to_string(line.error());
  }
}

// What is kept as received must be JSON for every later reader.
TEST(EventParser, SaysThatAByteOrderMarkIsInTheWay) {
  auto line = parse("\xef\xbb\xbf" + event());
  ASSERT_FALSE(line);
  EXPECT_EQ(to_string(line.error()), "JSON without a byte order mark in front");
}

TEST(EventParser, TakesTheLongestTextsThatTheRulesAllow) {
  std::string pounds;  // 20 characters of 2 bytes
  for (int i = 0; i < 20; ++i) pounds += "\xc2\xa3";
  for (const auto& [field, value] : std::vector<std::pair<std::string, std::string>>{
           {"InvoiceNo", std::string(20, 'x')},
           {"StockCode", pounds},
           {"Description", "  " + std::string(500, 'x') + "  "},
           {"CustomerID", std::string(20, '9') + ".0"},
           {"Country", std::string(64, 'x')}})
    EXPECT_TRUE(parse(event({{field, "\"" + value + "\""}}))) << field;
  for (const auto& [field, value] : std::vector<std::pair<std::string, std::string>>{
           {"StockCode", pounds + "x"}, {"CustomerID", std::string(21, '9') + ".0"}})
    EXPECT_FALSE(parse(event({{field, "\"" + value + "\""}}))) << field;
}

TEST(EventParser, TakesNestingUpToItsLimitAndNotOneLevelMore) {
  auto nested = [](int levels) {  // the event itself is the first
    auto count = static_cast<std::size_t>(levels - 1);
    return event({{"Extra", std::string(count, '[') + std::string(count, ']')}});
  };
  EXPECT_TRUE(parse(nested(EventParser::kMostDepth)));
  EXPECT_FALSE(parse(nested(EventParser::kMostDepth + 1)));
}

TEST(EventParser, ShowsALongValueShortenedBetweenCharacters) {
  std::string text(59, 'x');
  for (int i = 0; i < 20; ++i) text += "\xc2\xa3";
  auto line = parse(event({{"Country", "\"" + text + "\""}}));
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().errors[0].got, std::string(59, 'x') + "...");
}

TEST(EventParser, SaysOfNullsAndContainersWhatTheyAre) {
  for (auto [value, got] :
       std::vector<std::pair<const char*, const char*>>{{"null", "nothing"},
                                                        {"{\"a\":1}", "an object"},
                                                        {"[1]", "an array"},
                                                        {"true", "true"}}) {
    auto line = parse(event({{"Country", value}}));
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().errors[0].got, got);
  }
}

TEST(EventParser, IsAsGoodAsNewAfterARefusal) {
  EventParser parser{TimeZone{}};
  EXPECT_FALSE(parser.parse("{\"a\":[1,"));
  EXPECT_TRUE(parser.parse(event()));
}

TEST(EventParser, ReadsBackWhatAppendJsonWrites) {
  EXPECT_TRUE(rc::check([](std::int32_t quantity, std::int64_t price, std::uint32_t seconds,
                           std::string description) {
    Transaction line;
    line.invoice_no = "C1-a";
    line.stock_code = "\xc2\xa3 x";
    line.quantity = quantity == 0 ? 1 : quantity;
    line.unit_price = Price{price % 10'000'000'000'000'000};
    line.invoiced_at = UtcMicros{std::int64_t{seconds} * 1'000'000 + seconds % 2};
    line.country = "EIRE";
    std::erase(description, '\0');
    std::erase_if(description,
                  [](char c) { return static_cast<unsigned char>(c) >= 0x80 || c <= ' '; });
    if (!description.empty()) line.description = description.substr(0, 500);
    if (quantity % 2 == 0) line.customer_id = "12345";
    if (quantity % 3 == 0) line.line_no = 7;
    if (quantity % 5 == 0) line.event_id = derived_event_id("x", quantity);
    std::string text;
    append_json(text, line);
    auto read = parse(text);
    RC_ASSERT(read.has_value());
    RC_ASSERT(*read == line);
  }));
}

TEST(SplitArray, FindsEachRecord) {
  auto records = split_array(" [ {\"a\":\"]},{\\\"\"} ,[1,{}] , 7 ]\n");
  ASSERT_TRUE(records) << records.error().message;
  EXPECT_EQ(*records, (std::vector<std::string_view>{"{\"a\":\"]},{\\\"\"}", "[1,{}]", "7"}));
  EXPECT_TRUE(split_array("[]")->empty());
  EXPECT_TRUE(split_array("[ \n]")->empty());
}

TEST(SplitArray, RefusesWhatIsNoArray) {
  for (std::string_view bad : {"", "[", "]", "{}", "[{},]", "[,{}]", "[{}]]", "[{}],[{}]",
                               "[{\"a\":1]", "[{}", "[\"a]", "[[]", "[}]", "[{}]x]", "[ , ]"})
    EXPECT_FALSE(split_array(bad)) << bad;
}

TEST(SplitLines, PassesOverBlankLinesAndCarriageReturns) {
  EXPECT_EQ(split_lines("{}\r\n\n  \n{\"a\":1}"),
            (std::vector<std::string_view>{"{}", "{\"a\":1}"}));
  EXPECT_TRUE(split_lines("").empty());
}

}  // namespace
}  // namespace tillrace
