#include "client/convert.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "base/files.h"
#include "base/scratch_for_tests.h"
#include "client/line_numbers.h"
#include "model/event_json.h"

namespace tillrace::client {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHeader =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

std::string content_of(const fs::path& path) { return read_file(path).value_or("(no such file)"); }

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::string_view line : split_lines(text)) lines.emplace_back(line);
  return lines;
}

// Each test has a folder of its own, with shop.csv in it.
class Convert : public testing::Test {
 protected:
  Convert() {
    options_.input = folder_ / "shop.csv";
    options_.output = folder_ / "shop.ndjson";
    callbacks_.warn = [this](std::string_view line) { warnings_.emplace_back(line); };
  }

  Result<ConvertSummary> run(std::string_view csv) {
    write_text(options_.input, csv);
    warnings_.clear();
    return convert(options_, callbacks_);
  }
  // Rows under the usual header.
  Result<ConvertSummary> rows(std::string_view csv) {
    return run(std::string(kHeader) + std::string(csv));
  }
  std::vector<std::string> written() { return lines_of(content_of(options_.output)); }
  std::string rejected() { return content_of(folder_ / "shop.rejected.csv"); }

  const ScratchFolder scratch_;
  const fs::path folder_ = scratch_.path();
  ConvertOptions options_;
  ConvertCallbacks callbacks_;
  std::vector<std::string> warnings_;
};

constexpr std::string_view kLantern =
    R"({"InvoiceNo":"536365","StockCode":"71053","Description":"WHITE METAL LANTERN","Quantity":6,)"
    R"("InvoiceDate":"2010-12-01T08:26:00","UnitPrice":3.39,"CustomerID":"17850",)"
    R"("Country":"United Kingdom","LineNo":1})";

TEST_F(Convert, ReadsEveryKnownHeader) {
  for (std::string_view csv : {
           "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
           "536365,71053,WHITE METAL LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom\n",
           "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n"
           "536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom\r\n",
           "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
           "536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom\n",
           "\xef\xbb\xbfInvoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer "
           "ID,Country\n"
           "536365,71053,WHITE METAL LANTERN,6,2010-12-01T08:26,3.39,17850,United Kingdom",
           "COUNTRY,customer id, Unit Price ,invoice date,QUANTITY,description,\"stock "
           "code\",invoiceNO\n"
           "\"United Kingdom\",17850,3.390,12/01/2010 08:26,6,\"WHITE METAL "
           "LANTERN\",71053,536365\n",
       }) {
    auto summary = run(csv);
    ASSERT_TRUE(summary) << summary.error().message;
    EXPECT_EQ(summary->written, 1u);
    EXPECT_EQ(written(), std::vector<std::string>{std::string(kLantern)}) << csv;
    EXPECT_TRUE(warnings_.empty());
  }
}

TEST_F(Convert, NamesTheColumnsThatAreMissing) {
  auto summary = run("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,Cost,Country\n");
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, Code::invalid);
  EXPECT_EQ(
      summary.error().message,
      options_.input.string() +
          ": the header lacks the columns UnitPrice, CustomerID; it has: InvoiceNo, StockCode, "
          "Description, Quantity, InvoiceDate, Cost, Country");
  EXPECT_FALSE(fs::exists(options_.output));
}

TEST_F(Convert, SaysWhyAHeaderIsNoCsv) {
  auto hint = [this](std::string_view csv) {
    auto summary = run(csv);
    return summary ? "accepted" : summary.error().message;
  };
  EXPECT_NE(hint("InvoiceNo;StockCode;Country\n1;2;3\n").find("by commas, not ;"),
            std::string::npos);
  EXPECT_NE(hint("InvoiceNo\tStockCode\n1\t2\n").find("not tabs"), std::string::npos);
  EXPECT_NE(hint(std::string_view("\xff\xfeI\0n\0", 6)).find("UTF-16"), std::string::npos);
  EXPECT_NE(hint("").find("is empty"), std::string::npos);
  EXPECT_NE(hint("\n\n").find("is empty"), std::string::npos);
  EXPECT_NE(hint("Invoice,\"InvoiceNo\n").find("line 1, the header: the quote opened on line 1"),
            std::string::npos);
  EXPECT_NE(hint("Invoice,InvoiceNo,StockCode\n")
                .find("two columns for InvoiceNo: 'Invoice' and 'InvoiceNo'"),
            std::string::npos);
}

TEST_F(Convert, IgnoresOtherColumnsAndSaysSo) {
  auto summary =
      run("Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country,Caf\xe9\n"
          "536365,71053,WHITE METAL LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom,x\n");
  ASSERT_TRUE(summary);
  EXPECT_EQ(written(), std::vector<std::string>{std::string(kLantern)});
  EXPECT_EQ(warnings_, std::vector<std::string>{"column 'Caf\xc3\xa9' is ignored"});
}

// What a field of the only row written became.
class ConvertCell : public Convert {
 protected:
  std::string cell(std::string_view row, std::string_view key) {
    auto summary = rows(row);
    if (!summary) return summary.error().message;
    if (summary->written == 0) return warnings_.empty() ? "nothing" : warnings_.front();
    std::string line = written().front();
    std::size_t at = line.find(fmt::format("\"{}\":", key));
    if (at == std::string::npos) return "absent";
    std::size_t begin = at + key.size() + 3;
    std::size_t end =
        line[begin] == '"' ? line.find('"', begin + 1) + 1 : line.find_first_of(",}", begin);
    return line.substr(begin, end - begin);
  }
  std::string date(std::string_view text) {
    return cell(fmt::format("1,A,x,1,{},1,,UK\n", text), "InvoiceDate");
  }
};

TEST_F(ConvertCell, TakesUtf8AndWindows1252CellByCell) {
  EXPECT_EQ(cell("1,A,Voucher \xc2\xa3"
                 "40,1,12/1/2010 8:26,1,,UK\n",
                 "Description"),
            "\"Voucher \xc2\xa3"
            "40\"");
  EXPECT_EQ(cell("1,A,Voucher \xa3"
                 "40,1,12/1/2010 8:26,1,,UK\n",
                 "Description"),
            "\"Voucher \xc2\xa3"
            "40\"");
  EXPECT_EQ(cell("1,A,\x80 5 \x96 \x93x\x94,1,12/1/2010 8:26,1,,UK\n", "Description"),
            "\"\xe2\x82\xac 5 \xe2\x80\x93 \xe2\x80\x9cx\xe2\x80\x9d\"");
  EXPECT_EQ(cell("1,A,x,1,12/1/2010 8:26,1,,Cura\xe7"
                 "ao\n",
                 "Country"),
            "\"Cura\xc3\xa7"
            "ao\"");
  rows("1,A,\xc2\xa3 \xc3\xa9,1,12/1/2010 8:26,1,,UK\n1,A,\xa3 \xe9,1,12/1/2010 8:26,1,,UK\n")
      .value();
  EXPECT_EQ(written()[0].find("\xc2\xa3 \xc3\xa9"), written()[1].find("\xc2\xa3 \xc3\xa9"));
}

TEST_F(ConvertCell, ReadsBothDateForms) {
  EXPECT_EQ(date("2010-12-01 08:26:00"), "\"2010-12-01T08:26:00\"");
  EXPECT_EQ(date("2010-12-01T08:26:00.5"), "\"2010-12-01T08:26:00.500000\"");
  EXPECT_EQ(date("12/1/2010 8:26"), "\"2010-12-01T08:26:00\"");
  EXPECT_EQ(date("01/12/2009 07:45"), "\"2009-01-12T07:45:00\"");
  EXPECT_EQ(date("12/31/2010 23:59:58"), "\"2010-12-31T23:59:58\"");
}

TEST_F(ConvertCell, TakesTheDayFirstOnlyWhenTold) {
  options_.date_order = DateOrder::dmy;
  EXPECT_EQ(date("01/12/2009 07:45"), "\"2009-12-01T07:45:00\"");
  EXPECT_EQ(date("31/12/2010 8:26"), "\"2010-12-31T08:26:00\"");
  EXPECT_EQ(date("2010-12-01 08:26:00"), "\"2010-12-01T08:26:00\"");
  EXPECT_NE(date("12/31/2010 8:26").find("--date-order mdy"), std::string::npos);
}

TEST_F(ConvertCell, HintsAtTheDateOrderWhenTheMonthCannotBe) {
  EXPECT_EQ(date("13/1/2010 8:26"),
            "line 2: InvoiceDate: YYYY-MM-DD HH:MM[:SS], or M/D/YYYY H:MM; where the day comes "
            "first, convert "
            "with --date-order dmy, got 13/1/2010 8:26");
  EXPECT_EQ(date("13/32/2010 8:26").find("--date-order"), std::string::npos);
}

TEST_F(ConvertCell, KeepsAZoneThatIsWritten) {
  EXPECT_EQ(date("2010-12-01T08:26:00Z"), "\"2010-12-01T08:26:00Z\"");
  EXPECT_EQ(date("2010-12-01 08:26:00+02:00"), "\"2010-12-01T06:26:00Z\"");
  EXPECT_EQ(date("2010-12-01 00:26:00-0130"), "\"2010-12-01T01:56:00Z\"");
}

TEST_F(ConvertCell, RefusesDatesThatAreNone) {
  for (const char* text :
       {"2010-02-30 08:26:00", "2/30/2010 8:26", "12/1/10 8:26", "12-1-2010 8:26", "2010-12-01",
        "8:26", "12/1/2010", "12/1/2010 8:26 PM", "12/1/2010 24:00", "//", "40513.35"})
    EXPECT_TRUE(date(text).starts_with("line 2: InvoiceDate: ")) << text;
}

TEST_F(ConvertCell, TrimsCodesAndTreatsEmptyAsAbsent) {
  EXPECT_EQ(cell("1, 85123A ,x,1,12/1/2010 8:26,1,,UK\n", "StockCode"), "\"85123A\"");
  EXPECT_EQ(cell("1,A,x,1,12/1/2010 8:26,1,, EIRE \n", "Country"), "\"EIRE\"");
  EXPECT_EQ(cell(" 536365 ,A,x,1,12/1/2010 8:26,1,,UK\n", "InvoiceNo"), "\"536365\"");
  EXPECT_EQ(cell("1,A,\"  SET, OF \"\"6\"\"  \",1,12/1/2010 8:26,1,,UK\n", "Description"),
            R"("SET, OF \")");  // up to the first quote: the escape shows that it is one
  EXPECT_EQ(cell("1,A,   ,1,12/1/2010 8:26,1,,UK\n", "Description"), "absent");
  EXPECT_EQ(cell("1,A,x,1,12/1/2010 8:26,1,,UK\n", "CustomerID"), "absent");
  EXPECT_EQ(cell("1,A,x,1,12/1/2010 8:26,1,17850.0,UK\n", "CustomerID"), "\"17850\"");
  EXPECT_EQ(cell("1,A,x,-12,12/1/2010 8:26,1,,UK\n", "Quantity"), "-12");
  EXPECT_EQ(cell("1,A,x,1,12/1/2010 8:26,-11062.06,,UK\n", "UnitPrice"), "-11062.06");
  EXPECT_EQ(cell("1,A,x,1,12/1/2010 8:26,0.001,,UK\n", "UnitPrice"), "0.001");
}

TEST_F(Convert, NamesLineFieldAndRuleOfABadRow) {
  auto first_warning = [this](std::string_view row) {
    EXPECT_EQ(rows(row).value().rejected, 1u);
    return warnings_.front();
  };
  EXPECT_EQ(first_warning("1,A,\"x\ny\",0,12/1/2010 8:26,1,,UK\n"),
            "line 2: Quantity: an integer from -2147483648 to 2147483647, not 0, got 0");
  EXPECT_EQ(first_warning("\n1,A,x,1.5,12/1/2010 8:26,1,,UK\n"),
            "line 3: Quantity: an integer from -2147483648 to 2147483647, not 0, got 1.5");
  EXPECT_EQ(first_warning(",A,x,1,12/1/2010 8:26,1,,UK\n"),
            "line 2: InvoiceNo: 1 to 20 of A-Z, a-z, 0-9 and -, got nothing");
  EXPECT_TRUE(first_warning("1,,x,1,12/1/2010 8:26,1,,UK\n").starts_with("line 2: StockCode: "));
  EXPECT_TRUE(first_warning("1,A,x,,12/1/2010 8:26,1,,UK\n").starts_with("line 2: Quantity: "));
  EXPECT_TRUE(first_warning("1,A,x,six,12/1/2010 8:26,1,,UK\n").starts_with("line 2: Quantity: "));
  EXPECT_TRUE(
      first_warning("1,A,x,2147483648,12/1/2010 8:26,1,,UK\n").starts_with("line 2: Quantity: "));
  EXPECT_TRUE(first_warning("1,A,x,1,12/1/2010 8:26,\xa3"
                            "1,,UK\n")
                  .starts_with("line 2: UnitPrice: "));
  EXPECT_TRUE(
      first_warning("1,A,x,1,12/1/2010 8:26,\"1,5\",,UK\n").starts_with("line 2: UnitPrice: "));
  EXPECT_TRUE(
      first_warning("1,A,x,1,12/1/2010 8:26,0.00001,,UK\n").starts_with("line 2: UnitPrice: "));
  EXPECT_TRUE(
      first_warning("1,A,x,1,12/1/2010 8:26,1,a b,UK\n").starts_with("line 2: CustomerID: "));
  EXPECT_TRUE(first_warning("1,A,x,1,12/1/2010 8:26,1,,\n").starts_with("line 2: Country: "));
  EXPECT_TRUE(first_warning("1,A,x,1,12/1/2010 8:26,1,,U\x81K\n").starts_with("line 2: Country: "));
  EXPECT_EQ(first_warning("1,A,x,1,12/1/2010 8:26,1,UK\n"),
            "line 2: as many cells as the header has columns, got 7 instead of 8");
  EXPECT_EQ(first_warning("1,A,x,1,12/1/2010 8:26,1,,UK,\n"),
            "line 2: as many cells as the header has columns, got 9 instead of 8");
  EXPECT_TRUE(first_warning("1,A,\"x,1,12/1/2010 8:26,1,,UK\n")
                  .starts_with("line 2: the quote opened on line 2"));
}

TEST_F(Convert, GoesOnBehindBadRowsAndKeepsTheirNumbers) {
  auto summary = rows(
      "7,A,x,1,12/1/2010 8:26,1,,UK\n"
      "7,B,x,0,12/1/2010 8:26,1,,UK\n"
      "8,A,x,1,12/1/2010 8:26,1,,UK\n"
      "7,C,x,1,12/1/2010 8:26,1,,UK\n"
      "!,D,x,1,12/1/2010 8:26,1,,UK\n"
      "8,E,x,y,1,12/1/2010 8:26,1,,UK\n"
      "8,F,\"x,1,12/1/2010 8:26,1,,UK\r\n"
      "8,G,x,1,12/1/2010 8:26,1,,UK");
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->rows, 8u);
  EXPECT_EQ(summary->written, 4u);
  EXPECT_EQ(summary->rejected, 4u);
  EXPECT_EQ(summary->invoices, 2u);
  auto lines = written();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].ends_with(R"("LineNo":1})"));
  EXPECT_TRUE(lines[1].ends_with(R"("LineNo":1})"));
  EXPECT_TRUE(lines[2].ends_with(R"("LineNo":3})"));
  EXPECT_TRUE(lines[3].ends_with(R"("LineNo":3})"));
  EXPECT_EQ(summary->rejected_path, folder_ / "shop.rejected.csv");
  EXPECT_EQ(
      rejected(),
      "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country,LineNo\n"
      "7,B,x,0,12/1/2010 8:26,1,,UK,2\n"
      "!,D,x,1,12/1/2010 8:26,1,,UK,\n"
      "8,E,x,y,1,12/1/2010 8:26,1,,UK,2\n"
      "8,F,\"x,1,12/1/2010 8:26,1,,UK\r\n");
}

TEST_F(Convert, PutsRepairedRowsBackInTheirPlaces) {
  rows("7,A,x,1,12/1/2010 8:26,1,,UK\n7,B,x,0,12/1/2010 8:26,1,,UK\n").value();
  std::string repaired = rejected();
  repaired.replace(repaired.find("x,0,"), 4, "x,9,");
  options_.output = folder_ / "repaired.ndjson";
  ASSERT_EQ(run(repaired).value().written, 1u);
  EXPECT_TRUE(written().front().ends_with(R"("LineNo":2})"));
}

TEST_F(Convert, RefusesToGuessTheNumberOfARepairedRow) {
  std::string header(kHeader.substr(0, kHeader.size() - 1));
  auto summary =
      run(header + ",LineNo\n7,B,x,9,12/1/2010 8:26,1,,UK,\n7,C,x,9,12/1/2010 8:26,1,,UK,0\n");
  EXPECT_EQ(summary.value().rejected, 2u);
  EXPECT_TRUE(warnings_.front().starts_with("line 2: LineNo: the line's number in its invoice"));
  EXPECT_EQ(rejected(),
            header + ",LineNo\n7,B,x,9,12/1/2010 8:26,1,,UK,\n7,C,x,9,12/1/2010 8:26,1,,UK,0\n");
}

TEST_F(Convert, NumbersOnFromAStateAndOverALineNoColumn) {
  options_.lines_from = folder_ / "lines";
  rows("7,A,x,1,12/1/2010 8:26,1,,UK\n7,A,x,1,12/1/2010 8:26,1,,UK\n8,A,x,1,12/1/2010 8:26,1,,UK\n")
      .value();
  EXPECT_EQ(content_of(folder_ / "lines"), "tillrace line numbers 1\n7\t2\n8\t1\n");
  auto second = rows("7,A,x,1,12/1/2010 8:26,1,,UK\n9,A,x,1,12/1/2010 8:26,1,,UK\n");
  EXPECT_EQ(second.value().invoices, 2u);
  EXPECT_TRUE(written()[0].ends_with(R"("LineNo":3})"));
  EXPECT_TRUE(written()[1].ends_with(R"("LineNo":1})"));
  std::string header(kHeader.substr(0, kHeader.size() - 1));
  run(header + ",LineNo\n7,A,x,1,12/1/2010 8:26,1,,UK,9\n7,A,x,1,12/1/2010 8:26,1,,UK,\n").value();
  EXPECT_TRUE(written()[1].ends_with(R"("LineNo":10})"));
  EXPECT_EQ(content_of(folder_ / "lines"), "tillrace line numbers 1\n7\t10\n8\t1\n9\t1\n");
}

TEST_F(Convert, RefusesAStateThatIsNone) {
  options_.lines_from = folder_ / "lines";
  for (std::string_view state :
       {"", "InvoiceNo\n", "tillrace line numbers 1\n7\t2", "tillrace line numbers 1\n7\t0\n",
        "tillrace line numbers 1\n7\n", "tillrace line numbers 1\n\t1\n",
        "tillrace line numbers 1\n7\t2147483648\n"}) {
    write_text(*options_.lines_from, state);
    auto summary = rows("7,A,x,1,12/1/2010 8:26,1,,UK\n");
    ASSERT_FALSE(summary) << state;
    EXPECT_EQ(summary.error().code, Code::corrupt);
    EXPECT_EQ(content_of(*options_.lines_from), state);
  }
}

TEST_F(Convert, RejectsALineBehindTheLastNumber) {
  options_.lines_from = folder_ / "lines";
  write_text(*options_.lines_from, "tillrace line numbers 1\n7\t2147483647\n");
  EXPECT_EQ(rows("7,A,x,1,12/1/2010 8:26,1,,UK\n").value().rejected, 1u);
  EXPECT_TRUE(warnings_.front().starts_with("line 2: LineNo: "));
}

TEST_F(Convert, NamesTwentyBadRowsAndCountsTheRest) {
  std::string csv;
  for (int i = 0; i < 30; ++i) csv += "7,A,x,0,12/1/2010 8:26,1,,UK\n";
  EXPECT_EQ(rows(csv).value().rejected, 30u);
  ASSERT_EQ(warnings_.size(), 21u);
  EXPECT_EQ(warnings_.back(), "further rejected rows are not named but counted");
  EXPECT_EQ(lines_of(rejected()).size(), 31u);
}

TEST_F(Convert, SaysWhatBecameOfAnEarlierRunsRejects) {
  write_text(folder_ / "shop.rejected.csv", "of before");
  rows("7,A,x,0,12/1/2010 8:26,1,,UK\n").value();
  EXPECT_NE(warnings_.back().find("of an earlier run is replaced"), std::string::npos);
  EXPECT_EQ(lines_of(rejected()).size(), 2u);
  auto summary = rows("7,A,x,1,12/1/2010 8:26,1,,UK\n");
  EXPECT_NE(warnings_.back().find("of an earlier run is removed"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "shop.rejected.csv"));
  EXPECT_TRUE(summary.value().rejected_path.empty());
}

TEST_F(Convert, KeepsTheInputFromBeingOverwritten) {
  options_.output = options_.input;
  EXPECT_EQ(rows("7,A,x,1,12/1/2010 8:26,1,,UK\n").error().code, Code::invalid);
  EXPECT_EQ(content_of(options_.input), std::string(kHeader) + "7,A,x,1,12/1/2010 8:26,1,,UK\n");
  options_.output = folder_ / "shop.ndjson";
  options_.rejected = folder_ / "." / "shop.csv";
  EXPECT_FALSE(rows("7,A,x,0,12/1/2010 8:26,1,,UK\n"));
}

TEST_F(Convert, SaysThatTheDiskIsFull) {
  options_.output = "/dev/full";
  auto summary = rows("7,A,x,1,12/1/2010 8:26,1,,UK\n");
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, Code::exhausted);
  EXPECT_EQ(summary.error().message, "cannot write /dev/full: No space left on device");
}

// The limit on a file's size stands in for a disk that fills up half way.
TEST_F(Convert, LeavesNoHalfFileBehind) {
  std::string csv;
  for (int i = 0; i < 20'000; ++i) csv += "7,A,some description,1,12/1/2010 8:26,1,,UK\n";
  write_text(options_.input, std::string(kHeader) + csv);
  write_text(options_.output, "of before");
  auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit small{1 << 20, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto summary = convert(options_, callbacks_);
  ::setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, Code::exhausted);
  EXPECT_EQ(content_of(options_.output), "of before");
  EXPECT_FALSE(fs::exists(options_.output.string() + ".part"));
}

TEST_F(Convert, StopsWhenAskedAndKeepsNothing) {
  std::string csv(kHeader);
  for (int i = 0; i < 10'000; ++i) csv += "7,A,x,1,12/1/2010 8:26,1,,UK\n";
  write_text(options_.input, csv);
  std::stop_source stop;
  callbacks_.progress = [&stop](const Progress&) { stop.request_stop(); };
  auto summary = convert(options_, callbacks_, stop.get_token());
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, Code::shutting_down);
  EXPECT_FALSE(fs::exists(options_.output));
  EXPECT_FALSE(fs::exists(options_.output.string() + ".part"));
}

TEST_F(Convert, SaysThatThereIsNoSuchFile) {
  auto summary = convert(options_, callbacks_);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, Code::not_found);
  options_.input = folder_;
  EXPECT_EQ(convert(options_, callbacks_).error().code, Code::invalid);
}

TEST_F(Convert, ReportsProgressInBytesOfTheInput) {
  std::vector<Progress> seen;
  callbacks_.progress = [&seen](const Progress& progress) { seen.push_back(progress); };
  std::string csv;
  for (int i = 0; i < 9'000; ++i) csv += "7,A,x,1,12/1/2010 8:26,1,,UK\n";
  auto summary = rows(csv);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_LT(seen[0].done, seen[1].done);
  EXPECT_EQ(seen[2].done, kHeader.size() + csv.size());
  EXPECT_EQ(seen[2].total, kHeader.size() + csv.size());
  EXPECT_EQ(summary.value().bytes_read, kHeader.size() + csv.size());
}

// Resident memory in KB: /proc/self/statm, proc(5).
std::size_t resident_kb() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * 4;
}

TEST_F(Convert, NeedsNoMemoryForTheSizeOfTheFile) {
  {
    std::ofstream csv(options_.input, std::ios::binary);
    csv << kHeader;
    for (int i = 0; i < 300'000; ++i)
      csv << (i % 100)
          << ",85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,"
             "12/1/2010 8:26,2.55,17850,United Kingdom\n";
  }
  ASSERT_GT(fs::file_size(options_.input), 24'000'000u);
  [[maybe_unused]] std::size_t before_kb = resident_kb();
  std::size_t most_kb = 0;
  callbacks_.progress = [&most_kb](const Progress&) { most_kb = std::max(most_kb, resident_kb()); };
  EXPECT_EQ(convert(options_, callbacks_).value().written, 300'000u);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep what is freed
  EXPECT_LT(most_kb, before_kb + 12'000);
#endif
}

TEST_F(Convert, AcceptsEveryRowOfTheRealData) {
  fs::path packed = fs::path(TILLRACE_SOURCE_DIR) / "../shared/data/online-retail.csv.xz";
  if (!fs::exists(packed)) GTEST_SKIP() << "the data set is not at " << packed;
  std::string unpack = fmt::format("xz -dc '{}' > '{}'", packed.string(), options_.input.string());
  if (std::system(unpack.c_str()) != 0) GTEST_SKIP() << "no xz to unpack the data set";
  auto summary = convert(options_, callbacks_);
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->rows, 541'909u);
  EXPECT_EQ(summary->written, 541'909u);
  EXPECT_EQ(summary->rejected, 0u);
  EXPECT_EQ(summary->invoices, 25'900u);
  EXPECT_EQ(summary->without_description, 1'454u);
  // The money survives the way to JSON and back, and no two lines share a place.
  EventParser parser{TimeZone{}};
  Money net;
  std::map<std::string, std::int32_t> last;
  const std::string json = content_of(options_.output);
  for (std::string_view line : split_lines(json)) {
    auto read = parser.parse(line);
    ASSERT_TRUE(read) << line;
    net += amount(*read);
    ASSERT_EQ(read->line_no, ++last[read->invoice_no]);
  }
  EXPECT_EQ(to_string(net), "9747747.934");
}

}  // namespace
}  // namespace tillrace::client
