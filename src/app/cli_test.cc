// The command line from within: what is printed where, and the exit code.
#include "app/cli.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "app/commands.h"
#include "base/scratch_for_tests.h"

namespace tillrace::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

using Arguments = std::vector<std::string>;

const std::vector<Arguments> kCommands = {{"up"},
                                          {"convert"},
                                          {"generate"},
                                          {"post"},
                                          {"topics"},
                                          {"tail"},
                                          {"topics", "create"},
                                          {"customer"},
                                          {"invoice"},
                                          {"topics", "list"},
                                          {"report"},
                                          {"status"},
                                          {"doctor"},
                                          {"config"},
                                          {"config", "check"},
                                          {"config", "show"},
                                          {"keys"},
                                          {"keys", "create"},
                                          {"keys", "list"},
                                          {"keys", "revoke"},
                                          {"gateway"},
                                          {"processor"},
                                          {"rejected"},
                                          {"rejected", "list"},
                                          {"rejected", "show"},
                                          {"rejected", "export"},
                                          {"rejected", "resend"},
                                          {"lake"},
                                          {"lake", "ls"},
                                          {"lake", "history"},
                                          {"lake", "files"},
                                          {"lake", "read"},
                                          {"lake", "compact"},
                                          {"lake", "vacuum"},
                                          {"lake", "checkpoint"},
                                          {"query"}};

class CliTest : public testing::Test {
 protected:
  struct Outcome {
    int exit;
    std::string out;
    std::string err;
  };

  // Each command in a folder of its own, so that no .env and no data folder lie about.
  CliTest() : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder_.path());
  }
  ~CliTest() override { std::filesystem::current_path(before_); }

  static Outcome run(const Arguments& arguments, const std::vector<std::string>& environment = {}) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int exit = run_cli(arguments, environment);
    std::string out = testing::internal::GetCapturedStdout();
    return {exit, out, testing::internal::GetCapturedStderr()};
  }
  // What a command that was called wrongly says.
  static std::string usage_error(const Arguments& arguments) {
    Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit, 2) << testing::PrintToString(arguments) << outcome.out;
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.err, StartsWith("tillrace: "));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    return outcome.err;
  }

  ScratchFolder folder_;
  std::filesystem::path before_;
};

TEST_F(CliTest, AFullDiskBehindStandardOutputIsToldAndNoSuccess) {
  testing::internal::CaptureStderr();
  int before = ::dup(STDOUT_FILENO);
  int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ::dup2(full, STDOUT_FILENO);
  int exit = run_cli({"--version"}, {});
  ::dup2(before, STDOUT_FILENO);
  ::close(full);
  ::close(before);
  EXPECT_EQ(exit, 3);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "tillrace: cannot write to standard output: No space left on device\n");
  EXPECT_EQ(run({"--version"}).exit, 0) << "it is told once";
}

TEST_F(CliTest, HelpOfEveryCommandGoesToStandardOutput) {
  for (const Arguments& command : kCommands) {
    for (const char* flag : {"--help", "-h"}) {
      Arguments arguments = command;
      arguments.emplace_back(flag);
      Outcome outcome = run(arguments);
      EXPECT_EQ(outcome.exit, 0) << command.back();
      EXPECT_THAT(outcome.out, AllOf(HasSubstr("Usage:"), HasSubstr(command.back())));
      EXPECT_THAT(outcome.err, IsEmpty());
    }
  }
}

TEST_F(CliTest, TheProgramsHelpNamesEveryCommandAndCommonFlag) {
  Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.exit, 0);
  for (const Arguments& command : kCommands)
    EXPECT_THAT(outcome.out, HasSubstr("  " + command.front() + " "));
  for (const char* flag : {"--config", "--data-dir", "--log-level", "--json", "--quiet"})
    EXPECT_THAT(outcome.out, HasSubstr(flag));
}

TEST_F(CliTest, WithoutArgumentsHelpIsShownAndTheExitCodeSaysUsage) {
  Outcome outcome = run({});
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_THAT(outcome.out, HasSubstr("Usage:"));
}

TEST_F(CliTest, VersionIsOneLine) {
  Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_THAT(outcome.out, testing::MatchesRegex("tillrace [0-9.]+\n"));
}

TEST_F(CliTest, AnUnknownWordIsRefusedWithTheNearestKnown) {
  for (const auto& [arguments, like] : std::vector<std::pair<Arguments, std::string>>{
           {{"stauts"}, "status"},
           {{"tpoics"}, "topics"},
           {{"topics", "crate", "x"}, "create"},
           {{"config", "sohw"}, "show"},
           {{"up", "--lisen", ":80"}, "--listen"},
           {{"up", "--lisen=:80"}, "--listen"},
           {{"status", "--jsn"}, "--json"},
           {{"--data-dri", "x", "status"}, "--data-dir"},
           {{"post", "f", "--concurency", "3"}, "--concurrency"},
           {{"report", "total-sales", "--form", "2011-01-01"}, "--from"},
           {{"generate", "--row=1"}, "--rows"}})
    EXPECT_THAT(usage_error(arguments), HasSubstr("did you mean '" + like + "'?"))
        << testing::PrintToString(arguments);
}

TEST_F(CliTest, AWordUnlikeAllOthersIsToldWhereHelpIs) {
  EXPECT_THAT(usage_error({"frobnicate"}), HasSubstr("see `tillrace --help`"));
  EXPECT_THAT(usage_error({"status", "--frobnicate-all"}), HasSubstr("`tillrace status --help`"));
  EXPECT_THAT(usage_error({"config", "show", "frobnicate"}),
              HasSubstr("`tillrace config show --help`"));
}

TEST_F(CliTest, WhatIsMissingOrOutOfRangeIsRefused) {
  for (const Arguments& arguments :
       std::vector<Arguments>{{"--json"},
                              {"convert"},
                              {"post"},
                              {"topics"},
                              {"config"},
                              {"keys"},
                              {"keys", "create"},
                              {"keys", "revoke"},
                              {"keys", "create", "x", "--expires", "0"},
                              {"keys", "create", "x", "--expires", "soon"},
                              {"customer"},
                              {"invoice"},
                              {"report"},
                              {"topics", "create"},
                              {"up", "--listen"},
                              {"gateway", "--warehouse-url", "postgresql:///shop"},
                              {"customer", "1", "2"},
                              {"post", "f", "--concurrency", "0"},
                              {"post", "f", "--concurrency", "257"},
                              {"post", "f", "--batch", "0"},
                              {"post", "f", "--batch", "1000001"},
                              {"post", "f", "--retry-for", "soon"},
                              {"generate", "--rows", "-1"},
                              {"generate", "--rows", "many"},
                              {"topics", "create", "x", "--partitions", "0"},
                              {"topics", "create", "x", "--partitions", "257"},
                              {"tail", "-n", "-5"},
                              {"report", "top-products", "--top", "0"}})
    usage_error(arguments);
}

TEST_F(CliTest, ABadSettingIsRefusedByEveryCommandSayingWhere) {
  EXPECT_THAT(usage_error({"up", "--listen", "nowhere"}), HasSubstr("http.listen"));
  EXPECT_THAT(usage_error({"status", "--log-level", "loud"}), HasSubstr("log_level"));
  EXPECT_THAT(usage_error({"topics", "list", "--data-dir", ""}), HasSubstr("data_dir"));
  EXPECT_THAT(usage_error({"config", "check", "--config", "none.toml"}), HasSubstr("none.toml"));
  folder_.file("shop.toml", "[http]\nthreds = 1\n");
  EXPECT_THAT(usage_error({"--config", "shop.toml", "config", "check"}),
              HasSubstr("shop.toml:2: there is no setting 'http.threds'; did you mean"));
  folder_.file(".env", "TILLRACE_HTTP__THREADS=0\n");
  EXPECT_THAT(usage_error({"config", "check"}), HasSubstr("TILLRACE_HTTP__THREADS in .env"));
}

TEST_F(CliTest, ConfigCheckIsSilentWhenQuiet) {
  EXPECT_EQ(run({"config", "check"}).out, "the configuration is valid\n");
  Outcome quiet = run({"config", "check", "--quiet"});
  EXPECT_EQ(quiet.exit, 0);
  EXPECT_THAT(quiet.out, IsEmpty());
}

TEST_F(CliTest, ConfigShowTellsValuesAndTheirSources) {
  Outcome outcome = run({"config", "show", "--json", "--data-dir", "here"},
                        {"TILLRACE_HTTP__LISTEN=127.0.0.1:81", "HOME=/"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr(R"({"setting":"data_dir","value":"here","from":"the command line",)"),
            HasSubstr(R"("127.0.0.1:81","from":"TILLRACE_HTTP__LISTEN in the environment")"),
            HasSubstr(R"("from":"default")")));
}

TEST_F(CliTest, AnUnknownReportIsRefusedWithTheNearestKnown) {
  EXPECT_THAT(usage_error({"report", "total-sale"}), HasSubstr("did you mean 'total-sales'?"));
  EXPECT_THAT(usage_error({"report", "topproducts"}), HasSubstr("did you mean 'top-products'?"));
  EXPECT_THAT(usage_error({"report", "xyz"}),
              AllOf(HasSubstr("customer-summary"), HasSubstr("cancelled-orders")));
}

TEST_F(CliTest, WhereNothingRunsTheExitCodeSaysSo) {
  EXPECT_EQ(run({"status"}).exit, 1);
  for (const Arguments& arguments : std::vector<Arguments>{
           {"customer", "1"}, {"invoice", "1"}, {"report", "total-sales"}, {"post", "f.ndjson"}}) {
    Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit, 3) << arguments.front();
    EXPECT_THAT(outcome.err, HasSubstr("tillrace up"));
    EXPECT_THAT(outcome.out, IsEmpty());
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "tillrace-data"));
}

TEST_F(CliTest, TopicsAreMadeOnceAndListed) {
  Outcome made = run({"topics", "create", "shop", "--partitions", "2", "--json"});
  EXPECT_EQ(made.exit, 0) << made.err;
  EXPECT_THAT(made.out, StartsWith(R"({"topic":"shop","partitions":2,"log_id":")"));
  Outcome again = run({"topics", "create", "shop"});
  EXPECT_EQ(again.exit, 1);
  EXPECT_THAT(again.err, HasSubstr("shop"));
  Outcome list = run({"topics", "list", "--json"});
  EXPECT_THAT(list.out, AllOf(HasSubstr(R"("topic":"shop","partition":0,"first":0,"end":0)"),
                              HasSubstr(R"("partition":1)"), Not(HasSubstr(R"("partition":2)"))));
  EXPECT_EQ(run({"topics", "create", "a/b"}).exit, 2);
}

TEST_F(CliTest, AKeyIsPrintedOnceAndNeverListed) {
  Outcome made = run({"keys", "create", "till 7"});
  EXPECT_EQ(made.exit, 0) << made.err;
  EXPECT_THAT(made.out, testing::MatchesRegex("tr_[a-z2-7]+_[a-z2-7]+\n"));
  EXPECT_THAT(made.err, AllOf(HasSubstr("may: ingest"), Not(HasSubstr(made.out.substr(14, 20)))));
  std::string id = made.out.substr(3, 10);
  for (const char* format : {"--quiet", "--json", "--csv"}) {
    Outcome list = run({"keys", "list", format});
    EXPECT_EQ(list.exit, 0);
    EXPECT_THAT(list.out, AllOf(HasSubstr(id), HasSubstr("till 7"), HasSubstr("active"),
                                Not(HasSubstr(made.out.substr(14, 20)))));
  }
}

TEST_F(CliTest, AKeyHasTheScopesAndTheEndThatWereAskedFor) {
  Outcome made = run({"keys", "create", "x", "--scope", "read,ingest", "--expires", "7", "--json"});
  EXPECT_EQ(made.exit, 0) << made.err;
  EXPECT_THAT(made.out, AllOf(HasSubstr(R"("scopes":"ingest,read")"), HasSubstr(R"("key":"tr_)"),
                              Not(HasSubstr(R"("expires_at":null)"))));
  EXPECT_THAT(run({"keys", "create", "x", "--json", "--quiet"}).out,
              HasSubstr(R"("expires_at":null,"key":"tr_)"));
  EXPECT_THAT(usage_error({"keys", "create", "x", "--scope", "write"}), HasSubstr("ingest, read"));
  EXPECT_THAT(usage_error({"keys", "create", "x", "--scope", ""}), HasSubstr("ingest, read"));
  EXPECT_THAT(usage_error({"keys", "create", ""}), HasSubstr("name"));
}

TEST_F(CliTest, ARevokedKeyIsListedAsThat) {
  std::string id = run({"keys", "create", "x", "--quiet"}).out.substr(3, 10);
  Outcome revoked = run({"keys", "revoke", id, "--json"});
  EXPECT_EQ(revoked.exit, 0) << revoked.err;
  EXPECT_THAT(revoked.out, StartsWith(R"({"id":")" + id));
  EXPECT_THAT(run({"keys", "list"}).out, HasSubstr("revoked"));
  EXPECT_THAT(run({"keys", "revoke", id}).err, HasSubstr("before"));
}

TEST_F(CliTest, AKeyThatIsNotThereCannotBeRevoked) {
  EXPECT_EQ(run({"keys", "revoke", "abcdefghij"}).exit, 1);
  EXPECT_EQ(run({"keys", "list", "--json"}).out, "[]\n");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "tillrace-data"));
  run({"keys", "create", "x"});
  Outcome outcome = run({"keys", "revoke", "abcdefghij"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_THAT(outcome.err, HasSubstr("keys list"));
}

TEST_F(CliTest, AKeyFileThatIsBrokenOrOpenToOthersIsLeftAlone) {
  run({"keys", "create", "x"});
  std::filesystem::path file = folder_.path() / "tillrace-data" / "keys.json";
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  EXPECT_THAT(usage_error({"keys", "list"}), HasSubstr("chmod 600"));
  EXPECT_TRUE(write_file_atomically(file, "{", 0600));
  for (const Arguments& arguments :
       std::vector<Arguments>{{"keys", "list"}, {"keys", "create", "y"}, {"keys", "revoke", "z"}})
    EXPECT_EQ(run(arguments).exit, 4);
  EXPECT_EQ(*read_file(file), "{");
}

TEST_F(CliTest, GenerateGivesTheSameBytesForTheSameSeed) {
  Outcome first = run({"generate", "--rows", "50", "--seed", "7", "--quiet"});
  EXPECT_EQ(first.exit, 0) << first.err;
  EXPECT_EQ(std::count(first.out.begin(), first.out.end(), '\n'), 50);
  EXPECT_EQ(run({"generate", "--rows", "50", "--seed", "7", "--quiet"}).out, first.out);
  EXPECT_NE(run({"generate", "--rows", "50", "--seed", "8", "--quiet"}).out, first.out);
  EXPECT_THAT(usage_error({"generate", "--start", "yesterday"}), HasSubstr("2010-12-01"));
}

TEST_F(CliTest, ConvertTellsABadRowByItsExitCode) {
  constexpr std::string_view kHead =
      "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
  constexpr std::string_view kRow = "536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,EIRE\n";
  folder_.file("good.csv", fmt::format("{}{}", kHead, kRow));
  Outcome good = run({"convert", "good.csv", "-o", "good.ndjson", "--json"});
  EXPECT_EQ(good.exit, 0) << good.err;
  EXPECT_THAT(good.out, StartsWith(R"({"rows":1,"written":1,"rejected":0,)"));
  folder_.file("bad.csv", fmt::format("{}{}x,y\n", kHead, kRow));
  Outcome bad = run({"convert", "bad.csv", "-o", "bad.ndjson", "--json"});
  EXPECT_EQ(bad.exit, 1);
  EXPECT_THAT(bad.out, StartsWith(R"({"rows":2,"written":1,"rejected":1,)"));
  EXPECT_EQ(run({"convert", "none.csv", "-o", "x"}).exit, 1);
  EXPECT_EQ(run({"convert", "good.csv", "--date-order", "ymd"}).exit, 2);
}

}  // namespace
}  // namespace tillrace::app
