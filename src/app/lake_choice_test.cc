#include "app/lake_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "base/scratch_for_tests.h"

namespace tillrace::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kRoot = "abfss://shop@account.dfs.core.windows.net/lake";
constexpr const char* kSecret = "c2VjcmV0c2VjcmV0";

class LakeChoiceTest : public testing::Test {
 protected:
  LakeChoiceTest() { config_.data_dir = folder_.path() / "data"; }

  void on_azure(const std::string& credential) {
    config_.lake.root = kRoot;
    config_.lake.credential = credential;
  }
  std::string refusal() {
    auto store = open_lake_store(config_, clock_, random_, metrics_);
    return store ? "accepted" : store.error().message;
  }
  template <class Options>
  Options credential() {
    auto made = lake_credential(config_);
    EXPECT_TRUE(made) << made.error().message;
    return std::get<Options>(*made);
  }
  static Status set(Config& config, const std::string& key, const std::string& value) {
    return (*find_setting(key))->set(config, value);
  }

  ScratchFolder folder_;
  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  Config config_;
};

TEST_F(LakeChoiceTest, WithoutARootTheLakeLiesInTheDataFolder) {
  EXPECT_FALSE(is_lake_on_azure(config_));
  EXPECT_EQ(lake_root(config_), (folder_.path() / "data/lake").string());
  auto store = open_lake_store(config_, clock_, random_, metrics_);
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE((*store)->put("a", "1"));
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "data/lake/a"));
}

TEST_F(LakeChoiceTest, ARelativeFolderIsToldInFull) {
  config_.lake.root = "some/../lake";
  EXPECT_EQ(lake_root(config_), (std::filesystem::current_path() / "lake").string());
}

TEST_F(LakeChoiceTest, AFolderThatCannotBeMadeIsNamedWithTheSetting) {
  config_.lake.root = folder_.file("taken", "") / "lake";
  EXPECT_THAT(refusal(), AllOf(HasSubstr("lake.root"), HasSubstr("taken")));
}

TEST_F(LakeChoiceTest, AzureWithoutACredentialIsRefusedNamingTheSetting) {
  on_azure("");
  EXPECT_TRUE(is_lake_on_azure(config_));
  EXPECT_EQ(lake_root(config_), kRoot);
  EXPECT_THAT(refusal(), AllOf(HasSubstr("lake.credential"), HasSubstr("managed_identity")));
}

TEST_F(LakeChoiceTest, ACredentialThatLacksSomethingIsRefusedNamingTheSetting) {
  for (auto [credential, setting] : {std::pair{"account_key", "lake.account_key"},
                                     {"sas", "lake.sas"},
                                     {"service_principal", "lake.tenant_id"},
                                     {"workload_identity", "lake.tenant_id"}}) {
    on_azure(credential);
    EXPECT_THAT(refusal(), AllOf(HasSubstr(credential), HasSubstr(setting)));
  }
  config_.lake.tenant_id = config_.lake.client_id = "0a";
  EXPECT_THAT(refusal(), HasSubstr("lake.token_file"));
  on_azure("service_principal");
  EXPECT_THAT(refusal(), HasSubstr("lake.client_secret"));
}

TEST_F(LakeChoiceTest, EachCredentialTakesItsSettings) {
  config_.lake.account_key = config_.lake.sas = config_.lake.client_secret = kSecret;
  config_.lake.tenant_id = "t";
  config_.lake.client_id = "c";
  config_.lake.token_file = "/run/token";
  on_azure("account_key");
  EXPECT_EQ(credential<lake::AccountKey>().key, kSecret);
  on_azure("sas");
  EXPECT_EQ(credential<lake::SharedAccessSignature>().token, kSecret);
  on_azure("service_principal");
  EXPECT_EQ(credential<lake::ServicePrincipal>().client_secret, kSecret);
  EXPECT_EQ(credential<lake::ServicePrincipal>().authority, lake::kPublicAuthority);
  on_azure("workload_identity");
  EXPECT_EQ(credential<lake::WorkloadIdentity>().token_file, "/run/token");
  on_azure("managed_identity");
  EXPECT_EQ(credential<lake::ManagedIdentity>().endpoint, lake::kMachineIdentityEndpoint);
  config_.lake.identity_endpoint = "http://127.0.0.1:1/x";
  config_.lake.identity_header = kSecret;
  config_.lake.authority = "https://login.example.com";
  EXPECT_EQ(credential<lake::ManagedIdentity>().endpoint, "http://127.0.0.1:1/x");
  EXPECT_EQ(credential<lake::ManagedIdentity>().identity_header, kSecret);
  on_azure("workload_identity");
  EXPECT_EQ(credential<lake::WorkloadIdentity>().authority, "https://login.example.com");
}

TEST_F(LakeChoiceTest, AzureIsNotAskedWhenTheStoreIsOpened) {
  on_azure("account_key");
  config_.lake.account_key = kSecret;
  config_.lake.endpoint = "http://127.0.0.1:1/account";
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(LakeChoiceTest, NoRefusalRepeatsASecret) {
  std::string broken = std::string(kSecret) + " \x01";
  config_.lake.account_key = config_.lake.sas = config_.lake.client_secret =
      config_.lake.identity_header = broken;
  config_.lake.tenant_id = config_.lake.client_id = "0a";
  for (const char* credential : {"account_key", "sas", "service_principal", "managed_identity"}) {
    on_azure(credential);
    EXPECT_THAT(refusal(), AllOf(Not(HasSubstr(kSecret)), Not(testing::StrEq("accepted"))))
        << credential;
  }
}

TEST_F(LakeChoiceTest, NeitherARootNorAnEndpointIsRepeatedWithTheSecretsInIt) {
  for (std::string value : {"https://account.blob.core.windows.net/c?sv=1&sig=SECRET",
                            "abfss://shop@account.dfs.core.windows.net/a?sig=SECRET",
                            "abfss://me:SECRET@account.dfs.core.windows.net/a",
                            "s3://me:SECRET@bucket/a", "https://me:SECRET@host/a"}) {
    for (const char* key : {"lake.root", "lake.endpoint"}) {
      Status set_it = set(config_, key, value);
      ASSERT_FALSE(set_it) << key << " " << value;
      EXPECT_THAT(set_it.error().message, Not(HasSubstr("SECRET")));
    }
  }
}

TEST_F(LakeChoiceTest, EverySecretIsHiddenWhenSettingsAreShown) {
  for (const char* key :
       {"lake.account_key", "lake.sas", "lake.client_secret", "lake.identity_header"})
    EXPECT_EQ((*find_setting(key))->secret, Secret::whole) << key;
}

TEST_F(LakeChoiceTest, TheSpoolFolderGoesWithTheLake) {
  std::filesystem::create_directories(config_.data_dir);
  std::filesystem::path spool;
  {
    auto opened = OpenLake::open(config_, "test", clock_, random_, metrics_);
    ASSERT_TRUE(opened) << opened.error().message;
    spool = (*opened)->ports().spool_folder;
    EXPECT_EQ(spool.parent_path(), config_.data_dir / "lake-spool");
    EXPECT_TRUE(std::filesystem::exists(spool));
  }
  EXPECT_FALSE(std::filesystem::exists(spool));
}

TEST_F(LakeChoiceTest, ASpoolFolderIsItsCommandsAlone) {
  for (bool data_folder : {false, true}) {
    if (data_folder) {
      ASSERT_TRUE(make_folders(config_.data_dir));
    }
    auto one = make_lake_spool(config_, "query", random_);
    auto other = make_lake_spool(config_, "query", random_);
    ASSERT_TRUE(one && other);
    EXPECT_NE(*one, *other) << "in another container the process may have the same number";
    EXPECT_EQ(one->string().find("data") != std::string::npos, data_folder) << *one;
    EXPECT_EQ(std::filesystem::status(*one).permissions(), std::filesystem::perms::owner_all);
    for (const auto& spool : {*one, *other}) std::filesystem::remove_all(spool);
  }
}

TEST_F(LakeChoiceTest, WhereNothingCanBeWrittenInTheDataFolderTheSpoolIsElsewhere) {
  ASSERT_TRUE(make_folders(config_.data_dir));
  folder_.file("data/lake-spool", "a file");
  auto opened = OpenLake::open(config_, "test", clock_, random_, metrics_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_THAT((*opened)->ports().spool_folder.string(), Not(HasSubstr("data")));
}

TEST_F(LakeChoiceTest, WhatACommandSpillsLeavesTheLogItsReserve) {
  config_.http.min_free_disk_mb = 1 << 30;  // more than there is
  config_.lake.memory_mb = 64;
  ASSERT_TRUE(make_folders(config_.data_dir));
  auto opened = OpenLake::open(config_, "test", clock_, random_, metrics_);
  ASSERT_TRUE(opened) << opened.error().message;
  Status sorted = (*opened)->ports().duck.run(
      "CREATE TEMP TABLE sorted AS SELECT md5(i::VARCHAR) AS a, md5((i + 1)::VARCHAR) AS b "
      "FROM range(2000000) r(i) ORDER BY a");
  ASSERT_FALSE(sorted);
  EXPECT_EQ(sorted.error().code, Code::exhausted);
  EXPECT_THAT(sorted.error().message, HasSubstr("0 bytes used"));
}

TEST_F(LakeChoiceTest, WithKafkaALakeIsWrittenOnlyWhereTheSettingsSayWhich) {
  EXPECT_TRUE(writes_lake(config_));
  config_.log.kind = "kafka";
  EXPECT_FALSE(writes_lake(config_));
  config_.lake.root = "/srv/lake";
  EXPECT_TRUE(writes_lake(config_));
  config_.lake.enabled = false;
  EXPECT_FALSE(writes_lake(config_));
}

TEST_F(LakeChoiceTest, WithoutADataFolderNoneIsMadeForFilesOnTheirWay) {
  config_.lake.root = folder_.path() / "lake";
  ASSERT_TRUE(OpenLake::open(config_, "test", clock_, random_, metrics_));
  EXPECT_FALSE(std::filesystem::exists(config_.data_dir));
}

TEST_F(LakeChoiceTest, WhatAKilledProcessLeftGoesAfterADayAndNothingElseDoes) {
  std::filesystem::path spools = config_.data_dir / "lake-spool";
  pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);  // so nobody has this number
  std::string dead = fmt::format("command-{}-0123abcd", child);
  std::string living = fmt::format("keeper-{}-0123abcd", ::getpid());
  std::string other = fmt::format("keeper-{}-backup01", child);
  for (const std::string& name : {dead, living, std::string("sink"), other})
    ASSERT_TRUE(make_folders(spools / name));
  std::filesystem::path temp = std::filesystem::temp_directory_path();
  std::filesystem::path strange = temp / ("other-" + dead);
  for (const auto& path : {temp / ("tillrace-" + dead), strange}) {
    ASSERT_TRUE(make_folders(path));
    std::filesystem::last_write_time(
        path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(25));
  }
  ASSERT_TRUE(OpenLake::open(config_, "test", clock_, random_, metrics_));
  EXPECT_TRUE(std::filesystem::exists(spools / dead)) << "it is young";
  auto day_before = std::filesystem::file_time_type::clock::now() - std::chrono::hours(25);
  for (const auto& entry : std::filesystem::directory_iterator(spools))
    std::filesystem::last_write_time(entry.path(), day_before);
  ASSERT_TRUE(OpenLake::open(config_, "test", clock_, random_, metrics_));
  EXPECT_FALSE(std::filesystem::exists(spools / dead));
  for (const std::string& name : {living, std::string("sink"), other})
    EXPECT_TRUE(std::filesystem::exists(spools / name)) << name;
  EXPECT_FALSE(std::filesystem::exists(temp / ("tillrace-" + dead)));
  EXPECT_TRUE(std::filesystem::exists(strange));
  std::filesystem::remove_all(strange);
}

TEST_F(LakeChoiceTest, TheCacheIsWhereItIsSetOrBesideTheDataOrTheUsersOwn) {
  config_.lake.cache_dir = "/some/where";
  EXPECT_EQ(lake_cache_folder(config_), "/some/where");
  config_.lake.cache_dir.clear();
  EXPECT_NE(lake_cache_folder(config_), config_.data_dir / "lake-cache");
  ASSERT_TRUE(make_folders(config_.data_dir));
  EXPECT_EQ(lake_cache_folder(config_), config_.data_dir / "lake-cache");
}

}  // namespace
}  // namespace tillrace::app
