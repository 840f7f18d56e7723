#include "app/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/utf8.h"

namespace tillrace::app {
namespace {

using testing::HasSubstr;

constexpr PrintOptions kTable{Format::table, false, {}};
constexpr PrintOptions kJson{Format::json, false, {}};
constexpr PrintOptions kCsv{Format::csv, false, {}};

Table sample() {
  return {{{"country", CellKind::text}, {"net_sales", CellKind::number}, {"ok", CellKind::boolean}},
          {{"EIRE", "1234567.5", "t"}, {"Côte", "-20", "f"}, {std::nullopt, std::nullopt, {}}}};
}

Table one_cell(CellKind kind, std::optional<std::string> cell) {
  return {{{"a", kind}}, {{std::move(cell)}}};
}

TEST(PrintTable, AlignsTextLeftAndNumbersRight) {
  EXPECT_EQ(print(sample(), kTable),
            "country    net_sales  ok\n"
            "───────  ───────────  ──\n"
            "EIRE     1,234,567.5  t\n"
            "Côte             -20  f\n"
            "-                  -  -\n");
}

TEST(PrintTable, CountsCharactersNotBytes) {
  Table table = {{{"d", CellKind::text}, {"n", CellKind::number}},
                 {{"£40.00", "1"}, {"日本", "22"}, {"plain!", "3"}}};
  EXPECT_EQ(print(table, kTable),
            "d        n\n"
            "──────  ──\n"
            "£40.00   1\n"
            "日本      22\n"
            "plain!   3\n");
}

TEST(PrintTable, ZerosBeyondTwoDecimalsAreLeftOutAndOtherDigitsNever) {
  for (auto [digits, shown] :
       std::vector<std::pair<const char*, const char*>>{{"17.8500", "17.85"},
                                                        {"2.0000", "2.00"},
                                                        {"0.0010", "0.001"},
                                                        {"1000.5", "1,000.5"},
                                                        {"-5.10", "-5.10"},
                                                        {"1.5e+20", "1.5e+20"},
                                                        {"1.500e-10", "1.500e-10"},
                                                        {"-2.25E100", "-2.25E100"},
                                                        {"100", "100"},
                                                        {"1000000", "1,000,000"}})
    EXPECT_THAT(print(one_cell(CellKind::number, digits), {Format::table, true, {}}),
                fmt::format("a  {}\n", shown));
}

TEST(PrintTable, WithoutRowsShowsTheHeadAlone) {
  Table table = sample();
  table.rows.clear();
  EXPECT_EQ(print(table, kTable), "country  net_sales  ok\n───────  ─────────  ──\n");
  EXPECT_EQ(print(table, {Format::table, true, "net_sales"}), print(table, kTable));
}

TEST(PrintTable, ShortensLongTextBetweenCharactersAndNeverANumber) {
  std::string exact, longer;
  for (int i = 0; i < 48; ++i) exact += "é";
  longer = exact + "é";
  EXPECT_THAT(print(one_cell(CellKind::text, exact), kTable), HasSubstr("\n" + exact + "\n"));
  EXPECT_THAT(print(one_cell(CellKind::text, longer), kTable),
              HasSubstr("\n" + exact.substr(0, 94) + "…\n"));
  std::string number(60, '1');
  EXPECT_THAT(print(one_cell(CellKind::number, number), kTable), HasSubstr("111,111,111,111\n"));
}

// A Description comes from outside and may hold all but NUL.
TEST(PrintTable, ControlCharactersDoNotReachTheTerminal) {
  std::string hostile =
      "a\x1b[2Jb\nc\td\x7f"
      "e\xc2\x9b"
      "1mf";
  std::string shown = "a�[2Jb�c�d�e�1mf";
  EXPECT_THAT(print(one_cell(CellKind::text, hostile), kTable), HasSubstr("\n" + shown + "\n"));
  EXPECT_EQ(print(one_cell(CellKind::text, hostile), {Format::table, true, {}}),
            "a  " + shown + "\n");
}

TEST(PrintTable, ASingleRowIsAnUprightList) {
  Table table = {{{"customer_id", CellKind::text},
                  {"net", CellKind::number},
                  {"orders", CellKind::number},
                  {"since", CellKind::text}},
                 {{"14646", "279489.02", "74", std::nullopt}}};
  EXPECT_EQ(print(table, {Format::table, true, {}}),
            "customer_id  14646\n"
            "net          279,489.02\n"
            "orders               74\n"
            "since        -\n");
}

TEST(PrintTable, BarsAreInProportionToTheMostAndNoneForLosses) {
  Table table = {{{"m", CellKind::text}, {"net", CellKind::number}},
                 {{"a", "200"}, {"b", "100"}, {"c", "-50"}, {"d", std::nullopt}, {"e", "0"}}};
  std::string full, half;
  for (int i = 0; i < 30; ++i) (i < 15 ? half : full) += "█";
  full += half;
  EXPECT_EQ(print(table, {Format::table, false, "net"}),
            "m  net\n─  ───\na  200  " + full + "\nb  100  " + half + "\nc  -50\nd    -\ne    0\n");
}

TEST(PrintTable, WithOnlyLossesThereAreNoBars) {
  Table table = {{{"net", CellKind::number}}, {{"-3"}, {"-4"}}};
  EXPECT_EQ(print(table, {Format::table, false, "net"}), "net\n───\n -3\n -4\n");
}

TEST(GroupedDigits, GroupsByThousandsBeforeThePoint) {
  for (auto [plain, grouped] : std::vector<std::pair<const char*, const char*>>{
           {"0", "0"},
           {"999", "999"},
           {"1000", "1,000"},
           {"-999", "-999"},
           {"-1000", "-1,000"},
           {"123456", "123,456"},
           {"1234567.8901234", "1,234,567.8901234"},
           {"-2147483647999999785251.6352", "-2,147,483,647,999,999,785,251.6352"},
           {"", ""},
           {"-", "-"},
           {"NaN", "NaN"},
           {"Infinity", "Infinity"},
           {"1e+20", "1e+20"},
           {"12345678 x", "12345678 x"}})
    EXPECT_EQ(grouped_digits(plain), grouped);
}

TEST(PrintJson, IsAnArrayOfObjectsWithEachKindOfCell) {
  EXPECT_EQ(print(sample(), kJson), R"([{"country":"EIRE","net_sales":1234567.5,"ok":true},)"
                                    R"({"country":"Côte","net_sales":-20,"ok":false},)"
                                    R"({"country":null,"net_sales":null,"ok":null}])"
                                    "\n");
}

TEST(PrintJson, NumbersKeepAllTheirDigits) {
  for (const char* digits : {"-2147483647999999785251.6352", "0.10", "9007199254740993",
                             "123456789012345678901234567890"})
    EXPECT_EQ(print(one_cell(CellKind::number, digits), kJson),
              fmt::format("[{{\"a\":{}}}]\n", digits));
}

TEST(PrintJson, ASingleRowIsTheObjectAndNoRowAnEmptyArray) {
  PrintOptions single{Format::json, true, {}};
  EXPECT_EQ(print(one_cell(CellKind::number, "1"), single), "{\"a\":1}\n");
  EXPECT_EQ(print({{{"a", CellKind::text}}, {}}, single), "[]\n");
  EXPECT_EQ(print({{{"a", CellKind::text}}, {{"x"}, {"y"}}}, single),
            "[{\"a\":\"x\"},{\"a\":\"y\"}]\n");
}

TEST(PrintJson, TextIsEscapedAndWhole) {
  std::string text = "\"\\\n\x1b" + std::string(100, 'x');
  EXPECT_EQ(print(one_cell(CellKind::text, text), kJson),
            "[{\"a\":\"\\\"\\\\\\n\\u001b" + std::string(100, 'x') + "\"}]\n");
}

TEST(PrintJson, AnyTextGivesUtf8OnOneLine) {
  EXPECT_TRUE(rc::check([](const std::string& any) {
    std::string json = print(one_cell(CellKind::text, any), kJson);
    RC_ASSERT(is_utf8(json));
    RC_ASSERT(json.find('\n') == json.size() - 1);
  }));
}

TEST(PrintCsv, LeavesNumbersAsTheyAreAndNullsEmpty) {
  EXPECT_EQ(print(sample(), kCsv), "country,net_sales,ok\nEIRE,1234567.5,t\nCôte,-20,f\n,,\n");
}

TEST(PrintCsv, AnEmptyTextIsNotNullAndNoRowIsABlankLine) {
  Table table = {{{"a", CellKind::text}, {"b", CellKind::text}},
                 {{"", std::nullopt}, {std::nullopt, ""}, {std::nullopt, std::nullopt}}};
  EXPECT_EQ(print(table, kCsv), "a,b\n\"\",\n,\"\"\n,\n");
  EXPECT_EQ(print(one_cell(CellKind::number, std::nullopt), kCsv), "a\n\"\"\n");
  EXPECT_EQ(print(one_cell(CellKind::text, ""), kCsv), "a\n\"\"\n");
}

TEST(PrintCsv, QuotesWhatWouldBreakARow) {
  for (auto [text, cell] :
       std::vector<std::pair<std::string, std::string>>{{"plain", "plain"},
                                                        {" blanks ", " blanks "},
                                                        {"a,b", "\"a,b\""},
                                                        {"say \"hi\"", "\"say \"\"hi\"\"\""},
                                                        {"\"", "\"\"\"\""},
                                                        {"two\nlines", "\"two\nlines\""},
                                                        {"cr\rhere", "\"cr\rhere\""},
                                                        {"semi;colon", "semi;colon"}})
    EXPECT_EQ(print(one_cell(CellKind::text, text), kCsv), "a\n" + cell + "\n");
  EXPECT_EQ(print({{{"a,b", CellKind::text}}, {}}, kCsv), "\"a,b\"\n");
}

// What a stream of the table's rows writes, in one text.
std::string streamed(const Table& table, Format format) {
  std::string out;
  RowStream stream(table.columns, format, [&](const std::string& text) { out += text; });
  for (const auto& row : table.rows) stream.row(row);
  stream.end();
  return out;
}

TEST(RowStream, WritesWhatPrintWrites) {
  Table empty = {sample().columns, {}};
  for (Format format : {Format::table, Format::csv, Format::json}) {
    EXPECT_EQ(streamed(sample(), format), print(sample(), {format, false, {}}));
    EXPECT_EQ(streamed(empty, format), print(empty, {format, false, {}}));
  }
}

TEST(RowStream, HoldsNoMoreThanAPieceOfWhatIsLong) {
  std::size_t longest = 0;
  std::size_t all = 0;
  RowStream stream({{"n", CellKind::number}}, Format::json, [&](const std::string& text) {
    longest = std::max(longest, text.size());
    all += text.size();
  });
  for (int i = 0; i < 100'000; ++i) stream.row({std::to_string(i)});
  stream.end();
  EXPECT_LT(longest, std::size_t{66} * 1024);
  EXPECT_GT(all, 1'000'000U);
}

TEST(RowStream, ATableHoldsLongTextsShortenedAndSoPrintShowsThem) {
  std::string control = "\x1b" + std::string(100, 'x');
  for (const std::string& text : {std::string(300'000, 'x'), control}) {
    Table table = one_cell(CellKind::text, text);
    EXPECT_EQ(streamed(table, Format::table), print(table, kTable));
  }
  std::string number(60, '1');
  EXPECT_THAT(streamed(one_cell(CellKind::number, number), Format::table), HasSubstr("111,111\n"));
}

TEST(RowStream, ATableIsCutAtItsLimitAndSaysSo) {
  for (std::size_t rows : {RowStream::kMostTableRows, RowStream::kMostTableRows + 1}) {
    std::string out;
    RowStream stream({{"n", CellKind::number}}, Format::table,
                     [&](const std::string& text) { out += text; });
    for (std::size_t i = 0; i < rows; ++i) stream.row({std::to_string(i)});
    stream.end();
    EXPECT_EQ(stream.is_cut(), rows > RowStream::kMostTableRows);
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(out, '\n')),
              RowStream::kMostTableRows + 2);
  }
}

TEST(PrintJson, WhatIsJsonStaysJsonAndIsATextElsewhere) {
  Table table = one_cell(CellKind::json, R"([1,{"k":null}])");
  EXPECT_EQ(print(table, kJson), "[{\"a\":[1,{\"k\":null}]}]\n");
  EXPECT_EQ(print(table, kCsv), "a\n\"[1,{\"\"k\"\":null}]\"\n");
}

}  // namespace
}  // namespace tillrace::app
