#include "lake/delta_schema.h"

#include <gtest/gtest.h>

namespace tillrace::lake {
namespace {

TEST(DeltaSchema, WhatIsWrittenIsReadBack) {
  Schema schema{{{"id", "long", false},
                 {"price", "decimal(18,4)"},
                 {"note", "string", true, R"({"comment":"a \"b\""})"}}};
  EXPECT_EQ(parse_schema(to_json(schema)).value(), schema);
}

TEST(DeltaSchema, NestedTypesAreKeptAsTheyAre) {
  constexpr auto kText =
      R"({"type":"struct","fields":[{"name":"s","type":{"type":"struct","fields":[)"
      R"({"name":"a b","type":"integer","nullable":true,"metadata":{}}]},"nullable":true,)"
      R"("metadata":{}},{"name":"l","type":{"type":"array","elementType":"string",)"
      R"("containsNull":true},"nullable":true,"metadata":{}},{"name":"m","type":{"type":"map",)"
      R"("keyType":"string","valueType":"double","valueContainsNull":true},"nullable":true,)"
      R"("metadata":{}}]})";
  auto schema = parse_schema(kText);
  ASSERT_TRUE(schema) << schema.error().message;
  EXPECT_EQ(duck_type(schema->columns[0].type).value(), R"(STRUCT("a b" INTEGER))");
  EXPECT_EQ(duck_type(schema->columns[1].type).value(), "VARCHAR[]");
  EXPECT_EQ(duck_type(schema->columns[2].type).value(), "MAP(VARCHAR, DOUBLE)");
  EXPECT_EQ(to_json(*schema), kText);
}

TEST(DeltaSchema, RefusesWhatIsNoSchema) {
  for (auto text : {"", "7", "{}", R"({"type":"struct"})", R"({"type":"array","fields":[]})",
                    R"({"type":"struct","fields":[7]})",
                    R"({"type":"struct","fields":[{"name":"a","type":"long"}]})",
                    R"({"type":"struct","fields":[{"name":"a","type":{},"nullable":true}]})"}) {
    EXPECT_EQ(parse_schema(text).error().code, Code::corrupt) << text;
  }
  EXPECT_EQ(parse_schema(R"({"type":"struct","fields":[{"name":"a","type":"timestamp_ntz",)"
                         R"("nullable":true,"metadata":{}}]})")
                .error()
                .code,
            Code::invalid);
}

TEST(DeltaSchema, RefusesTypesNestedWithoutEnd) {
  std::string type;
  for (int i = 0; i < 200; ++i) type += R"({"type":"array","elementType":)";
  type += "\"long\"" + std::string(200, '}');
  EXPECT_FALSE(duck_type(type));
}

TEST(DeltaSchema, KnowsDecimalsThatThereAre) {
  EXPECT_EQ(duck_type("decimal(38,38)").value(), "DECIMAL(38,38)");
  EXPECT_EQ(duck_type("decimal(1,0)").value(), "DECIMAL(1,0)");
  for (auto type : {"decimal(0,0)", "decimal(39,0)", "decimal(5,6)", "decimal(5)", "decimal(5,-1)",
                    "decimal(5,1", "decimal(a,b)", "decimal(5,1)x", "decimal"}) {
    EXPECT_EQ(duck_type(type).error().code, Code::invalid) << type;
  }
}

TEST(DeltaSchema, FindsColumnsWhateverTheirCase) {
  Schema schema{{{"InvoiceNo", "string"}}};
  ASSERT_NE(schema.find("invoiceno"), nullptr);
  EXPECT_EQ(schema.find("invoice"), nullptr);
}

}  // namespace
}  // namespace tillrace::lake
