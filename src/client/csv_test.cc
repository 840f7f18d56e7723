#include "client/csv.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstring>

namespace tillrace::client {
namespace {

using Row = std::vector<std::string>;

ByteSource source_of(std::string_view data) {
  return [data](std::span<char> room) mutable -> Result<std::size_t> {
    std::size_t count = std::min(room.size(), data.size());
    std::memcpy(room.data(), data.data(), count);
    data.remove_prefix(count);
    return count;
  };
}

// A record as one text: "1: a|b", or "1! what is wrong".
std::string shown(const CsvRecord& record) {
  std::string out = fmt::format("{}{}", record.line, record.problem.empty() ? ": " : "! ");
  if (!record.problem.empty()) return out + record.problem;
  for (std::size_t i = 0; i < record.cells.size(); ++i)
    out.append(i == 0 ? "" : "|").append(record.cells[i]);
  return out;
}

std::vector<std::string> read_all(std::string_view data, CsvOptions options = {}) {
  CsvReader reader(source_of(data), options);
  std::vector<std::string> records;
  CsvRecord record;
  while (reader.next(record).value()) records.push_back(shown(record));
  return records;
}

struct Case {
  const char* name;
  std::string_view input;
  std::vector<std::string> records;
};
void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

template <class Tested>
std::string name_of(const testing::TestParamInfo<Tested>& tested) {
  return tested.param.name;
}

class CsvReads : public testing::TestWithParam<Case> {};

TEST_P(CsvReads, WhateverTheChunks) {
  const Case& tested = GetParam();
  for (std::size_t chunk : {1u, 2u, 3u, 5u, 7u, 64u, 4096u})
    EXPECT_EQ(read_all(tested.input, {1 << 20, chunk}), tested.records) << "chunks of " << chunk;
}

using namespace std::string_view_literals;

INSTANTIATE_TEST_SUITE_P(
    Wellformed, CsvReads,
    testing::Values(
        Case{"Nothing", "", {}}, Case{"OnlyAByteOrderMark", "\xef\xbb\xbf", {}},
        Case{"OnlyBlankLines", "\n\r\n\r\n\n", {}}, Case{"OneCell", "a", {"1: a"}},
        Case{"OneLine", "a,b,c\n", {"1: a|b|c"}},
        Case{"NoLastLineEnd", "a,b\nc,d", {"1: a|b", "2: c|d"}},
        Case{"WindowsLineEnds", "a,b\r\nc,d\r\n", {"1: a|b", "2: c|d"}},
        Case{"OldMacLineEnds", "a,b\rc,d\r", {"1: a|b", "2: c|d"}},
        Case{"MixedLineEnds", "a\nb\r\nc\rd", {"1: a", "2: b", "3: c", "4: d"}},
        Case{"DoubledCarriageReturn", "a\r\r\nb", {"1: a", "3: b"}},
        Case{"BlankLinesBetween", "a\n\n\r\nb\n", {"1: a", "4: b"}},
        Case{"ByteOrderMark",
             "\xef\xbb\xbf"
             "a,b\n",
             {"1: a|b"}},
        Case{"MarkBeforeAQuote", "\xef\xbb\xbf\"a,b\",c\n", {"1: a,b|c"}},
        Case{"MarkOnlyInFront",
             "a\n\xef\xbb\xbf"
             "b\n",
             {"1: a",
              "2: \xef\xbb\xbf"
              "b"}},
        Case{"HalfAMark", "\xef\xbb", {"1: \xef\xbb"}}, Case{"EmptyCells", ",,\n", {"1: ||"}},
        Case{"EmptyLastCell", "a,\n", {"1: a|"}}, Case{"EmptyLastCellAtTheEnd", "a,", {"1: a|"}},
        Case{"QuotedEmptyCell", "\"\"\n", {"1: "}}, Case{"QuotedEmptyCells", "\"\",\"\"", {"1: |"}},
        Case{"QuotedComma", "\"a,b\",c\n", {"1: a,b|c"}},
        Case{"DoubledQuote", "\"a\"\"b\"\n", {"1: a\"b"}},
        Case{"OnlyADoubledQuote", "\"\"\"\"\n", {"1: \""}},
        Case{"QuotesAllAround", "\"\"\"a\"\"\",\"\"\"b\"\"\"\n", {"1: \"a\"|\"b\""}},
        Case{"ManyDoubledQuotes", "\"\"\"\"\"\"\"\"\n", {"1: \"\"\""}},
        Case{"QuotedLineEnd", "\"a\nb\",c\nd,e\n", {"1: a\nb|c", "3: d|e"}},
        Case{"QuotedWindowsLineEnd", "\"a\r\nb\",c\r\nd,e\r\n", {"1: a\r\nb|c", "3: d|e"}},
        Case{"QuotedCarriageReturn", "\"a\rb\"\nc\n", {"1: a\rb", "3: c"}},
        Case{"QuotedBlankLines", "\"\n\n\n\"\nz\n", {"1: \n\n\n", "5: z"}},
        Case{"QuotedRecordAtTheEnd", "a\n\"b,c\"", {"1: a", "2: b,c"}},
        Case{"QuotesInsideAPlainCell", "5\" plate,say \"hi\"\n", {"1: 5\" plate|say \"hi\""}},
        Case{"BlankBeforeAQuoteIsPlain", " \"a\",b\n", {"1:  \"a\"|b"}},
        Case{"BlanksBehindAQuote", "\"a\" \t,b\n", {"1: a|b"}},
        Case{"BlanksAreKept", " a , b \n", {"1:  a | b "}},
        Case{"NulBytes", "a\0b,c\n"sv, {std::string("1: a\0b|c"sv)}},
        Case{"BytesBeyondAscii",
             "\xa3"
             "40,\xff\n",
             {"1: \xa3"
              "40|\xff"}},
        Case{"RowsOfDifferentLength", "a\nb,c\n\"d\",e,f\n", {"1: a", "2: b|c", "3: d|e|f"}}),
    name_of<Case>);

INSTANTIATE_TEST_SUITE_P(
    Malformed, CsvReads,
    testing::Values(
        Case{"TextBehindAQuote",
             "\"a\"b,c\nd,e\n",
             {"1! cell 1 goes on behind its closing quote; a quote inside a quoted cell is written "
              "twice",
              "2: d|e"}},
        Case{"UnescapedInnerQuotes",
             "x,\"5\" plate\",y\nd,e\n",
             {"1! cell 2 goes on behind its closing quote; a quote inside a quoted cell is written "
              "twice",
              "2: d|e"}},
        Case{"QuotedCellsWithoutAComma",
             "\"a\"\"b\" \"c\"\nd\n",
             {"1! cell 1 goes on behind its closing quote; a quote inside a quoted cell is written "
              "twice",
              "2: d"}},
        Case{"QuoteNeverClosed",
             "a,b\n\"c,d\ne,f\ng,h",
             {"1: a|b", "2! the quote opened on line 2 is not closed before the end of the file",
              "3: e|f", "4: g|h"}},
        Case{"QuoteNeverClosedOnTheLastLine",
             "a\nb,\"c",
             {"1: a", "2! the quote opened on line 2 is not closed before the end of the file"}},
        Case{"QuoteNeverClosedBehindALongCell",
             "\"a\nb\",\"c\nd\ne\n",
             {"1! the quote opened on line 2 is not closed before the end of the file", "3: d",
              "4: e"}},
        Case{"OnlyAQuote",
             "\"",
             {"1! the quote opened on line 1 is not closed before the end of the file"}},
        Case{"ThreeQuotes",
             "\"\"\"\nb\n",
             {"1! the quote opened on line 1 is not closed before the end of the file", "2: b"}},
        Case{"TwoQuotesNeverClosed",
             "\"a\nb,\"c\nd\n",
             {"1! cell 1 goes on behind its closing quote; a quote inside a quoted cell is written "
              "twice",
              "3: d"}}),
    name_of<Case>);

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (; times > 0; --times) out += text;
  return out;
}

struct LimitCase {
  const char* name;
  std::string input;
  std::vector<std::string> records;
};
void PrintTo(const LimitCase& tested, std::ostream* out) { *out << tested.name; }

class CsvLimit : public testing::TestWithParam<LimitCase> {};

TEST_P(CsvLimit, OfSixteenBytesCostsTheRecordOnly) {
  for (std::size_t chunk : {1u, 2u, 3u, 16u, 17u, 4096u})
    EXPECT_EQ(read_all(GetParam().input, {16, chunk}), GetParam().records) << "chunks of " << chunk;
}

INSTANTIATE_TEST_SUITE_P(
    At, CsvLimit,
    testing::Values(
        LimitCase{"ExactlyThere", "a,bbbbbbbbbbbbb\nc\n", {"1: a|bbbbbbbbbbbbb", "2: c"}},
        LimitCase{"WithAWindowsLineEnd", "a,bbbbbbbbbbbb\r\nc\n", {"1: a|bbbbbbbbbbbb", "2: c"}},
        LimitCase{"ExactlyThereAtTheEnd", "a,bbbbbbbbbbbbbb", {"1: a|bbbbbbbbbbbbbb"}},
        LimitCase{"OneBeyond",
                  "a,bbbbbbbbbbbbbb\nc\n",
                  {"1! the record does not end within 16 bytes", "2: c"}},
        LimitCase{"FarBeyond",
                  repeated("a,", 100) + "\r\nc\r\n",
                  {"1! the record does not end within 16 bytes", "2: c"}},
        LimitCase{"FarBeyondAtTheEnd",
                  "z\n" + repeated("a,", 100),
                  {"1: z", "2! the record does not end within 16 bytes"}},
        LimitCase{"ALongQuotedLine",
                  "\"" + repeated("a", 40) + "\",b\nc\n",
                  {"1! the record does not end within 16 bytes", "2: c"}},
        LimitCase{"ManyQuotedLines",
                  "\"a\nb\nc\"," + repeated("d", 20) + "\ne\n",
                  {"1! the record does not end within 16 bytes", "4: e"}},
        LimitCase{"QuoteNeverClosed",
                  "\"a,b\nccccc,ddddd\ne,f\n",
                  {"1! the quote opened on line 1 is not closed within 16 bytes", "2: ccccc|ddddd",
                   "3: e|f"}},
        LimitCase{"QuoteOpenedOnALaterLine",
                  "\"a\nb\",\"c\nddddddddd\nf\n",
                  {"1! the quote opened on line 2 is not closed within 16 bytes", "3: ddddddddd",
                   "4: f"}},
        LimitCase{"QuoteClosedBeyond",
                  "\"a\nbbbbbbb\nccccccc\"\nd\n",
                  {"1! the quote opened on line 1 is not closed within 16 bytes", "2: bbbbbbb",
                   "3: ccccccc\"", "4: d"}}),
    name_of<LimitCase>);

TEST(CsvReader, KeepsTheBytesOfARecordAsTheyWere) {
  CsvReader reader(source_of("\xef\xbb\xbf\"a\"\"b\" ,c\r\n\"d\ne,f"));
  CsvRecord record;
  ASSERT_TRUE(reader.next(record).value());
  EXPECT_EQ(record.raw, "\"a\"\"b\" ,c\r\n");
  ASSERT_TRUE(reader.next(record).value());
  EXPECT_EQ(record.raw, "\"d\n");
  ASSERT_TRUE(reader.next(record).value());
  EXPECT_EQ(record.raw, "e,f");
  EXPECT_EQ(reader.bytes_taken(), 20u);
  EXPECT_FALSE(reader.next(record).value());
}

TEST(CsvReader, PassesOnThatItsSourceFailed) {
  int calls = 0;
  CsvReader reader([&calls](std::span<char> room) -> Result<std::size_t> {
    if (++calls > 1) return fail(Code::unavailable, "the disk is gone");
    room[0] = 'a';
    return 1;
  });
  CsvRecord record;
  auto found = reader.next(record);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "the disk is gone");
}

// Each of these lines leaves a quote open when it is read from its beginning, and opens another
// when it is read inside one: a reader that went back to the line behind the first quote each time
// would need 10^11 steps.
TEST(CsvReader, NeedsNoLongerForHostileQuotes) {
  std::string hostile = repeated("x\"\"\",\"\n", 300'000);
  CsvReader reader(source_of(hostile), {1 << 20, 1 << 16});
  CsvRecord record;
  std::uint64_t records = 0;
  while (reader.next(record).value()) ++records;
  EXPECT_GE(records, 1u);
  EXPECT_EQ(reader.bytes_taken(), hostile.size());
}

std::string quoted(const std::string& cell, bool always) {
  bool must = cell.find_first_of(",\"\r\n") != std::string::npos;
  if (!must && !always) return cell;
  std::string out = "\"";
  for (char c : cell) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

TEST(CsvReader, ReadsBackAnyTableWrittenWithQuotes) {
  EXPECT_TRUE(rc::check([] {
    auto cell = rc::gen::container<std::string>(rc::gen::oneOf(
        rc::gen::element('"', ',', '\r', '\n', ' ', '\0', '\xa3'), rc::gen::inRange('a', 'z')));
    auto rows =
        *rc::gen::container<std::vector<Row>>(rc::gen::nonEmpty(rc::gen::container<Row>(cell)));
    auto chunk = *rc::gen::inRange<std::size_t>(1, 40);
    std::string line_end = *rc::gen::element<std::string>("\n", "\r\n");
    bool ended = *rc::gen::arbitrary<bool>();
    std::string text;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t k = 0; k < rows[i].size(); ++k)
        // An empty only cell, and one that looks like a byte order mark, would read otherwise.
        text += (k > 0 ? "," : "") + quoted(rows[i][k], rows[i].size() == 1 || k % 2 == 1);
      if (ended || i + 1 < rows.size()) text += line_end;
    }
    CsvReader reader(source_of(text), {1 << 20, chunk});
    CsvRecord record;
    for (const Row& row : rows) {
      RC_ASSERT(reader.next(record).value());
      RC_ASSERT(record.problem.empty());
      RC_ASSERT(Row(record.cells.begin(), record.cells.end()) == row);
    }
    RC_ASSERT(!reader.next(record).value());
  }));
}

TEST(CsvReader, ReadsAnyBytesTheSameWhateverTheChunks) {
  EXPECT_TRUE(rc::check([] {
    auto text = *rc::gen::container<std::string>(
        rc::gen::element('"', '"', ',', '\r', '\n', 'a', 'b', '\xef'));
    auto limit = *rc::gen::inRange<std::size_t>(1, 30);
    auto whole = read_all(text, {limit, 4096});
    RC_ASSERT(read_all(text, {limit, 1}) == whole);
    RC_ASSERT(read_all(text, {limit, *rc::gen::inRange<std::size_t>(2, 12)}) == whole);
  }));
}

}  // namespace
}  // namespace tillrace::client
