#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/commands.h"
#include "base/scratch_for_tests.h"

namespace tillrace::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() { inputs_.dot_env = folder_.path() / ".env"; }

  void file(std::string_view toml) { inputs_.file = folder_.file("shop.toml", toml); }
  void dot_env(std::string_view text) { folder_.file(".env", text); }
  Config config() {
    auto loaded = load_config(inputs_);
    EXPECT_TRUE(loaded) << loaded.error().message;
    return loaded ? loaded->config : Config{};
  }
  // Why the inputs are refused; "accepted" when they are not.
  std::string refusal() {
    auto loaded = load_config(inputs_);
    if (loaded) return "accepted";
    EXPECT_EQ(loaded.error().code, Code::invalid);
    return loaded.error().message;
  }
  std::string refusal_of_file(std::string_view toml) {
    file(toml);
    return refusal();
  }
  std::string refusal_of(const std::string& key, const std::string& value) {
    inputs_.flags = {{key, value}};
    return refusal();
  }
  std::string level_in_dot_env(std::string_view text) {
    dot_env(text);
    auto loaded = load_config(inputs_);
    return loaded ? find_setting("log_level").value()->get(loaded->config) : loaded.error().message;
  }

  ScratchFolder folder_;
  ConfigInputs inputs_;
};

TEST_F(ConfigTest, WithoutAnySourceEverythingHasItsDefault) {
  auto loaded = load_config(inputs_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(loaded->sources.empty());
  EXPECT_EQ(loaded->config.http.listen, "127.0.0.1:8080");
  EXPECT_EQ(loaded->config.data_dir, "tillrace-data");
}

TEST_F(ConfigTest, EverySettingsDefaultIsAValueItTakes) {
  for (const Setting& setting : settings()) {
    Config config;
    EXPECT_TRUE(setting.set(config, setting.get(Config{}))) << setting.key;
    EXPECT_EQ(setting.get(config), setting.get(Config{})) << setting.key;
    EXPECT_FALSE(setting.help.empty()) << setting.key;
  }
}

TEST_F(ConfigTest, AFlagBeatsTheEnvironmentThatTheDotEnvAndThatTheFile) {
  file("log_level = 'error'\n[http]\nthreads = 3\nmax_connections = 33\nbody_timeout_ms = 333\n");
  EXPECT_EQ(config().http.threads, 3);
  dot_env("TILLRACE_HTTP__THREADS=4\nTILLRACE_HTTP__MAX_CONNECTIONS=44\n");
  EXPECT_EQ(config().http.threads, 4);
  inputs_.environment = {"PATH=/bin", "TILLRACE_HTTP__THREADS=5"};
  EXPECT_EQ(config().http.threads, 5);
  inputs_.flags = {{"http.threads", "6"}};
  EXPECT_EQ(config().http.threads, 6);
  EXPECT_EQ(config().http.max_connections, 44);
  EXPECT_EQ(config().http.body_timeout_ms, 333);
}

TEST_F(ConfigTest, EachValueSaysWhereItCameFrom) {
  file("\n[http]\nthreads = 3\nbody_timeout_ms = 333\n");
  dot_env("TILLRACE_LOG__TOPIC=shop\n");
  inputs_.environment = {"TILLRACE_SHOP__TIME_ZONE=Europe/London"};
  inputs_.flags = {{"http.threads", "6"}};
  auto sources = load_config(inputs_).value().sources;
  EXPECT_EQ(sources["http.threads"], "the command line");
  EXPECT_EQ(sources["shop.time_zone"], "TILLRACE_SHOP__TIME_ZONE in the environment");
  EXPECT_EQ(sources["log.topic"], "TILLRACE_LOG__TOPIC in " + inputs_.dot_env.string());
  EXPECT_EQ(sources["http.body_timeout_ms"], inputs_.file->string() + ":4");
  EXPECT_EQ(sources.size(), 4u);
}

TEST_F(ConfigTest, EverySettingCanBeGivenInTheFileAndInTheEnvironment) {
  for (const Setting& setting : settings()) {
    std::string variable = "TILLRACE_" + std::string(setting.key);
    if (std::size_t dot = variable.find('.'); dot != std::string::npos)
      variable.replace(dot, 1, "__");
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    inputs_.environment = {variable + "=" + setting.get(Config{})};
    auto loaded = load_config(inputs_);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(loaded->sources.contains(std::string(setting.key))) << variable;
    inputs_.environment = {};
    file(fmt::format("{} = '{}'", setting.key, setting.get(Config{})));
    EXPECT_EQ(load_config(inputs_).value().sources.size(), 1u) << setting.key;
    inputs_.file.reset();
  }
}

TEST_F(ConfigTest, AFileTakesTextsWholeNumbersAndFlags) {
  file("log_json = true\ndata_dir = 'a b'\nshutdown_timeout_s = 1_000\nhttp.threads = '7'\n");
  EXPECT_TRUE(config().log_json);
  EXPECT_EQ(config().data_dir, "a b");
  EXPECT_EQ(config().shutdown_timeout_s, 1'000);
  EXPECT_EQ(config().http.threads, 7);
}

TEST_F(ConfigTest, AWrongTypeInAFileIsNamedWithFileLineAndKey) {
  for (const char* value :
       {"1.5", "[1, 2]", "2010-12-01", "2010-12-01T08:26:00Z", "08:26:00", "inf", "[{a = 1}]"})
    EXPECT_THAT(refusal_of_file(fmt::format("\n[http]\nthreads = {}\n", value)),
                AllOf(HasSubstr("shop.toml:3: http.threads: "), HasSubstr("a whole number")))
        << value;
  EXPECT_THAT(refusal_of_file("[[http]]\nthreads = 2\n"), HasSubstr("shop.toml:1: http: "));
}

TEST_F(ConfigTest, AFileThatIsNoTomlIsNamedWithTheLine) {
  for (const char* toml : {"a = 1\nlog_level = \n", "a = 1\n[http\n", "a = 1\nlog_level = 'info\n",
                           "a = 1\na = 2\n", "a = 1\n= 3\n"})
    EXPECT_THAT(refusal_of_file(toml), HasSubstr("shop.toml:2: ")) << toml;
}

TEST_F(ConfigTest, AFileThatCannotBeReadIsRefusedSayingWhatItIsFor) {
  inputs_.file = folder_.path() / "none.toml";
  EXPECT_THAT(refusal(), AllOf(HasSubstr("none.toml"), HasSubstr("--config names a TOML file")));
  inputs_.file = folder_.path();
  EXPECT_THAT(refusal(), HasSubstr("--config names a TOML file"));
}

TEST_F(ConfigTest, AnUnknownKeyIsRefusedWhereverItStandsWithTheNearestKnown) {
  EXPECT_THAT(refusal_of_file("\n[http]\nlisten_ = 'x'\n"),
              AllOf(HasSubstr("shop.toml:3"), HasSubstr("did you mean 'http.listen'?")));
  EXPECT_THAT(refusal_of_file("log-level = 'info'"), HasSubstr("did you mean 'log_level'?"));
  EXPECT_THAT(refusal_of_file("[http.listen]\nx = 1"), HasSubstr("no setting 'http.listen.x'"));
  inputs_.file.reset();
  inputs_.environment = {"TILLRACE_HTTP__THREAD=2"};
  EXPECT_THAT(refusal(), AllOf(HasSubstr("TILLRACE_HTTP__THREAD in the environment"),
                               HasSubstr("did you mean 'http.threads'?")));
  inputs_.environment = {"TILLRACE_HTTP_THREADS=2"};
  EXPECT_THAT(refusal(), HasSubstr("did you mean 'http.threads'?"));
  inputs_.environment = {"TILLRACE_=2"};
  EXPECT_THAT(refusal(), HasSubstr("`tillrace config show` lists them"));
  inputs_.environment = {"TILLRACE_SOMETHING_QUITE_DIFFERENT=2"};
  EXPECT_THAT(refusal(), HasSubstr("`tillrace config show` lists them"));
}

TEST_F(ConfigTest, OtherVariablesAreNobodysBusiness) {
  inputs_.environment = {"TILL=1", "tillrace_http__threads=x", "XTILLRACE_A=1", "EMPTY="};
  dot_env("DATABASE_URL=postgres://x\nnot a variable\n");
  EXPECT_TRUE(load_config(inputs_)->sources.empty());
}

TEST_F(ConfigTest, AnEmptyVariableIsNoValueWhereOneIsWanted) {
  for (const char* variable : {"TILLRACE_HTTP__THREADS", "TILLRACE_LOG_LEVEL", "TILLRACE_DATA_DIR",
                               "TILLRACE_HTTP__LISTEN", "TILLRACE_LOG__TOPIC", "TILLRACE_LOG_JSON",
                               "TILLRACE_SHOP__TIME_ZONE"}) {
    inputs_.environment = {std::string(variable) + "="};
    EXPECT_THAT(refusal(), HasSubstr(std::string(variable) + " in the environment: ")) << variable;
  }
  inputs_.environment = {"TILLRACE_WAREHOUSE__URL="};  // empty has a meaning here
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(ConfigTest, ADotEnvMayHaveCommentsQuotesExportsBlanksAndCarriageReturns) {
  for (std::string_view text :
       {"TILLRACE_LOG_LEVEL=error", "TILLRACE_LOG_LEVEL=error\r\n",
        "\n\n  TILLRACE_LOG_LEVEL=error", "TILLRACE_LOG_LEVEL=\"error\"",
        "TILLRACE_LOG_LEVEL='error'\r\n", "export TILLRACE_LOG_LEVEL=error",
        "export   TILLRACE_LOG_LEVEL='error'",
        "# a = comment\n#TILLRACE_LOG_LEVEL=off\nTILLRACE_LOG_LEVEL=error\t\n",
        "TILLRACE_LOG_LEVEL=error # loud enough", "TILLRACE_LOG_LEVEL=\"error\" # loud enough",
        "TILLRACE_LOG_LEVEL=off\nTILLRACE_LOG_LEVEL=error", "\xef\xbb\xbfTILLRACE_LOG_LEVEL=error"})
    EXPECT_EQ(level_in_dot_env(text), "error") << text;
}

TEST_F(ConfigTest, ADotEnvsQuotesKeepWhatTheyHold) {
  for (auto [text, topic] :
       std::vector<std::pair<const char*, const char*>>{{"='a b # c'", "a b # c"},
                                                        {"=\" a \"", " a "},
                                                        {"=a#b", "a#b"},
                                                        {"=''", ""},
                                                        {"=\"", "\""},
                                                        {"='a", "'a"},
                                                        {"='a'b'", "'a'b'"},
                                                        {"=a=b", "a=b"},
                                                        {"= a", " a"}}) {
    dot_env("TILLRACE_LOG__TOPIC" + std::string(text));
    EXPECT_THAT(refusal(), HasSubstr(fmt::format("'{}'", topic))) << text;
  }
  dot_env("TILLRACE_WAREHOUSE__URL='postgresql://u:p#w d@h/db'");
  EXPECT_EQ(config().warehouse.url, "postgresql://u:p#w d@h/db");
}

TEST_F(ConfigTest, ADotEnvsMistakesAreNamed) {
  EXPECT_THAT(level_in_dot_env("TILLRACE_LOG_LEVEL: info"), HasSubstr("is not NAME=value"));
  EXPECT_THAT(level_in_dot_env("TILLRACE_LOG_LEVEL = info"), HasSubstr("no setting 'log_level '"));
  EXPECT_THAT(level_in_dot_env("TILLRACE_LOG_LEVEL=loud"),
              HasSubstr("TILLRACE_LOG_LEVEL in " + inputs_.dot_env.string()));
}

TEST_F(ConfigTest, NumbersAreTakenAtTheirLimitsAndRefusedBeyond) {
  struct Limits {
    const char* key;
    std::int64_t least, most;
  };
  for (auto [key, least, most] :
       std::vector<Limits>{{"http.threads", 1, 64},
                           {"http.max_batch_bytes", 1'024, 12 << 20},
                           {"http.max_batch_records", 1, 1'000'000},
                           {"http.max_connections", 1, 1'000'000},
                           {"http.header_timeout_ms", 100, 600'000},
                           {"http.body_timeout_ms", 100, 600'000},
                           {"log.partitions", 0, 256},
                           {"warehouse.port", 0, 65'535},
                           {"warehouse.shared_buffers_mb", 16, 1 << 20},
                           {"warehouse.max_refused_in_a_row", 1, 1'000'000'000},
                           {"retention.check_interval_s", 1, 86'400},
                           {"retention.max_age_h", 0, 1'000'000},
                           {"retention.safety_h", 0, 1'000'000},
                           {"shutdown_timeout_s", 1, 3'600}}) {
    for (std::int64_t good : {least, most})
      EXPECT_EQ(refusal_of(key, std::to_string(good)), "accepted") << key;
    for (std::int64_t bad : {least - 1, most + 1})
      EXPECT_THAT(refusal_of(key, std::to_string(bad)),
                  HasSubstr(fmt::format("{}: '{}' is not a whole number from {} to {}", key, bad,
                                        least, most)));
    for (const char* bad : {"", " 1", "1 ", "+20", "1e2", "0x10", "99999999999999999999", "two"})
      EXPECT_THAT(refusal_of(key, bad), HasSubstr("is not a whole number")) << key << bad;
  }
}

TEST_F(ConfigTest, SizesAreInGigabytesAndPartsOfOne) {
  file("[retention]\nmax_gb = 0.25\nhold_log_max_gb = 3\n");
  EXPECT_EQ(config().retention.max_bytes, 250'000'000u);
  EXPECT_EQ(config().retention.hold_log_max_bytes, 3'000'000'000u);
  const Setting& shown = *find_setting("retention.max_gb").value();
  EXPECT_EQ(shown.get(config()), "0.25");
  inputs_.file.reset();
  for (const char* good : {"0", "0.000000001", "2.5", "1000000"})
    EXPECT_EQ(refusal_of("retention.max_gb", good), "accepted") << good;
  for (const char* bad : {"", "-1", "1000000.1", "10 GB", "inf", "nan", "0x10", "1,5", "ten"})
    EXPECT_THAT(refusal_of("retention.max_gb", bad),
                HasSubstr(fmt::format("retention.max_gb: '{}' is not a number of GB", bad)));
  EXPECT_THAT(refusal_of("retention.hold_log_max_gb", "0"), HasSubstr("from 0.001 to 1000000"));
}

TEST_F(ConfigTest, WordsThatAreNotKnownAreRefused) {
  EXPECT_THAT(refusal_of("log_level", "loud"), HasSubstr("debug, info, warning"));
  EXPECT_THAT(refusal_of("log_json", "yes"), HasSubstr("neither true nor false"));
  EXPECT_THAT(refusal_of("shop.time_zone", "Europe/Atlantis"), HasSubstr("Europe/London"));
  EXPECT_THAT(refusal_of("log.topic", "a/b"), HasSubstr("log.topic: "));
  EXPECT_THAT(refusal_of("data_dir", ""), HasSubstr("a folder's path is wanted"));
}

TEST(ParseListen, ReadsIPv4IPv6AndPortsAlone) {
  for (auto [text, address, port] :
       std::vector<std::tuple<const char*, const char*, int>>{{"127.0.0.1:8080", "127.0.0.1", 8080},
                                                              {"0.0.0.0:0", "0.0.0.0", 0},
                                                              {"[::1]:65535", "::1", 65535},
                                                              {"[::]:80", "::", 80},
                                                              {"[fe80::1%lo]:80", "fe80::1%lo", 80},
                                                              {":8080", "127.0.0.1", 8080},
                                                              {"localhost:1", "127.0.0.1", 1}}) {
    auto listen = parse_listen(text);
    ASSERT_TRUE(listen) << listen.error().message;
    EXPECT_EQ(listen->address, address);
    EXPECT_EQ(listen->port, port);
  }
}

TEST(ParseListen, RefusesWhatIsNoAddressOrNoPort) {
  for (const char* text : {"",
                           "8080",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:80x",
                           "127.0.0.1: 80",
                           "127.0.0.1:http",
                           "256.0.0.1:80",
                           "127.1:80",
                           "shop.example.com:80",
                           "::1:80",
                           "::1",
                           "[::1]",
                           "[::1:80",
                           "::1]:80",
                           "[127.0.0.1]:80",
                           "[]:80",
                           "[::g]:80",
                           "http://127.0.0.1:80",
                           "127.0.0.1:80:80"}) {
    auto listen = parse_listen(text);
    ASSERT_FALSE(listen) << text;
    EXPECT_EQ(listen.error().code, Code::invalid);
    EXPECT_THAT(listen.error().message, HasSubstr(text));
  }
}

TEST_F(ConfigTest, ShowHidesThePasswordInEveryFormat) {
  inputs_.flags = {{"warehouse.url", "postgresql://shop:s3cret@127.0.0.1/db?sslpassword=s4cret"},
                   {"client.key", "tr_s5cret"}};
  for (Format format : {Format::table, Format::json, Format::csv}) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_config_show({load_config(inputs_).value(), format, false}), Exit::ok);
    std::string shown = testing::internal::GetCapturedStdout();
    EXPECT_THAT(
        shown, AllOf(HasSubstr("postgresql://shop:***@127.0.0.1/db"), HasSubstr("http.listen"),
                     Not(HasSubstr("s3cret")), Not(HasSubstr("s4cret")), Not(HasSubstr("s5cret"))));
  }
}

}  // namespace
}  // namespace tillrace::app
